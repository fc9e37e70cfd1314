"""Topping up: once per confirmation, with an invoice, and never above the month's cap."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from billing.dunning.facts import Stage
from billing.dunning.policy import Policy
from billing.dunning.reading import load_facts
from billing.dunning.rules import decide
from billing.dunning.tables import Standing
from billing.invoicing.documents.reading import documents
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.payments.operations import record
from billing.store.engine import Store
from billing.store.tables import Mail
from billing.voip.tables import VoipMonth, VoipNumber, VoipTopUp
from billing.voip.topping_up import CapReached, allow, allowance
from config.errors import NotAllowed
from tests.billing.voip.world import EVA, NOW, SETTINGS, TODAY, add_number, buy, credit_of, problems


async def test_a_coupon_is_credit_at_once_and_an_invoice_with_vat_that_is_mailed(store: Store) -> None:
    number_id = await add_number(store)

    bought = await buy(store, number_id, "300")

    assert bought.is_new
    assert await credit_of(store) == ("300.00", "0.00")
    async with store.reading() as session:
        invoice_id = await session.scalar(select(Invoice.id).where(Invoice.number == bought.invoice_number))
        assert invoice_id is not None
        document = (await documents(session, [invoice_id]))[0]
        mail = (await session.scalars(select(Mail))).one()
    assert (document.total, document.base, document.vat) == (Money(300_00), Money(247_93), Money(52_07))
    assert document.lines[0].text == "Telefonní kredit pro +420 910 123 456"
    assert (mail.kind, mail.recipient, mail.attaches) == ("invoice", "jana@example.cz", bought.invoice_number)
    assert await problems(store) == []


async def test_confirming_again_with_the_same_key_changes_nothing(store: Store) -> None:
    number_id = await add_number(store)
    first = await buy(store, number_id)

    second = await buy(store, number_id)

    assert (second.invoice_number, second.is_new) == (first.invoice_number, False)
    assert await credit_of(store) == ("100.00", "0.00")


async def test_a_key_that_was_used_for_another_amount_or_number_is_refused(store: Store) -> None:
    number_id = await add_number(store)
    other_id = await add_number(store, "+420910123457")
    await buy(store, number_id)

    with pytest.raises(NotAllowed, match="another top-up"):
        await buy(store, number_id, "200")
    with pytest.raises(NotAllowed, match="another top-up"):
        await buy(store, other_id)


async def test_fifty_confirmations_at_once_stop_at_the_cap(each_store: Store) -> None:
    number_id = await add_number(each_store)

    results = await asyncio.gather(
        *(buy(each_store, number_id, key=f"browser-{n:012d}") for n in range(50)), return_exceptions=True
    )

    refused = [each for each in results if isinstance(each, CapReached)]
    assert (len(results) - len(refused), len(refused)) == (10, 40)
    assert all(each.allowance.left == Money(0) for each in refused)
    assert await credit_of(each_store) == ("1000.00", "0.00")
    async with each_store.reading() as session:
        assert await session.scalar(select(func.count()).select_from(VoipTopUp)) == 10
    assert await problems(each_store) == []


async def test_fifty_clicks_on_one_confirmation_top_up_once(each_store: Store) -> None:
    number_id = await add_number(each_store)

    results = await asyncio.gather(*(buy(each_store, number_id) for _ in range(50)))

    assert [each.is_new for each in results].count(True) == 1
    assert len({each.invoice_number for each in results}) == 1
    assert await credit_of(each_store) == ("100.00", "0.00")


async def test_the_cap_says_how_much_is_left_and_counts_by_the_calendar_month_of_the_isp(store: Store) -> None:
    number_id = await add_number(store)
    last_minute_of_march_in_prague = datetime(2026, 3, 31, 21, 59, tzinfo=UTC)
    first_minute_of_april_in_prague = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
    await buy(store, number_id, "500", key="a" * 20)
    await buy(store, number_id, "300", key="b" * 20)

    with pytest.raises(CapReached, match=r"300\.00 is more than the 200\.00 that are left of 1000\.00 in 2026-03"):
        await buy(store, number_id, "300", key="c" * 20, now=last_minute_of_march_in_prague)
    await buy(store, number_id, "300", key="c" * 20, now=first_minute_of_april_in_prague)

    async with store.reading() as session:
        april = await allowance(session, number_id, SETTINGS, first_minute_of_april_in_prague)
    assert (april.month, april.topped_up, april.left) == ("2026-04", Money(300_00), Money(700_00))


async def test_an_admin_raises_the_cap_of_one_month(store: Store) -> None:
    number_id = await add_number(store)
    await buy(store, number_id, "1000", key="a" * 20)
    async with store.transaction() as session:
        row = await session.get_one(VoipNumber, number_id)
        await allow(session, row, Money(500_00), month="2026-03", why="holiday", actor=EVA, now=NOW)

    await buy(store, number_id, "500", key="b" * 20)

    with pytest.raises(CapReached):
        await buy(store, number_id, "100", key="c" * 20)
    async with store.reading() as session:
        month = await session.get_one(VoipMonth, (number_id, "2026-03"))
    assert (month.topped_up, month.cap) == (Money(1500_00), Money(1500_00))
    assert await problems(store) == []


async def test_an_unpaid_coupon_is_reminded_like_any_other_invoice(store: Store) -> None:
    number_id = await add_number(store)
    await buy(store, number_id, "300")
    late = NOW + timedelta(days=14 + 3)

    async with store.reading() as session:
        [facts] = await load_facts(session, [1])
        decision = decide(facts, Policy.from_settings(SETTINGS), late)

    assert (decision.stage, decision.debt) == (Stage.REMINDED, Money(300_00))


async def test_credit_of_the_contract_pays_the_coupon_at_once(store: Store) -> None:
    number_id = await add_number(store)
    async with store.transaction() as session:
        await record(session, "1001", Money(120_00), on=TODAY, why="cash", actor=EVA, now=NOW)

    bought = await buy(store, number_id)

    async with store.reading() as session:
        invoice = (await session.scalars(select(Invoice).where(Invoice.number == bought.invoice_number))).one()
    assert invoice.open == Money(0)
    assert await problems(store) == []


async def test_only_coupons_of_the_settings_can_be_bought(store: Store) -> None:
    number_id = await add_number(store)

    with pytest.raises(NotAllowed, match=r"150\.00 is no coupon"):
        await buy(store, number_id, "150")


async def test_a_suspended_contract_buys_nothing_on_invoice(store: Store) -> None:
    number_id = await add_number(store)
    async with store.transaction() as session:
        session.add(Standing(contract_id=1, stage="suspended", why="test", since_at=NOW))

    with pytest.raises(NotAllowed, match="suspended"):
        await buy(store, number_id)
    assert await credit_of(store) == ("0.00", "0.00")
