"""The billing run: everything due becomes invoices once, however often it runs and wherever it is killed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.dunning.tables import Line
from billing.invoicing import run
from billing.invoicing.credit_notes import credit
from billing.invoicing.documents.document import Document
from billing.invoicing.documents.reading import documents
from billing.invoicing.run import Totals, bill
from billing.invoicing.tables import Invoice, InvoiceLine, InvoiceVat, Sale
from billing.money import ZERO, Money
from billing.payments import invariants
from billing.payments.operations import record, unassign
from billing.services.contracts import pause, set_billed_until, stop
from billing.services.cover import invoiced_until
from billing.services.products import set_product
from billing.services.tables import Product, Service, ServicePause, ServicePrice
from billing.store import journal
from billing.store.engine import Store
from config.errors import NotAllowed
from config.settings import parse

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
MARCH = date(2026, 3, 1)
SETTINGS = parse('[isp]\nname = "Údolní síť"\niban = "CZ6508000000192000145399"\nvat_id = "CZ123"')


async def add(
    store: Store,
    number: str = "1001",
    *,
    kind: str = "internet",
    price: int = 599_00,
    starts_on: date = date(2026, 3, 1),
    bills_suspended: bool = True,
    product: str = "Optika",
    vat_category: str = "standard",
) -> int:
    """A service of a contract, which is made when it is not there; returns the service's id."""
    async with store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id).where(Contract.number == number))
        if contract_id is None:
            customer = Customer(number=f"C{number}", name=f"Jana {number}", language="cs")
            session.add(customer)
            await session.flush()
            contract = Contract(number=number, customer_id=customer.id)
            session.add(contract)
            await session.flush()
            contract_id = contract.id
        product_id = await set_product(
            session,
            kind,
            product,
            vat_category=vat_category,
            bills_suspended=bills_suspended,
            valid_from_on=starts_on,
            actor="test",
            now=NOW,
        )
        service = Service(contract_id=contract_id, product_id=product_id, starts_on=starts_on)
        session.add(service)
        await session.flush()
        session.add(ServicePrice(service_id=service.id, valid_from_on=starts_on, price=Money(price)))
        return service.id


async def run_bill(store: Store, until_on: date = MARCH, now: datetime = NOW, *, dry_run: bool = False) -> Totals:
    totals = Totals()
    async for batch, _ in bill(store, SETTINGS, until_on=until_on, now=now, actor="test", dry_run=dry_run):
        totals.add(batch)
    return totals


async def invoices(store: Store) -> Sequence[Invoice]:
    async with store.reading() as session:
        return (await session.scalars(select(Invoice).order_by(Invoice.id))).all()


async def lines(store: Store) -> Sequence[InvoiceLine]:
    async with store.reading() as session:
        return (await session.scalars(select(InvoiceLine).order_by(InvoiceLine.id))).all()


async def require_sound(store: Store) -> None:
    """Books, totals and numbers, held together."""
    async with store.reading() as session:
        assert await invariants.verify(session) == []
        await journal.verify(session)
        for invoice in await session.scalars(select(Invoice)):
            of = [each for each in await lines(store) if each.invoice_id == invoice.id]
            groups = (await session.scalars(select(InvoiceVat).where(InvoiceVat.invoice_id == invoice.id))).all()
            assert Money.total(each.total for each in of) == invoice.total == invoice.base + invoice.vat
            assert Money.total(each.vat for each in of) == invoice.vat == Money.total(each.vat for each in groups)
            assert Money.total(each.base for each in groups) == invoice.base
    for kind in ("invoice", "credit_note"):
        numbers = sorted(int(each.number) for each in await invoices(store) if each.kind == kind)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


async def test_a_contract_gets_one_invoice_for_all_its_services(each_store: Store) -> None:
    await add(each_store)
    await add(each_store, kind="insurance", price=99_00, product="Pojištění", vat_category="exempt")

    totals = await run_bill(each_store)

    (invoice,) = await invoices(each_store)
    assert totals.invoices == 1
    assert (invoice.number, invoice.total, invoice.vat) == ("2600000001", Money(698_00), Money(103_96))
    assert (invoice.issued_on, invoice.due_on) == (date(2026, 3, 1), date(2026, 3, 15))
    assert invoice.open == invoice.total
    await require_sound(each_store)


async def test_a_second_run_finds_nothing(each_store: Store) -> None:
    await add(each_store)
    await run_bill(each_store)

    assert (await run_bill(each_store)).invoices == 0
    assert len(await invoices(each_store)) == 1


async def test_a_dry_run_says_the_same_and_writes_nothing(store: Store) -> None:
    await add(store)

    dry = await run_bill(store, dry_run=True)

    assert await invoices(store) == []
    assert dry == await run_bill(store)


