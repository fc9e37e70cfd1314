"""Matching: whose payment it is and what it pays."""

from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import ZERO, Money
from billing.payments.banks.statement import StatementLine
from billing.payments.rules import Debtor, Match, OpenInvoice, match, use_credit
from tests.billing.payments.world import line

SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 14) for month in (9, 10, 11))
DEBTOR = Debtor(
    7,
    "1001",
    (
        OpenInvoice(3, "26011", NOVEMBER, Money(500_00)),
        OpenInvoice(1, "26009", SEPTEMBER, Money(500_00)),
        OpenInvoice(2, "26010", OCTOBER, Money(500_00)),
    ),
)
DEBTORS = {"1001": DEBTOR}


def shares(found: Match) -> dict[str, str]:
    return {share.invoice_number: str(share.amount) for share in found.shares}


def test_the_invoice_that_the_specific_symbol_names_is_paid_first() -> None:
    found = match(line("1", "500", "1001", "26010"), DEBTORS)

    assert found.contract_id == 7
    assert shares(found) == {"26010": "500.00"}
    assert found.why == "variable symbol 1001; invoice 26010 is paid first"


def test_after_the_named_invoice_the_oldest_is_paid() -> None:
    found = match(line("1", "700", "1001", "26011"), DEBTORS)

    assert shares(found) == {"26011": "500.00", "26009": "200.00"}


def test_without_a_specific_symbol_the_oldest_is_paid_first() -> None:
    found = match(line("1", "600", "1001"), DEBTORS)

    assert shares(found) == {"26009": "500.00", "26010": "100.00"}
    assert found.why == "variable symbol 1001; no specific symbol, so the oldest is paid first"


def test_of_two_invoices_due_on_one_day_the_lower_number_is_older() -> None:
    twins = Debtor(7, "1001", tuple(OpenInvoice(int(n), n, OCTOBER, Money(1_00)) for n in ("100", "99")))

    found = match(line("1", "1", "1001"), {"1001": twins})

    assert shares(found) == {"99": "1.00"}


def test_a_partial_payment_pays_a_part() -> None:
    found = match(line("1", "0.01", "1001", "26009"), DEBTORS)

    assert shares(found) == {"26009": "0.01"}
    assert found.rest == ZERO


def test_an_overpayment_stays_as_credit() -> None:
    found = match(line("1", "1600", "1001"), DEBTORS)

    assert len(found.shares) == 3
    assert found.rest == Money(100_00)
    assert found.why.endswith("; 100.00 stays as credit")


def test_a_specific_symbol_that_names_no_open_invoice_of_the_contract_pays_the_oldest_and_says_so() -> None:
    found = match(line("1", "500", "1001", "77777"), DEBTORS)

    assert shares(found) == {"26009": "500.00"}
    assert found.why == "variable symbol 1001; the contract has no open invoice 77777, so the oldest is paid first"


def test_an_invoice_of_somebody_else_is_never_paid_by_its_symbol() -> None:
    other = Debtor(8, "1002", (OpenInvoice(9, "26099", SEPTEMBER, Money(500_00)),))

    found = match(line("1", "500", "1001", "26099"), {**DEBTORS, "1002": other})

    assert shares(found) == {"26009": "500.00"}


@pytest.mark.parametrize(("variable", "specific"), [("0000001001", "0000026010"), ("01001", "026010")])
def test_leading_zeros_mean_nothing(variable: str, specific: str) -> None:
    assert shares(match(line("1", "500", variable, specific), DEBTORS)) == {"26010": "500.00"}


@pytest.mark.parametrize(
    ("message", "paid"),
    [
        ("/VS/1001/SS/26010/KS/0308", "26010"),
        ("/VS1001/SS26010", "26010"),
        ("platba /vs/0000001001", "26009"),
        ("/VS/1001 /VS/1001", "26009"),
        ("VS:1001 SS:26010", "26010"),
        ("vs 0000001001 ss 26010", "26010"),
        ("Internet VS1001", "26009"),
        ("vs. 1001, byt 12", "26009"),
    ],
)
def test_symbols_in_the_message_count_when_the_field_is_empty(message: str, paid: str) -> None:
    found = match(line("1", "500", message=message), DEBTORS)

    assert shares(found) == {paid: "500.00"}
    assert found.why.startswith("variable symbol 1001 in the message; ")


def test_the_field_wins_over_the_message() -> None:
    found = match(line("1", "500", "1002", message="/VS/1001"), DEBTORS)

    assert found.why == "variable symbol 1002 is no contract"


@pytest.mark.parametrize(
    ("payment", "why"),
    [
        (line("1", "500", "4711"), "variable symbol 4711 is no contract"),
        (line("1", "500"), "no variable symbol"),
        (line("1", "500", "0"), "no variable symbol"),
        (line("1", "500", "", "26010"), "no variable symbol; specific symbol 26010 alone does not say whose it is"),
        (line("1", "500", message="/VS/1001 /VS/1002"), "no variable symbol, and the message names more than one"),
        (line("1", "500", message="/VS/10010010010"), "no variable symbol"),
        (line("1", "500", message="1001"), "no variable symbol"),
    ],
)
def test_what_nobody_can_tell_waits_whole_and_says_why(payment: StatementLine, why: str) -> None:
    found = match(payment, DEBTORS)

    assert (found.state, found.contract_id, found.shares) == ("waiting", None, ())
    assert found.rest == Money(500_00)
    assert found.why == why


