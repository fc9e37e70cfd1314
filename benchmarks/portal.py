"""The customer portal for whoever has most: ten years of invoices, data by the hour, a dozen services.

Each page is asked for over HTTP from the whole application (session, origin, queries, template), one after another,
on a database with 20,000 other customers. Beside it: the log-in page, which asks the database for nothing.
"""

import asyncio
import os
import tempfile
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web
from sqlalchemy import insert

from benchmarks.isp import fill, subscribers
from benchmarks.measuring import percentile
from benchmarks.table import Row
from billing.customers import logins
from billing.customers.tables import Contract, Customer
from billing.dunning.facts import Stage
from billing.invoicing.tables import Invoice, InvoiceLine
from billing.money import ZERO, Money
from billing.payments.tables import Allocation, Payment
from billing.services.tables import Product, Service, Usage
from billing.store.engine import Store
from billing.store.tables import Mail
from config.clock import TestClock, monotonic_seconds
from config.settings import Settings, parse
from portal.customer.app import make_portal_app
from portal.customer.office import Office

OTHERS = 20_000
INVOICES = 1_200
HOURS, DAYS, MONTHS = 31 * 24, 400, 120
MAILS = 100
ROUNDS = 30
GOAL_MS = 100.0
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
FIRST_ID = 1_000_000
_FIRST_ADDRESS = IPv4Address("10.0.0.1")
PRICE = Money(599_00)
PAGES = {
    "information": "/",
    "services": "/services",
    "data by days": "/services/{id}/data?span=day&from=2025-10-21&until=2026-11-24",
    "data by hours": "/services/{id}/data?span=hour&from=2026-10-25&until=2026-11-24",
    "data by months": "/services/{id}/data?span=month&from=2016-12-01&until=2026-11-24",
    "data as CSV": "/services/{id}/data.csv?span=hour&from=2026-10-25&until=2026-11-24",
    "billing": "/billing",
    "all invoices": "/billing?year=all",
    "the oldest invoices": "/billing?year=all&skip=1140",
    "a search": "/billing?year=all&q=router",
    "I have paid": "/paid",
    "notices": "/notices",
    "account": "/account",
}


def run(scale: float = 1.0) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), scale))


async def _measured(folder: Path, scale: float) -> list[Row]:
    settings = _settings(folder)
    await fill(settings.database.url, subscribers([Stage.CLEAR] * max(10, int(OTHERS * scale)), _FIRST_ADDRESS), NOW)
    store = Store.open(settings.database.url)
    try:
        await _add_customer(store, max(60, int(INVOICES * scale)))
        async with store.transaction() as session:
            token = await logins.open_session(
                session, FIRST_ID, source_address="127.0.0.1", user_agent="bench", now=NOW
            )
        took = await _asked(Office(settings, store, TestClock(NOW), lambda: None), token, max(2, int(ROUNDS * scale)))
    finally:
        await store.close()
    beside_ms = median(took.pop("log-in page"))
    return [_row(name, times, beside_ms) for name, times in sorted(took.items(), key=lambda item: -median(item[1]))]


def _row(name: str, times_ms: list[float], beside_ms: float) -> Row:
    typical_ms, slow_ms = median(times_ms), percentile(times_ms, 95)
    return Row(
        name=f"portal: {name}",
        value=typical_ms,
        unit="ms",
        beside=f"95 %: {slow_ms:.0f} ms; the log-in page: {beside_ms:.1f} ms",
        ratio=typical_ms / beside_ms,
        goal=f"≤ {GOAL_MS:.0f} ms",
        is_met=typical_ms <= GOAL_MS,
    )