async def test_insurance_is_covered_until_the_end_of_what_is_invoiced(store: Store) -> None:
    service_id = await add(store, kind="insurance")
    await run_bill(store)

    assert await covered(store) == {service_id: date(2026, 3, 31)}


async def test_a_month_that_was_passed_over_covers_nothing(store: Store) -> None:
    service_id = await add(store, kind="insurance", bills_suspended=False)
    await run_bill(store)
    await suspend(store)
    await run_bill(store, date(2026, 4, 1), NOW + timedelta(days=31))

    assert await covered(store) == {service_id: date(2026, 3, 31)}


async def test_what_was_given_back_covers_nothing_and_what_another_program_invoiced_does(store: Store) -> None:
    service_id = await add(store, kind="insurance", starts_on=date(2026, 1, 1))
    async with store.transaction() as session:
        until_on = date(2026, 2, 28)
        await set_billed_until(session, service_id, until_on, why="", actor="test", now=NOW)
    await run_bill(store)
    async with store.transaction() as session:
        await credit(session, "2600000001", SETTINGS, why="sold the device", actor="test", now=NOW)

    assert await covered(store) == {service_id: date(2026, 2, 28)}


async def covered(store: Store) -> dict[int, date]:
    async with store.reading() as session:
        return await invoiced_until(session, (await session.scalars(select(Service.id))).all())


async def suspend(store: Store) -> None:
    async with store.transaction() as session:
        contract_id = await session.scalar(select(Contract.id))
        session.add(Line(contract_id=contract_id, state="suspended", since_at=NOW))


async def test_another_program_has_no_say_once_hradlo_has_invoiced(store: Store) -> None:
    service_id = await add(store)
    await run_bill(store)

    with pytest.raises(NotAllowed, match="Hradlo itself has invoiced service"):
        async with store.transaction() as session:
            await set_billed_until(session, service_id, date(2026, 6, 30), why="", actor="test", now=NOW)


@pytest.mark.parametrize(
    ("until_on", "starts_on", "words"),
    [
        (date(2027, 3, 1), MARCH, "more than 100 days ahead"),
        (
            MARCH,
            date(2019, 3, 1),
            "1 service would be invoiced for days more than 100 days ago, the oldest since 2019",
        ),
        (date(2026, 4, 1), date(2026, 1, 1), ""),
    ],
)
async def test_what_is_far_from_today_is_not_invoiced_unless_it_is_meant(
    store: Store, until_on: date, starts_on: date, words: str
) -> None:
    await add(store, starts_on=starts_on)
    async with store.reading() as session:
        if not words:
            await run.require_near(session, until_on, MARCH)
            return
        with pytest.raises(NotAllowed, match=words):
            await run.require_near(session, until_on, MARCH)


async def test_credit_of_a_paid_invoice_pays_the_new_one_at_once(store: Store) -> None:
    await add(store)
    await run_bill(store)
    async with store.transaction() as session:
        await record(session, "1001", Money(599_00), on=MARCH, why="cash", actor="test", now=NOW)
    await give_back(store, bills_again=True)

    await run_bill(store)

    assert [each.open for each in await invoices(store) if each.kind == "invoice"] == [ZERO, ZERO]
    await require_sound(store)


async def test_a_document_says_what_credit_paid_of_it_when_it_was_issued_and_says_so_for_ever(store: Store) -> None:
    await add(store)
    async with store.transaction() as session:
        await record(session, "1001", Money(401_50), on=MARCH, why="cash", actor="test", now=NOW - timedelta(days=1))
    await run_bill(store)
    before = await document_of(store, "2600000001")
    async with store.transaction() as session:
        await record(session, "1001", Money(100_00), on=MARCH, why="cash", actor="test", now=NOW + timedelta(days=1))
        await unassign(
            session,
            1,
            why="not hers",
            actor="test",
            today=(NOW + timedelta(days=2)).date(),
            now=NOW + timedelta(days=2),
        )

    assert (before.settled, before.to_pay) == (Money(401_50), Money(197_50))
    assert await document_of(store, "2600000001") == before


async def document_of(store: Store, number: str) -> Document:
    async with store.reading() as session:
        invoice_id = await session.scalar(select(Invoice.id).where(Invoice.number == number))
        assert invoice_id is not None
        return (await documents(session, [invoice_id]))[0]


async def sell(store: Store, price: Money, serial_number: str, quantity: int = 1) -> None:
    """A router, to the only contract."""
    async with store.transaction() as session:
        goods = Product(kind="goods", name="Router")
        session.add(goods)
        await session.flush()
        contract_id = await session.scalar(select(Contract.id))
        assert contract_id
        sale = {"contract_id": contract_id, "product_id": goods.id, "unit_price": price}
        session.add(Sale(**sale, quantity=quantity, serial_number=serial_number, supplied_on=MARCH))


