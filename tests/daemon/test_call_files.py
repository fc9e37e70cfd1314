"""The engine's look at files of call records: what was found is logged, and a bad line does not go unseen."""

from pathlib import Path

from structlog.testing import capture_logs

from billing.store.engine import Store
from billing.voip.calls.following import Follower
from config.clock import TestClock
from daemon.call_files import look
from tests.billing.voip.calls.test_following import append, lines
from tests.billing.voip.world import NOW, SETTINGS, add_number, credit_of


async def test_a_look_imports_what_grew_and_names_what_it_did_not_understand(store: Store, tmp_path: Path) -> None:
    await add_number(store, credit="100")
    append(tmp_path / "Master.csv", lines(1) + b"torn\n")
    follower = Follower([str(tmp_path / "Master.csv")])
    with capture_logs() as logged:
        found = await look(SETTINGS, store, TestClock(NOW), {}, follower)

    assert found
    assert await credit_of(store) == ("97.60", "0.00")
    assert [(line["log_level"], line.get("problem") or line["outcome"]) for line in logged] == [
        ("error", "line 2: has 1 columns, a record has at least 16"),
        ("info", "1 call (2.40 charged), 0 waiting, 0 known, 0 disputed"),
    ]
    assert not await look(SETTINGS, store, TestClock(NOW), {}, follower)


async def test_a_folder_that_is_gone_is_logged_and_not_the_end(store: Store, tmp_path: Path) -> None:
    voip = SETTINGS.voip.model_copy(update={"calls_folder": tmp_path / "gone"})
    settings = SETTINGS.model_copy(update={"voip": voip})
    with capture_logs() as logged:
        assert not await look(settings, store, TestClock(NOW), {}, Follower([]))

    assert [line["event"] for line in logged] == ["call records not read"]
