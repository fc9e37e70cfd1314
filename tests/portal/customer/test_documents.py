"""A customer's own invoice as PDF and ISDOC, from the whole web role on a socket."""

import asyncio
from pathlib import Path

from aiohttp import ClientSession
from sqlalchemy import select

from billing.customers.passwords import hash_password
from billing.customers.tables import Customer
from billing.invoicing.tables import Invoice
from billing.store.engine import Store
from config.clock import TestClock
from portal.customer.office import Office
from portal.server import serve
from tests.billing.invoicing.billed import NOW, bill_november, subscribe
from tests.portal.customer.house import PASSWORD
from tests.portal.subscribers import free_port, settings_in


async def test_an_issued_invoice_comes_as_pdf_and_isdoc(store: Store, tmp_path: Path) -> None:
    port, portal = free_port(), free_port()
    settings = settings_in(
        tmp_path,
        port,
        f'[portal]\nlisten = ["127.0.0.1:{portal}"]\n[documents]\ndirectory = "{tmp_path}/documents"\nprocesses = 1',
    )
    await subscribe(store)
    await bill_november(store, settings)
    password_hash = await asyncio.to_thread(hash_password, PASSWORD)
    async with store.transaction() as session:
        customer = (await session.scalars(select(Customer))).one()
        customer.password_hash = password_hash
        number, customer_number = (await session.scalars(select(Invoice.number))).one(), customer.number
    base, origin = f"http://127.0.0.1:{portal}", {"Origin": settings.isp.portal_url}

    async with serve(settings, store, TestClock(NOW), lambda: None), ClientSession() as browser:
        form = {"number": customer_number, "password": PASSWORD}
        entered = await browser.post(f"{base}/login", data=form, headers=origin, allow_redirects=False)
        cookie = {"Cookie": f"{Office.session_cookie}={entered.cookies[Office.session_cookie].value}"}
        pdf = await (await browser.get(f"{base}/billing/{number}.pdf", headers=cookie)).read()
        isdoc = await (await browser.get(f"{base}/billing/{number}.isdoc", headers=cookie)).read()

    assert pdf.startswith(b"%PDF")
    assert f"<ID>{number}</ID>".encode() in isdoc