def test_a_debit_taken_back_is_no_payment_of_a_subscriber() -> None:
    found = match(replace(line("1", "500", "1001"), reverses="debit"), DEBTORS)

    assert (found.state, found.contract_id, found.rest) == ("ignored", None, Money(500_00))


OWNERS = {"26010": "1001"}


def test_an_invoice_number_as_variable_symbol_counts_when_the_amount_is_exactly_what_is_open() -> None:
    found = match(line("1", "500", "0000026010"), DEBTORS, OWNERS)

    assert (found.state, found.contract_id, found.contract_number) == ("matched", 7, "1001")
    assert shares(found) == {"26010": "500.00"}
    assert found.why.startswith("variable symbol 26010 is an invoice of contract 1001, and the amount is exactly what")


def test_an_invoice_number_as_variable_symbol_counts_when_the_symbols_were_swapped() -> None:
    found = match(line("1", "700", "26010", "1001"), DEBTORS, OWNERS)

    assert shares(found) == {"26010": "500.00", "26009": "200.00"}


def test_an_invoice_number_alone_with_another_amount_waits_and_says_whose_it_is() -> None:
    found = match(line("1", "499", "26010"), DEBTORS, OWNERS)

    assert (found.state, found.rest) == ("waiting", Money(499_00))
    assert found.why == "variable symbol 26010 is an invoice of contract 1001, of which 500.00 is open"


def test_a_paid_invoice_as_variable_symbol_waits() -> None:
    found = match(line("1", "500", "26008"), DEBTORS, {"26008": "1001"})

    assert found.why == "variable symbol 26008 is an invoice of contract 1001, of which nothing is open"


def test_a_contract_comes_before_an_invoice_of_the_same_number() -> None:
    other = Debtor(8, "26010", (OpenInvoice(9, "26099", SEPTEMBER, Money(500_00)),))

    assert match(line("1", "500", "26010"), {**DEBTORS, "26010": other}, OWNERS).contract_id == 8


def test_credit_of_two_payments_pays_the_oldest_invoices_with_the_oldest_money() -> None:
    spent = dict(use_credit([(11, Money(700_00)), (12, Money(400_00))], DEBTOR))

    assert [(s.invoice_number, str(s.amount)) for s in spent[11]] == [("26009", "500.00"), ("26010", "200.00")]
    assert [(s.invoice_number, str(s.amount)) for s in spent[12]] == [("26010", "300.00"), ("26011", "100.00")]


# ── properties ──────────────────────────────────────────────────────────────────────────────────────────────────────

amounts = st.integers(-2_000, 5_000).map(Money)
debtors = st.lists(st.tuples(amounts, st.dates(date(2026, 1, 1), date(2026, 3, 1))), max_size=6).map(
    lambda invoices: Debtor(
        1, "1001", tuple(OpenInvoice(n, str(100 + n), due_on, open_) for n, (open_, due_on) in enumerate(invoices))
    )
)
payments = st.lists(
    st.builds(
        lambda minor, specific: line("1", str(Money(minor)), "1001", specific),
        st.integers(1, 8_000),
        st.sampled_from(["", "100", "101", "102", "999"]),
    ),
    max_size=6,
)


@given(debtors, payments)
def test_no_money_appears_or_vanishes(debtor: Debtor, lines: list[StatementLine]) -> None:
    for each in lines:
        before = {invoice.id: invoice.open for invoice in debtor.invoices}
        found = match(each, {"1001": debtor})

        assert Money.total(share.amount for share in found.shares) + found.rest == each.amount
        assert all(ZERO < share.amount <= before[share.invoice_id] for share in found.shares)
        assert len({share.invoice_id for share in found.shares}) == len(found.shares)
        assert found.rest >= ZERO
        debtor = debtor.after(found.shares)


@given(debtors, payments)
def test_nothing_stays_as_credit_while_an_invoice_is_open(debtor: Debtor, lines: list[StatementLine]) -> None:
    for each in lines:
        found = match(each, {"1001": debtor})
        debtor = debtor.after(found.shares)

        assert not found.rest or not any(invoice.open > ZERO for invoice in debtor.invoices)


@given(debtors, payments, st.randoms())
def test_the_order_of_payments_changes_neither_the_debt_nor_the_credit(
    debtor: Debtor, lines: list[StatementLine], random: Random
) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)

    assert _totals(debtor, lines) == _totals(debtor, shuffled)


@given(debtors, payments)
def test_an_invoice_with_a_negative_open_amount_is_left_alone(debtor: Debtor, lines: list[StatementLine]) -> None:
    absurd = {invoice for invoice in debtor.invoices if invoice.open < ZERO}
    for each in lines:
        debtor = debtor.after(match(each, {"1001": debtor}).shares)

    assert absurd <= set(debtor.invoices)


def _totals(debtor: Debtor, lines: list[StatementLine]) -> tuple[Money, Money]:
    credit = ZERO
    for each in lines:
        found = match(each, {"1001": debtor})
        debtor, credit = debtor.after(found.shares), credit + found.rest
    return Money.total(invoice.open for invoice in debtor.invoices), credit
