"""How much the bank's statements tell: their age in working days, gaps, days that are too thin."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from billing.money import Money
from billing.payments.freshness import BankNews, age_days, bank_news, thin_days
from billing.store.engine import Store
from daemon.demo.bank import Movement
from tests.scenario import DUE_ON, Isp, at

MONDAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("covered_until_on", "today", "age"),
    [
        pytest.param(date(2026, 3, 2), date(2026, 3, 2), 0, id="today"),
        pytest.param(date(2026, 3, 2), date(2026, 3, 3), 0, id="yesterday"),
        pytest.param(date(2026, 3, 6), date(2026, 3, 9), 0, id="Friday's statement on Monday"),
        pytest.param(date(2026, 3, 6), date(2026, 3, 12), 3, id="Friday's statement on Thursday"),
        pytest.param(date(2026, 4, 2), date(2026, 4, 7), 0, id="over Easter, Good Friday and Monday"),
        pytest.param(date(2026, 3, 9), date(2026, 3, 2), 0, id="a statement of a day to come"),
    ],
)
def test_whole_working_days_that_no_statement_covers(covered_until_on: date, today: date, age: int) -> None:
    assert age_days(covered_until_on, today, "CZ") == age


def test_a_country_without_known_holidays_has_weekends_all_the_same() -> None:
    assert age_days(date(2026, 4, 2), date(2026, 4, 7), "XX") == 2


def weeks_of(count: int, days: int = 60, until_on: date = MONDAY) -> dict[date, int]:
    return {until_on - timedelta(days=back): count for back in range(days)}


def test_a_day_with_far_fewer_payments_than_its_weekday_mostly_has_is_thin() -> None:
    counts = {**weeks_of(40), MONDAY: 11}

    assert thin_days(counts, MONDAY, "CZ", 30) == [
        "on 2026-03-02 there came 11 payments; on that weekday there are mostly 40"
    ]
    assert thin_days({**counts, MONDAY: 12}, MONDAY, "CZ", 30) == []


def test_a_day_on_which_nothing_came_at_all_is_thin() -> None:
    counts = weeks_of(40)
    del counts[MONDAY]

    assert len(thin_days(counts, MONDAY, "CZ", 30)) == 1


def test_weekends_holidays_small_isps_and_new_ones_are_never_thin() -> None:
    sunday, holiday = date(2026, 3, 1), date(2026, 5, 1)

    assert thin_days({**weeks_of(40), sunday: 0}, sunday, "CZ", 30) == []
    assert thin_days({**weeks_of(40, until_on=holiday), holiday: 0}, holiday, "CZ", 30) == []
    assert thin_days({**weeks_of(9), MONDAY: 0}, MONDAY, "CZ", 30) == []
    assert thin_days({**weeks_of(40, days=21), MONDAY: 0}, MONDAY, "CZ", 30) == []


# ── read from the database ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    made = Isp(store, tmp_path)
    await made.add("1001", "10.1.0.5")
    return made


async def news(isp: Isp, today: date, *accounts: str) -> BankNews:
    async with isp.store.reading() as session:
        return await bank_news(session, accounts=accounts, country="CZ", today=today, thin_percent=30)


async def test_without_any_statement_there_is_no_age(isp: Isp) -> None:
    assert (await news(isp, DUE_ON)).age_days is None


async def test_the_age_counts_from_the_last_day_that_is_covered_not_from_the_import(isp: Isp) -> None:
    await isp.pay("100.00", "1001")

    assert (await news(isp, DUE_ON + timedelta(days=1))).age_days == 0
    assert (await news(isp, DUE_ON + timedelta(days=7))).age_days == 4


async def test_an_account_of_the_isp_that_never_had_a_statement_makes_all_old(isp: Isp) -> None:
    await isp.pay("100.00", "1001")

    known, unknown = "2000000005", "1234567899/0800"
    assert (await news(isp, DUE_ON, known)).age_days == 0
    assert ((await news(isp, DUE_ON, known, unknown)).age_days or 0) > 30


async def test_a_statement_missing_in_between_is_named(isp: Isp) -> None:
    await isp.pay("100.00", "1001")
    isp.clock.move_to(at(DUE_ON + timedelta(days=1)))
    isp.statement(Movement(Money.parse("200.00"), variable_symbol="1001"))  # never imported
    isp.clock.move_to(at(DUE_ON + timedelta(days=2)))
    await isp.pay("300.00", "1001")

    found = await news(isp, DUE_ON + timedelta(days=2))

    assert len(found.gaps) == 1
    assert "movements of 200.00 are missing" in found.gaps[0]
    assert (await news(isp, DUE_ON + timedelta(days=60))).gaps == ()