async def test_sold_goods_are_on_the_next_invoice_with_their_serial_number_once(each_store: Store) -> None:
    await add(each_store)
    await sell(each_store, Money(990_00), "SN1 SN2", quantity=2)

    await run_bill(each_store)
    await run_bill(each_store, date(2026, 4, 1), NOW + timedelta(days=31))

    sold = [each for each in await lines(each_store) if each.serial_number]
    assert [(each.serial_number, each.total) for each in sold] == [("SN1 SN2", Money(1980_00))]


async def test_goods_that_were_given_away_are_on_the_next_invoice_that_is_to_be_paid(each_store: Store) -> None:
    await add(each_store, price=0)
    await sell(each_store, ZERO, "SN1")
    assert (await run_bill(each_store)).invoices == 0
    await add(each_store, product="TV", kind="other", price=100_00, starts_on=date(2026, 4, 1))

    await run_bill(each_store, date(2026, 4, 1), NOW + timedelta(days=31))

    assert [(each.text, each.serial_number, each.total) for each in await lines(each_store)] == [
        ("TV", "", Money(100_00)),
        ("Router", "SN1", ZERO),
    ]
    await require_sound(each_store)


async def test_goods_that_were_given_away_can_not_be_given_back_alone(store: Store) -> None:
    await add(store)
    await sell(store, ZERO, "SN1")
    await run_bill(store)

    with pytest.raises(NotAllowed, match="or free"):
        await give_back(store, positions=[2])
    await give_back(store)
    with pytest.raises(NotAllowed, match="given back already"):
        await give_back(store)
    await require_sound(store)


async def test_a_product_that_is_skipped_while_suspended_leaves_the_period_out(store: Store) -> None:
    service_id = await add(store, bills_suspended=False)
    await suspend(store)
    await run_bill(store)
    async with store.transaction() as session:
        await session.execute(delete(Line))
    await run_bill(store, date(2026, 4, 1), NOW + timedelta(days=31))

    assert [(each.service_id, each.from_on) for each in await lines(store)] == [(service_id, date(2026, 4, 1))]


async def test_an_isp_that_pays_no_vat_writes_none(store: Store) -> None:
    await add(store)
    without = parse("[invoicing]\nis_vat_payer = false")
    async for _ in bill(store, without, until_on=MARCH, now=NOW, actor="test"):
        pass

    (invoice,) = await invoices(store)
    assert (invoice.base, invoice.vat) == (Money(599_00), ZERO)


async def test_a_killed_run_is_finished_by_the_next_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1001, 1006):
        await add(store, str(number))
    monkeypatch.setattr(run, "CONTRACTS_PER_BATCH", 2)
    running = bill(store, SETTINGS, until_on=MARCH, now=NOW, actor="test")
    await anext(running)
    await running.aclose()
    assert len(await invoices(store)) == 2

    await run_bill(store)

    assert len(await invoices(store)) == 5
    await require_sound(store)


async def test_a_batch_that_fails_leaves_no_gap_in_the_numbers(store: Store) -> None:
    await add(store)

    async def no_mail(session: AsyncSession, invoice_ids: Sequence[int]) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        async for _ in bill(store, SETTINGS, until_on=MARCH, now=NOW, actor="test", announce=no_mail):
            pass
    await run_bill(store)

    assert [each.number for each in await invoices(store)] == ["2600000001"]


async def test_eight_runs_at_once_invoice_everything_once(each_store: Store) -> None:
    for number in range(1001, 1011):
        await add(each_store, str(number))

    await asyncio.gather(*(run_bill(each_store) for _ in range(8)))

    assert len(await invoices(each_store)) == 10
    await require_sound(each_store)


async def test_a_moved_customer_changes_nothing_of_an_issued_document(store: Store) -> None:
    await add(store)
    await run_bill(store)
    async with store.reading() as session:
        (before,) = await documents(session, [1])
    async with store.transaction() as session:
        await session.execute(update(Customer).values(name="Somebody Else", street="Elsewhere 1"))

    async with store.reading() as session:
        assert await documents(session, [1]) == [before]
    assert before.buyer.name == "Jana 1001"


# ── credit notes ────────────────────────────────────────────────────────────────────────────────────────────────


async def give_back(store: Store, number: str = "2600000001", **options: object) -> None:
    async with store.transaction() as session:
        await credit(session, number, SETTINGS, why="a mistake", actor="test", now=NOW, **options)  # type: ignore[arg-type]


async def test_a_credit_note_mirrors_the_invoice_and_closes_it(each_store: Store) -> None:
    await add(each_store)
    await run_bill(each_store)

    await give_back(each_store)

    invoice, note = await invoices(each_store)
    assert (note.number, note.total, note.vat) == ("9260000001", -invoice.total, -invoice.vat)
    assert (invoice.open, note.open, note.credit) == (ZERO, ZERO, ZERO)
    await require_sound(each_store)