async def _asked(office: Office, token: str, rounds: int) -> dict[str, list[float]]:
    """How long each page takes, in milliseconds."""
    runner = web.AppRunner(make_portal_app(office), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    cookie = {"Cookie": f"{office.session_cookie}={token}"}
    asked: dict[str, tuple[str, dict[str, str]]] = {"log-in page": ("/login", {})}
    asked |= {name: (path.replace("{id}", str(FIRST_ID)), cookie) for name, path in PAGES.items()}
    took: dict[str, list[float]] = {name: [] for name in asked}
    try:
        async with ClientSession(cookie_jar=DummyCookieJar()) as browser:
            for _ in range(rounds):
                for name, (path, headers) in asked.items():
                    took[name].append(await _ask(browser, base + path, headers))
    finally:
        await runner.cleanup()
    return took


async def _ask(browser: ClientSession, url: str, headers: dict[str, str]) -> float:
    began = monotonic_seconds()
    async with browser.get(url, headers=headers, allow_redirects=False) as answer:
        await answer.read()
        assert answer.status == 200, (url, answer.status)
    return (monotonic_seconds() - began) * 1000


def _settings(folder: Path) -> Settings:
    (folder / "signing_key").write_text(os.urandom(32).hex())
    return parse(
        f"""
        [isp]
        name = "Benchmark"
        iban = "CZ6508000000192000145399"
        portal_url = "https://portal.isp.example"
        [database]
        url = "sqlite:///{folder}/portal.db"
        [secrets]
        directory = "{folder}"
        [mail]
        sender = "info@isp.example"
        """
    )


# ── whoever has most ────────────────────────────────────────────────────────────────────────────────────────────


async def _add_customer(store: Store, invoices: int) -> None:
    async with store.transaction() as session:
        customer = {"id": FIRST_ID, "number": "501", "name": "Jana Nováková", "email": "jana@isp.example"}
        await session.execute(insert(Customer), [customer])
        await session.execute(insert(Contract), [{"id": FIRST_ID, "number": "900001", "customer_id": FIRST_ID}])
        products = [{"id": FIRST_ID + n, "kind": "internet", "name": f"Optika {n}"} for n in range(12)]
        await session.execute(insert(Product), products)
        owned = {"contract_id": FIRST_ID, "starts_on": date(2016, 12, 1)}
        services = [{"id": FIRST_ID + n, "product_id": FIRST_ID + n, **owned} for n in range(12)]
        await session.execute(insert(Service), services)
        for table, rows in _paid_invoices(invoices):
            await session.execute(insert(table), rows)
        await session.execute(insert(Usage), _usage())
        await session.execute(insert(Mail), [_mail(n) for n in range(MAILS)])


def _paid_invoices(count: int) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Ten a month, for ten years, each with three lines; all but the last ten are paid, each by a payment."""
    invoices, lines, payments, shares = (list[dict[str, Any]]() for _ in range(4))
    for n in range(count):
        issued_on = date(2026, 11, 1) - timedelta(days=3650 * n // count)
        is_paid, due_on = n >= 10, issued_on + timedelta(days=14)
        whole, id_ = {"total": PRICE, "created_at": NOW}, FIRST_ID + n
        row = {"id": id_, "number": str(40_000_000 + n), "contract_id": FIRST_ID, "issued_on": issued_on}
        invoices.append({**row, "due_on": due_on, "open": ZERO if is_paid else PRICE, **whole})
        lines += [_line(id_, position, n) for position in range(1, 4)]
        if is_paid:
            booked = {"booked_on": due_on, "amount": PRICE, "unallocated": ZERO, "counter_account": "2800123456/2010"}
            whose = {"account": "19-2000145399/0800", "contract_id": FIRST_ID, "state": "matched", "why": ""}
            payments.append({"id": id_, "bank_ref": f"p{n}", **booked, **whose})
            shares.append({"payment_id": id_, "invoice_id": id_, "amount": PRICE, "at": NOW})
    return [(Invoice, invoices), (InvoiceLine, lines), (Payment, payments), (Allocation, shares)]


def _line(invoice_id: int, position: int, n: int) -> dict[str, Any]:
    money = {"unit_price": PRICE, "total": PRICE, "base": PRICE, "vat": ZERO}
    vat = {"vat_category": "standard", "vat_basis_points": 2100}
    text = "Router TP-Link" if n % 40 == 0 else f"Optika {position}, internetové připojení"
    return {"invoice_id": invoice_id, "position": position, "text": text, "serial_number": f"SN{n}", **money, **vat}


def _usage() -> list[dict[str, Any]]:
    spans = {"hour": (HOURS, timedelta(hours=1)), "day": (DAYS, timedelta(days=1)), "month": (MONTHS, timedelta(30))}
    return [
        {
            "service_id": FIRST_ID,
            "span": span,
            "starts_at": NOW.replace(hour=0) - step * back,
            "down_bytes": 10**9 + back * 10**6,
            "up_bytes": 10**8,
        }
        for span, (count, step) in spans.items()
        for back in range(count)
    ]


def _mail(n: int) -> dict[str, Any]:
    at = NOW - timedelta(days=30 * n)
    told = {"kind": "reminder", "recipient": "jana@isp.example", "subject": "Upomínka", "text": "Prosíme …\n" * 40}
    moments = {"created_at": at, "next_try_at": at, "sent_at": at}
    return {
        "dedup_key": f"b{n}", "message_id": f"<{n}@b>", "contract_id": FIRST_ID, "html": "", **told, **moments
    }  # fmt: skip
