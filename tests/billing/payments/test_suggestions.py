"""Whose a waiting payment may be: what speaks for a contract, and that nothing is assigned by it."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from billing.customers.tables import Customer
from billing.money import Money
from billing.payments.banks.statement import StatementLine
from billing.payments.importing import import_statements
from billing.payments.operations import assign, unassign
from billing.payments.rules import OpenInvoice
from billing.payments.suggestions import Candidate, Clues, is_named, neighbours, numbers_in, suggest, words_of
from billing.payments.waiting import suggest as suggest_for
from billing.payments.waiting import unmatched
from billing.store.engine import Store
from tests.billing.payments.world import NOW, add_debtor, counts, line, open_of, statement

PAYER = "19-2000145399/0800"
JANA = Candidate("100123", "Jana Nováková", (OpenInvoice(1, "26001", date(2026, 10, 1), Money(599_00)),))
PETR = Candidate("100789", "Petr Malý", (OpenInvoice(2, "26002", date(2026, 10, 1), Money(599_00)),))


def best(clues: Clues, *candidates: Candidate) -> str:
    found = suggest(clues, candidates)
    return found[0].contract_number if found else ""


@pytest.mark.parametrize("typed", ["100124", "10123", "1001123", "101023", "100132", "200123"])
def test_one_slip_of_a_finger_names_the_contract(typed: str) -> None:
    assert best(Clues(Money(1), typed), JANA, PETR) == "100123"


@pytest.mark.parametrize("typed", ["100321", "999999", "", "1001"])
def test_more_than_one_slip_names_nobody(typed: str) -> None:
    assert suggest(Clues(Money(1), typed), [JANA, PETR]) == []


def test_what_speaks_for_a_contract_adds_up_and_is_said() -> None:
    (first, second) = suggest(Clues(Money(599_00), "100124", message="NOVAKOVA JANA internet"), [PETR, JANA])

    assert (first.contract_number, first.weight, first.invoice_number) == ("100123", 9, "26001")
    assert first.why == (
        "its number is 100124 but for one digit; its customer's name is in the message; "
        "exactly what is open of invoice 26001"
    )
    assert (second.contract_number, second.weight) == ("100789", 2)


def test_an_earlier_assignment_of_that_account_speaks_the_loudest_of_all_guesses() -> None:
    remembered = replace(PETR, is_remembered=True)

    assert best(Clues(Money(599_00), "100124"), JANA, remembered) == "100789"


def test_an_invoice_that_is_named_is_the_one_to_pay() -> None:
    two = replace(JANA, invoices=(*JANA.invoices, OpenInvoice(3, "26009", date(2026, 11, 1), Money(100_00))))
    named = replace(two, invoice_numbers=frozenset({"26009"}))

    (found,) = suggest(Clues(Money(599_00), "26009"), [named])

    assert (found.invoice_number, found.weight) == ("26009", 8)


@given(st.from_regex(r"[1-9][0-9]{0,9}", fullmatch=True))
def test_neighbours_are_symbols_and_never_the_symbol_itself(symbol: str) -> None:
    for each in neighbours(symbol):
        assert each != symbol
        assert each.isdigit()
        assert 1 <= len(each) <= 10
        assert not each.startswith("0")
        assert symbol in neighbours(each) or len(each) > len(symbol) == 10


def test_numbers_names_and_accents_in_a_message() -> None:
    assert numbers_in("internet 00100123, byt 12, tel 1234567890123") == ["100123"]
    assert is_named("Žofie Říhová", words_of("RIHOVA ZOFIE 11/26"))
    assert not is_named("Žofie Říhová", words_of("rihova"))
    assert not is_named("Jan Ng", words_of("ng"))
    assert not is_named("s.r.o.", words_of("internet s r o"))


# ── read from the database ──────────────────────────────────────────────────────────────────────────────────────────


async def town(store: Store) -> None:
    """Jana and Petr owe the same, Karel something else; all three have numbers far from each other."""
    for number, name, invoice, amount in (
        ("100123", "Jana Nováková", "i26001", "599"),
        ("200456", "Petr Malý", "i26002", "599"),
        ("300789", "Karel Veselý", "i26003", "123.45"),
    ):
        await add_debtor(store, number, **{invoice: amount})
        async with store.transaction() as session:
            await session.execute(update(Customer).where(Customer.number == f"c{number}").values(name=name))


async def suggested(store: Store, payment: StatementLine) -> list[tuple[str, int]]:
    async with store.transaction() as session:
        await import_statements(session, [statement(payment)], "test", NOW)
    async with store.reading() as session:
        waiting = await unmatched(session)
        found = await suggest_for(session, waiting)
    return [(each.contract_number, each.weight) for each in found[waiting[-1].id]]


@pytest.mark.parametrize(
    ("payment", "contracts"),
    [
        (line("1", "50", "100124"), [("100123", 4)]),
        (line("1", "50", "26001"), [("100123", 6)]),
        (line("1", "50", "", "26002"), [("200456", 5)]),
        (line("1", "50", message="faktura 26003"), [("300789", 5)]),
        (line("1", "50", message="smlouva 0000200456"), [("200456", 5)]),
        (line("1", "50", message="MALY PETR"), [("200456", 3)]),
        (line("1", "123.45"), [("300789", 2)]),
        (line("1", "599"), [("100123", 2), ("200456", 2)]),
        (line("1", "50", "777"), []),
    ],
)
async def test_each_sign_is_found_in_the_database(
    each_store: Store, payment: StatementLine, contracts: list[tuple[str, int]]
) -> None:
    await town(each_store)

    assert await suggested(each_store, payment) == contracts


async def test_a_person_s_assignment_is_remembered_for_that_account_and_only_suggested(each_store: Store) -> None:
    await town(each_store)
    first = replace(line("1", "50", "777"), counter_account=PAYER)
    assert await suggested(each_store, first) == []
    async with each_store.transaction() as session:
        await assign(session, 1, contract_number="200456", actor="admin:eva", now=NOW)

    assert await suggested(each_store, replace(first, bank_ref="fio-2")) == [("200456", 8)]
    assert (await open_of(each_store))["26002"] == "549.00"


async def test_an_assignment_that_was_taken_back_is_forgotten(store: Store) -> None:
    await town(store)
    first = replace(line("1", "50", "777"), counter_account=PAYER)
    await suggested(store, first)
    async with store.transaction() as session:
        await assign(session, 1, contract_number="200456", actor="admin:eva", now=NOW)
        await unassign(session, 1, why="", actor="admin:eva", today=NOW.date(), now=NOW)

    assert await suggested(store, replace(first, bank_ref="fio-2")) == []


async def test_an_amount_that_many_owe_says_nothing(store: Store) -> None:
    for number in range(4):
        await add_debtor(store, f"50{number}000", **{f"i2700{number}": "599"})

    assert await suggested(store, line("1", "599")) == []


async def test_suggesting_writes_nothing(store: Store) -> None:
    await town(store)
    await suggested(store, line("1", "599", "100124"))
    before = await counts(store)
    async with store.reading() as session:
        await suggest_for(session, await unmatched(session))

    assert await counts(store) == before
