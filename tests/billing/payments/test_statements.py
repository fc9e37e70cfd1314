"""Missing statements: each begins with the balance that the one before it ended with."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from billing.money import Money
from billing.payments.importing import import_statements
from billing.payments.statements import Balances, gaps, missing_statements
from billing.store.engine import Store
from tests.billing.payments.world import ACCOUNT, NOW, TODAY, line, statement

DAY = timedelta(days=1)


def day(number: int, old: int, new: int, opened: int | None = None, closed: int | None = None) -> Balances:
    """The statement of a day of November, or of several."""
    first, last = opened or number, closed or number
    return Balances("1/0100", str(number), date(2026, 11, first), date(2026, 11, last), Money(old), Money(new))


def missing(*statements: Balances) -> list[tuple[str, str]]:
    return [(earlier.number, later.number) for earlier, later in gaps(statements)]


def test_statements_that_follow_each_other_miss_nothing() -> None:
    assert missing(day(1, 0, 5), day(2, 5, 9), day(3, 9, 4)) == []


def test_a_missing_statement_is_named_by_its_neighbours() -> None:
    assert missing(day(1, 0, 5), day(3, 9, 4), day(4, 4, 1)) == [("1", "3")]


def test_days_without_movements_need_no_statement() -> None:
    assert missing(day(1, 0, 5), day(9, 5, 9)) == []


def test_two_statements_of_one_day_follow_each_other_in_either_order() -> None:
    morning, evening = day(2, 5, 9), replace(day(2, 9, 4), number="2b")

    assert missing(day(1, 0, 5), evening, morning, day(3, 4, 6)) == []


def test_the_old_balance_may_be_dated_by_the_end_of_the_statement_before() -> None:
    assert missing(day(1, 0, 5), day(2, 5, 9, opened=1), day(3, 9, 4, opened=2)) == []
    assert missing(day(1, 0, 5), day(3, 9, 4, opened=2)) == [("1", "3")]


def test_downloads_that_overlap_are_no_gap_and_later_looks_at_one_day_are_none() -> None:
    first, later = day(20, 100, 150), replace(day(20, 100, 180), number="later")

    assert missing(first, later, day(21, 100, 190, opened=20), day(22, 150, 200, opened=19)) == []
    assert missing(first, later, day(21, 180, 190)) == []


def test_a_month_and_the_downloads_within_it_follow_the_month_before() -> None:
    assert missing(day(1, 0, 5), day(30, 5, 50, opened=2), day(20, 7, 9, opened=18)) == []


@given(st.lists(st.integers(-500, 500), min_size=2, max_size=12), st.randoms())
def test_a_whole_chain_misses_nothing_in_whatever_order_it_comes(moves: list[int], random: Random) -> None:
    balance, chain = 0, []
    for number, move in enumerate(moves, start=1):
        chain.append(day(number, balance, balance + move))
        balance += move
    random.shuffle(chain)

    assert missing(*chain) == []


@given(st.lists(st.integers(1, 500), min_size=3, max_size=12), st.data())
def test_one_that_is_taken_out_of_the_middle_is_missed_exactly_there(moves: list[int], data: st.DataObject) -> None:
    balance, chain = 0, []
    for number, move in enumerate(moves, start=1):
        chain.append(day(number, balance, balance + move))
        balance += move
    out = data.draw(st.integers(1, len(chain) - 2))

    assert missing(*chain[:out], *chain[out + 1 :]) == [(chain[out - 1].number, chain[out + 1].number)]


async def test_an_import_says_what_is_missing_until_it_comes(store: Store) -> None:
    one, two, three = (
        replace(
            statement(line(str(n), "10"), number=str(n)),
            opened_on=TODAY + n * DAY,
            closed_on=TODAY + n * DAY,
            old_balance=Money(n * 10_00),
            new_balance=Money(n * 10_00 + 10_00),
        )
        for n in range(3)
    )
    async with store.transaction() as session:
        await import_statements(session, [one], "test", NOW)
        report = await import_statements(session, [replace(three, account=ACCOUNT.partition("/")[0])], "test", NOW)
        (missing_one,) = report.missing
        assert missing_one == (
            f"account {three.account.partition('/')[0]}: between 2026-11-20 (10.00) and 2026-11-22 (20.00) "
            "movements of 10.00 are missing"
        )
        assert await missing_statements(session, ["1/0100"]) == []
        assert len(await missing_statements(session)) == 1

        assert (await import_statements(session, [two], "test", NOW)).missing == ()


async def test_a_notification_without_balances_is_no_link_of_the_chain(store: Store) -> None:
    async with store.transaction() as session:
        await import_statements(session, [statement(line("1", "10"), number="1")], "test", NOW)
        notification = replace(statement(line("2", "20"), number="2"), has_balances=False, closed_on=TODAY + DAY)

        assert (await import_statements(session, [notification], "test", NOW)).missing == ()
