"""Numbers for Prometheus: right after any restart, and there without a database, too."""

import re
import urllib.request
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from billing.store.engine import Store
from config.errors import DriverError
from daemon import metrics
from daemon.enforcing import Enforcer
from daemon.reaction_times import CAUSES, seconds_to_open
from daemon.site import Site
from enforcement.dryrun import DryRunDriver
from portal.notice.counters import Counters
from tests.daemon.admin import Admin
from tests.portal.subscribers import free_port
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON + timedelta(days=14)


def read(text: bytes) -> Mapping[tuple[str, ...], float]:
    """Name and label values -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


async def asked(isp: Isp, counters: Counters | None = None) -> Mapping[tuple[str, ...], float]:
    return read(await metrics.everything(isp.settings, isp.store, counters or Counters(), isp.clock.now()))


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    made = Isp(store, tmp_path)
    for number in (1, 2, 3):
        await made.add(f"100{number}", f"10.1.0.{number}", email="jana@isp.example")
        await made.invoice(f"2600000{number}", f"100{number}")
    return made


async def test_contracts_are_counted_by_stage_and_lines_by_what_was_done_to_them_and_why(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    await isp.settle()

    seen = await asked(isp)

    assert seen["hradlo_contracts", "acknowledged"] == 1
    assert seen["hradlo_contracts", "notice"] == 2
    assert seen["hradlo_lines_restricted", "main", "notice", "ripe"] == 2
    assert seen["hradlo_database_reached",] == 1


async def test_the_mails_that_wait_are_counted_with_the_age_of_the_oldest(isp: Isp) -> None:
    await isp.settle_at(at(DUE_ON + timedelta(days=3)))
    isp.clock.advance(minutes=10)

    seen = await asked(isp)

    assert seen["hradlo_mails_waiting",] == 3
    assert 600 <= seen["hradlo_mail_oldest_seconds",] < 1200


async def test_the_time_from_an_acknowledgement_to_the_open_line_is_told(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.acknowledge("1001")
    isp.clock.advance(seconds=3)
    await isp.settle()

    async with isp.store.reading() as session:
        assert await seconds_to_open(session, "acknowledgement", isp.clock.now()) == [3.0]
        assert await seconds_to_open(session, "payment", isp.clock.now()) == []
    assert (await asked(isp))["hradlo_acknowledgement_to_open_seconds", "0.99"] == 3.0


async def test_the_time_from_a_payment_to_the_open_line_is_told(isp: Isp) -> None:
    await isp.settle_at(at(NOTICE_ON))
    await isp.pay("599.00", "1002", "26000002")
    isp.clock.advance(seconds=2)
    await isp.settle()

    assert (await asked(isp))["hradlo_payment_to_open_seconds", "0.5"] == 2.0


async def test_the_age_of_the_last_bank_statement_is_told_and_none_without_one(isp: Isp) -> None:
    assert ("hradlo_bank_import_age_seconds",) not in await asked(isp)
    await isp.pay("599.00", "1002", "26000002")
    isp.clock.advance(hours=5)

    assert (await asked(isp))["hradlo_bank_import_age_seconds",] == 5 * 3600


async def test_the_notice_servers_counters_are_there_by_their_names(isp: Isp) -> None:
    seen = await asked(isp, Counters(redirects=7, acknowledgements=2))

    assert (seen["hradlo_notice_redirects_total",], seen["hradlo_notice_acknowledgements_total",]) == (7, 2)


async def test_without_the_database_everything_else_is_told(isp: Isp, tmp_path: Path) -> None:
    away = Store.open(f"sqlite:///{tmp_path}/no-such-folder/hradlo.db")

    seen = read(await metrics.everything(isp.settings, away, Counters(redirects=7), isp.clock.now()))
    await away.close()

    assert seen["hradlo_database_reached",] == 0
    assert seen["hradlo_notice_redirects_total",] == 7


class Unreached(DryRunDriver):
    """A router that is off."""

    async def observe(self) -> object:  # type: ignore[override]
        raise DriverError("no route to host")


@pytest.mark.parametrize(("driver", "reached"), [(DryRunDriver(), 1.0), (Unreached(), 0.0)], ids=["on", "off"])
async def test_the_engine_tells_of_each_site_whether_it_is_reached(
    isp: Isp, monkeypatch: pytest.MonkeyPatch, driver: DryRunDriver, reached: float
) -> None:
    await isp.settle_at(at(NOTICE_ON))
    site = Site(
        Enforcer("north", driver, isp.settings, isp.store, isp.clock),
        isp.settings,
        isp.store,
        isp.clock,
        ring=lambda: None,
    )
    await isp.reconciler.look()
    site._enforcer._known = isp.reconciler.enforcers[0]._known

    with monkeypatch.context() as patch:
        patch.setattr(Enforcer, "retry_seconds", 0.0)
        await site._round(observes=True)

    seen = read(metrics.as_text(metrics.of_engine([site], isp.clock.now())))

    assert seen["hradlo_site_reached", "north"] == reached
    assert seen["hradlo_rounds_total", "done" if reached else "failed", "north"] == 1


async def test_what_the_engine_wrote_is_handed_on_whole(isp: Isp, tmp_path: Path) -> None:
    settings = isp.settings.model_copy(
        update={"daemon": isp.settings.daemon.model_copy(update={"runtime_directory": tmp_path})}
    )
    await metrics.publish(tmp_path, [], at(NOTICE_ON))

    seen = read(await metrics.everything(settings, isp.store, Counters(), isp.clock.now()))

    assert seen["hradlo_engine_written_timestamp_seconds",] == at(NOTICE_ON).timestamp()


def test_the_running_program_answers_at_its_own_socket(admin: Admin) -> None:
    port, notice_port = free_port(), free_port()
    admin.add_setting("metrics", f'listen = ["127.0.0.1:{port}"]')
    admin.add_setting("notice", f'listen = ["127.0.0.1:{notice_port}"]')
    admin.import_all()
    running = admin.start("run")
    try:
        for line in iter(running.stderr.readline, b""):  # type: ignore[union-attr]
            if b"started" in line:
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            seen = read(answer.read())
    finally:
        running.terminate()
        running.communicate(timeout=30)

    assert seen["hradlo_database_reached",] == 1


def test_the_dashboard_and_the_page_ask_for_metrics_that_exist() -> None:
    root = Path(__file__).parents[2]
    source = "".join((root / "daemon" / name).read_text() for name in ("metrics.py", "reaction_times.py"))
    known = {*re.findall(r'"(hradlo_\w+)"', source)}
    known |= {f"hradlo_{cause}_to_open_seconds" for cause in CAUSES}
    known |= {f"hradlo_notice_{each.name}" for each in fields(Counters)}
    texts = [(root / "docs" / name).read_text() for name in ("monitoring.md", "grafana/hradlo.json")]
    named = {name.removesuffix("_total") for text in texts for name in re.findall(r"hradlo_\w+[a-z]", text)}

    assert named - known == {"hradlo_notice"}  # the page names its counters together
    assert known - named - {name for name in known if name.startswith("hradlo_notice_")} == set()