async def test_a_line_is_given_back_once(store: Store) -> None:
    await add(store)
    await run_bill(store)
    await give_back(store)

    with pytest.raises(NotAllowed, match="given back already"):
        await give_back(store)


async def test_one_line_of_several_can_be_given_back(store: Store) -> None:
    await add(store)
    await add(store, product="TV", kind="other", price=100_00)
    await run_bill(store)

    await give_back(store, positions=[2])

    assert [each.open for each in await invoices(store)] == [Money(599_00), ZERO]
    await require_sound(store)


async def test_a_period_that_was_released_is_invoiced_anew(store: Store) -> None:
    await add(store)
    await run_bill(store)
    await give_back(store, bills_again=True)

    await run_bill(store)

    assert [each.kind for each in await invoices(store)] == ["invoice", "credit_note", "invoice"]
    await require_sound(store)


async def test_without_that_it_is_not(store: Store) -> None:
    await add(store)
    await run_bill(store)
    await give_back(store)

    await run_bill(store)

    assert len(await invoices(store)) == 2


# ── what the database refuses ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoice SET total = 1",
        "UPDATE invoice SET due_on = '2030-01-01'",
        "UPDATE invoice SET seller_id = NULL",
        "DELETE FROM invoice",
        "UPDATE invoice_line SET total = 1",
        "DELETE FROM invoice_line",
        "UPDATE invoice_vat SET vat = 1",
        "DELETE FROM invoice_vat",
        "UPDATE party SET content = '{}'",
        "UPDATE number_series SET next = 1",
        "UPDATE number_series SET prefix = '1'",
        "DELETE FROM number_series",
        (
            "INSERT INTO invoice_line (invoice_id, position, text, quantity, unit_price, total, base, vat, "
            "vat_category, vat_basis_points, serial_number) VALUES (1, 9, 'more', 1, 1, 1, 1, 0, 'x', 0, '')"
        ),
    ],
)
async def test_what_is_issued_can_not_be_changed(each_store: Store, statement: str) -> None:
    await add(each_store)
    await run_bill(each_store)

    with pytest.raises(DBAPIError):
        async with each_store.transaction() as session:
            await session.execute(text(statement))


async def test_a_period_can_not_be_invoiced_twice(each_store: Store) -> None:
    await add(each_store)
    await run_bill(each_store)
    async with each_store.transaction() as session:
        await session.execute(update(Service).values(billed_until_on=None))

    with pytest.raises(DBAPIError):
        await run_bill(each_store)


# ── everything at once ──────────────────────────────────────────────────────────────────────────────────────────

_days = st.dates(date(2026, 1, 1), date(2026, 12, 31))
_service = st.tuples(st.integers(1, 3), st.integers(1, 2000_00), _days, st.none() | _days, st.sampled_from([1, 3, 12]))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_service, min_size=1, max_size=5), st.lists(_days, min_size=1, max_size=4), st.data())
async def test_whatever_is_subscribed_stopped_paused_and_run_the_books_hold_and_no_day_is_invoiced_twice(
    tmp_path_factory: pytest.TempPathFactory,
    wanted: list[tuple[int, int, date, date | None, int]],
    runs: list[date],
    data: st.DataObject,
) -> None:
    from billing.store.schema_version import upgrade

    url = f"sqlite:///{tmp_path_factory.mktemp('run')}/hradlo.db"
    await upgrade(url)
    store = Store.open(url)
    for index, (contract, price, starts_on, ends_on, months) in enumerate(wanted):
        service_id = await add(store, str(contract), price=price, starts_on=starts_on, product=f"P{index}")
        async with store.transaction() as session:
            await session.execute(update(Service).where(Service.id == service_id).values(period_months=months))
            if ends_on and ends_on >= starts_on:
                await stop(session, service_id, ends_on=ends_on, why="", actor="test", now=NOW)
            if data.draw(st.booleans()):
                first = data.draw(_days)
                last = first + timedelta(days=20)
                await pause(session, service_id, from_on=first, until_on=last, why="", actor="test", now=NOW)
    for run_on in sorted(runs):
        await run_bill(store, run_on, datetime(run_on.year, run_on.month, run_on.day, 9, tzinfo=UTC))
        again = await run_bill(store, run_on, datetime(run_on.year, run_on.month, run_on.day, 9, tzinfo=UTC))
        assert again.invoices == 0

    await require_sound(store)
    seen: set[tuple[int | None, date]] = set()
    for line in await lines(store):
        assert line.from_on
        assert line.until_on
        days = {
            (line.service_id, line.from_on + timedelta(days=n)) for n in range((line.until_on - line.from_on).days + 1)
        }
        assert not seen & days
        seen |= days
    async with store.reading() as session:
        assert await session.scalar(select(func.count()).select_from(ServicePause)) is not None
    await store.close()
