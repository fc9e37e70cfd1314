"""Everything about one contract, and nothing about another."""

from datetime import timedelta
from pathlib import Path

import pytest

from billing.dunning.operations import promise
from billing.store.engine import Store
from config.errors import NotFound
from daemon.contract_report import ContractReport, report
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    """1001 went from a reminder to an acknowledged notice; 1002 owes, too, but is not looked at."""
    made = Isp(store, tmp_path)
    await made.add("1001", "10.1.0.5 2001:db8::/56", email="jana@isp.example")
    await made.add("1002", "10.1.0.6", email="petr@isp.example")
    await made.invoice("26000001", "1001")
    await made.invoice("26000002", "1002")
    await made.settle_at(at(DUE_ON + timedelta(days=3)))
    await made.settle_at(at(NOTICE_ON))
    await made.acknowledge("1001")
    await made.settle()
    return made


async def report_of(isp: Isp, number: str) -> ContractReport:
    async with isp.store.reading() as session:
        return await report(session, number, isp.settings, isp.clock.now())


async def test_it_says_who_where_it_stands_why_and_when_what_comes(isp: Isp) -> None:
    seen = await report_of(isp, "1001")

    assert (seen.name, seen.email) == ("Jana Nováková 1001", "jana@isp.example")
    assert (seen.stage, seen.why) == ("acknowledged", "the subscriber read the notice; the grace runs")
    assert (seen.line, seen.debt) == ("open", "599.00 CZK")
    assert seen.suspend_at == "2026-03-26 12:00+01:00"
    assert seen.addresses == ("10.1.0.5", "2001:db8::/56")


async def test_its_timeline_tells_the_story_in_order(isp: Isp) -> None:
    timeline = (await report_of(isp, "1001")).timeline

    assert [event.what for event in timeline if event.what != "stage.changed"] == [
        "service.imported",
        "invoice.imported",
        "reminder.written",
        "notice.opened",
        "line.changed",
        "notice.acknowledged",
        "line.changed",
    ]
    assert [event.detail.split(",")[0] for event in timeline if event.what == "line.changed"] == [
        "open → notice",
        "notice → open",
    ]
    assert [event.at for event in timeline] == sorted(event.at for event in timeline)


async def test_nothing_of_another_contract_is_in_it(isp: Isp) -> None:
    seen = str((await report_of(isp, "1001")).as_json())

    assert "1002" not in seen
    assert "26000002" not in seen
    assert "petr" not in seen


async def test_invoices_and_mails_are_listed(isp: Isp) -> None:
    seen = await report_of(isp, "1001")

    assert [(row["number"], row["due_on"], row["open"]) for row in seen.invoices] == [
        ("26000001", "2026-03-02", "599.00")
    ]
    assert [(row["kind"], row["sent"]) for row in seen.mails] == [("reminder", "")]


async def test_a_promise_is_shown_as_protection(isp: Isp) -> None:
    now = isp.clock.now()
    async with isp.store.transaction() as session:
        until_on = now.date() + timedelta(days=5)
        await promise(session, "1001", until_on=until_on, actor="t", why="", today=now.date(), now=now)
    seen = await report_of(isp, "1001")

    assert (seen.protected, seen.stage) == ("promised until 2026-03-21", "clear")


async def test_absurd_facts_are_named(isp: Isp) -> None:
    await isp.invoice_row("26000009,1001,2020-01-01,2020-01-15,1.00,1.00")

    assert any("26000009" in words for words in (await report_of(isp, "1001")).parked)


async def test_leading_zeros_of_a_number_mean_nothing_and_a_wrong_one_is_not_found(isp: Isp) -> None:
    assert (await report_of(isp, "0001001")).contract == "1001"
    with pytest.raises(NotFound, match="There is no contract 9"):
        await report_of(isp, "9")
