"""Petr with the longest name; Jana with all that a page can show: contracts, services, years of invoices, usage."""

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import ChangeRequest, Contract, Customer
from billing.dunning.tables import Acknowledgement, Line, Notice, Showing, Standing
from billing.invoicing.tables import Invoice, InvoiceLine, NumberSeries
from billing.money import ZERO, Money
from billing.payments.tables import Allocation, Payment
from billing.services.tables import Product, Service, ServiceAddress, Usage
from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.credit import Credit
from billing.voip.tables import VoipNumber
from tests.portal.customer.house import NOW

PRAGUE = ZoneInfo("Europe/Prague")
TODAY = date(2026, 11, 24)
PRICE = Money(599_00)
ACCOUNT = "2800123456/2010"
LONG_NAME = "Společenství vlastníků jednotek domu U Staré školy 1287/14, Rožnov pod Radhoštěm"
LONG_ADDRESS = "predseda.vyboru.spolecenstvi.vlastniku@stara-skola-1287.roznov-pod-radhostem.example"


async def furnish(store: Store, *, months: int = 30, hourly_days: int = 40) -> None:
    """Everything at once; `months` of invoices for the contract 1001, which is suspended."""
    async with store.transaction() as session:
        contract_id = await _contract(session, "1001")
        internet_id = await session.scalar(select(Service.id).where(Service.contract_id == contract_id))
        assert internet_id
        await _services(session, contract_id, internet_id)
        await _invoices(session, contract_id, months)
        await _usage(session, internet_id, hourly_days)
        await _dunning(session, contract_id)
        await _second_contract(session)
        await _details(session)


async def _contract(session: AsyncSession, number: str) -> int:
    found = await session.scalar(select(Contract.id).where(Contract.number == number))
    assert found
    return found


async def _services(session: AsyncSession, contract_id: int, internet_id: int) -> None:
    products = [
        Product(kind="insurance", name="Pojištění zařízení"),
        Product(kind="voip", name="Pevná linka"),
        Product(kind="internet", name="Rádio 20"),
        Product(kind="other", name="Veřejná IP adresa"),
    ]
    session.add_all(products)
    await session.flush()
    ids, paid_until = [product.id for product in products], date(2026, 11, 30)
    periods = [
        {"starts_on": date(2025, 1, 1), "billed_elsewhere_until_on": date(2026, 12, 31)},
        {"starts_on": date(2025, 3, 1), "billed_elsewhere_until_on": paid_until},
        {"starts_on": date(2019, 5, 1), "billed_elsewhere_until_on": date(2023, 12, 31), "ends_on": date(2023, 12, 31)},
        {"starts_on": date(2024, 6, 1), "billed_elsewhere_until_on": paid_until},
    ]
    owned = [
        Service(contract_id=contract_id, product_id=id_, **period) for id_, period in zip(ids, periods, strict=True)
    ]
    phone = {"number": "+420571123456", "ending": "456", "deck": "standard", "balance": Credit.parse("128.4050")}
    session.add(VoipNumber(contract_id=contract_id, created_at=NOW, **phone))
    session.add_all([*owned, ServiceAddress(service_id=internet_id, network="2001:db8:40:1200::/56")])
    await session.execute(update(Service).where(Service.id == internet_id).values(billed_elsewhere_until_on=paid_until))


async def _invoices(session: AsyncSession, contract_id: int, months: int) -> None:
    """Month by month, the older paid; one for goods, one paid in parts, one credit note."""
    series = NumberSeries(kind="invoice", year=2026, prefix="25", digits=8)
    session.add(series)
    await session.flush()
    rows = list[dict[str, Any]]()
    for n in range(months):
        issued_on = _month(n + 2)
        rows.append(_invoice(str(25_900_000 - n), contract_id, issued_on, series.id))
    rows[0] |= {"open": Money(200_00)}
    goods = _invoice("2588001", contract_id, date(2026, 3, 17), series.id) | {"total": Money(2_490_00)}
    note = _invoice("2577001", contract_id, date(2026, 4, 2), series.id)
    note |= {"kind": "credit_note", "total": Money(-120_00), "base": Money(-99_17), "vat": Money(-20_83)}
    await session.execute(insert(Invoice), [*rows, goods, note])
    known = {number: id_ for id_, number in await session.execute(select(Invoice.id, Invoice.number))}
    words = {row["number"]: "Optika 300 Mb/s, internetové připojení" for row in (*rows, note)}
    words["2588001"] = "Router TP-Link Archer AX55 Pro"
    lines = [_line(known[number], text, number == "2588001") for number, text in words.items()]
    await session.execute(insert(InvoiceLine), lines)
    await _payments(session, contract_id, {row["number"]: row for row in (*rows, goods)}, known)


def _month(back: int) -> date:
    month = TODAY.year * 12 + TODAY.month - 1 - back
    return date(month // 12, month % 12 + 1, 1)


def _invoice(number: str, contract_id: int, issued_on: date, series_id: int) -> dict[str, Any]:
    due_on = issued_on + timedelta(days=14)
    mine = {"number": number, "contract_id": contract_id, "issued_on": issued_on, "due_on": due_on}
    sums = {"total": PRICE, "open": ZERO, "base": Money(495_04), "vat": Money(103_96)}
    return {**mine, **sums, "created_at": NOW, "series_id": series_id, "kind": "invoice", "supplied_on": issued_on}


def _line(invoice_id: int, text: str, is_goods: bool) -> dict[str, Any]:
    sums = {"unit_price": PRICE, "total": PRICE, "base": Money(495_04), "vat": Money(103_96)}
    vat = {"vat_category": "standard", "vat_basis_points": 2100}
    serial = "2C4-8F11-77A0 2C4-8F11-77A1" if is_goods else ""
    return {"invoice_id": invoice_id, "position": 1, "text": text, "serial_number": serial, **sums, **vat}


async def _payments(
    session: AsyncSession, contract_id: int, rows: dict[str, dict[str, Any]], known: dict[str, int]
) -> None:
    payments, shares = list[dict[str, Any]](), list[dict[str, Any]]()
    for n, (number, row) in enumerate(rows.items(), start=1):
        amount = row["total"] - row["open"]
        booked_on = row["due_on"] - timedelta(days=n % 5)
        arrived = {"account": "19-2000145399/0800", "bank_ref": f"r{n}", "booked_on": booked_on, "amount": amount}
        whose = {"contract_id": contract_id, "state": "matched", "why": "", "counter_account": ACCOUNT}
        payments.append({"id": 1000 + n, "unallocated": ZERO, **arrived, **whose})
        at = datetime.combine(booked_on, time(9), UTC)
        shares.append({"payment_id": 1000 + n, "invoice_id": known[number], "amount": amount, "at": at})
    await session.execute(insert(Payment), payments)
    await session.execute(insert(Allocation), shares)


async def _usage(session: AsyncSession, service_id: int, hourly_days: int) -> None:
    """Hours, days and months that look like an evening family's; nothing on one day."""
    rows = list[dict[str, Any]]()
    for back in range(hourly_days):
        day = TODAY - timedelta(days=back)
        for hour in range(24 if back else 11):
            begins = datetime.combine(day, time(hour), PRAGUE).astimezone(UTC)
            rows.append(_counted(service_id, "hour", begins, _data(back, hour)))
    for back in range(400):
        if back == 12:
            continue
        begins = datetime.combine(TODAY - timedelta(days=back), time(), PRAGUE).astimezone(UTC)
        rows.append(_counted(service_id, "day", begins, sum(_data(back, hour) for hour in range(24))))
    for back in range(26):
        begins = datetime.combine(_month(back), time(), PRAGUE).astimezone(UTC)
        rows.append(_counted(service_id, "month", begins, int((1.5 + math.sin(back / 2)) * 170e9)))
    await session.execute(insert(Usage), rows)


def _data(back: int, hour: int) -> int:
    evening = math.exp(-((hour - 20.5) ** 2) / 9)
    weekend = 1.8 if (TODAY - timedelta(days=back)).weekday() > 4 else 1.0
    return int((0.05 + evening) * weekend * (1 + 0.5 * math.sin(back * 1.7)) * 1.4e9)


def _counted(service_id: int, span: str, starts_at: datetime, down_bytes: int) -> dict[str, Any]:
    own = {"service_id": service_id, "span": span, "starts_at": starts_at}
    return {**own, "down_bytes": down_bytes, "up_bytes": down_bytes // 9}


async def _dunning(session: AsyncSession, contract_id: int) -> None:
    """A notice of the year before, settled; and this one, which ended in a suspension."""
    for days, closed_at in ((400, NOW - timedelta(days=396)), (12, None)):
        notice = Notice(contract_id=contract_id, opened_at=NOW - timedelta(days=days), closed_at=closed_at)
        session.add(notice)
        await session.flush()
        read_at = NOW - timedelta(days=days - 1)
        text = "Prosíme o zaplacení\nJana Nováková, smlouva 1001\n\nFaktura 261001, splatná 15. 10. 2026: 599,00 Kč"
        read = {"at": read_at, "source_address": "100.64.0.10", "text": text}
        session.add(Acknowledgement(notice_id=notice.id, language="cs", token_sha256=f"{days:064}", **read))
        session.add(Showing(notice_id=notice.id, at=read_at, source_address="100.64.0.10", text_sha256="b" * 64))
    session.add(Standing(contract_id=contract_id, stage="suspended", why="grace_over", since_at=NOW))
    session.add(Line(contract_id=contract_id, state="suspended", since_at=NOW))
    subjects = ("Upomínka: 599,00 Kč po splatnosti", "Upozornění: 599,00 Kč po splatnosti", "Linka je pozastavena")
    session.add_all(mail(contract_id, n, subject) for n, subject in enumerate(subjects, start=1))


def mail(contract_id: int, n: int, subject: str) -> Mail:
    """One that was sent."""
    at = NOW - timedelta(days=30 - n * 9)
    return Mail(
        dedup_key=f"reminder:{n}",
        message_id=f"<{n}@isp.example>",
        contract_id=contract_id,
        kind="reminder",
        recipient="501@isp.example",
        subject=subject,
        text=f"{subject}\n\nProsíme o zaplacení faktury 261001.",
        html="",
        created_at=at,
        next_try_at=at,
        sent_at=at,
    )


async def _second_contract(session: AsyncSession) -> None:
    """A cottage, with a credit."""
    customer_id = await session.scalar(select(Customer.id).where(Customer.number == "501"))
    product_id = await session.scalar(select(Product.id).where(Product.name == "Optika"))
    contract = Contract(number="1002", customer_id=customer_id)
    session.add(contract)
    await session.flush()
    session.add(Service(contract_id=contract.id, product_id=product_id, starts_on=date(2025, 6, 1)))
    session.add(
        Payment(
            account="19-2000145399/0800", bank_ref="c", booked_on=date(2026, 11, 5), amount=Money(300_00),
            contract_id=contract.id, state="matched", why="", unallocated=Money(150_00), counter_account=ACCOUNT,
        )
    )  # fmt: skip


async def _details(session: AsyncSession) -> None:
    where = {"city": "Horní Lhota", "postal_code": "763 01", "phone": "+420 601 123 456"}
    await session.execute(update(Customer).where(Customer.number == "501").values(**where))
    await session.execute(update(Customer).where(Customer.number == "502").values(name=LONG_NAME, email=LONG_ADDRESS))
    customer_id = await session.scalar(select(Customer.id).where(Customer.number == "501"))
    asked = {"customer_id": customer_id, "note": "Vdala jsem se."}
    session.add_all(
        [
            ChangeRequest(wanted='{"name": "Jana Malá"}', asked_at=NOW - timedelta(days=2), **asked),
            ChangeRequest(
                wanted='{"street": "Krátká 1", "city": "Zlín"}', asked_at=NOW - timedelta(days=90),
                decided_at=NOW - timedelta(days=88), decided_by="admin:eva", why="doložte prosím smlouvu", **asked,
            ),
        ]
    )  # fmt: skip
