"""The watched folder: statements are taken when they are complete, once, and end up where a person looks."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import select, text

from billing.payments.folder import import_ready
from billing.payments.importing import ImportReport
from billing.payments.tables import BankStatement
from billing.store.engine import Store
from billing.watched_folder import Outcome, Seen
from config.settings import Payments, Settings
from tests.billing.payments.world import NOW, add_debtor, counts, open_of, problems

SETTINGS = Settings()


def fio_file(*payments: tuple[int, float, str], account: str = "2000123456") -> bytes:
    """A statement as Fio's API hands it out: (id, amount, variable symbol)."""
    total = round(sum(amount for _, amount, _ in payments), 2)
    info = {
        "accountId": account,
        "bankId": "2010",
        "currency": "CZK",
        "iban": None,
        "openingBalance": 0.0,
        "closingBalance": total,
        "dateStart": "2026-11-20+0100",
        "dateEnd": "2026-11-20+0100",
        "yearList": None,
        "idList": None,
        "idFrom": None,
        "idTo": None,
    }
    movements = [
        {
            "column22": {"name": "ID pohybu", "value": number, "id": 22},
            "column0": {"name": "Datum", "value": "2026-11-20+0100", "id": 0},
            "column1": {"name": "Objem", "value": amount, "id": 1},
            "column14": {"name": "Měna", "value": "CZK", "id": 14},
            "column5": {"name": "VS", "value": symbol, "id": 5},
        }
        for number, amount, symbol in payments
    ]
    return json.dumps({"accountStatement": {"info": info, "transactionList": {"transaction": movements}}}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    watched = tmp_path / "statements"
    watched.mkdir()
    return watched


async def look_twice(store: Store, folder: Path, settings: Settings = SETTINGS) -> list[Outcome[ImportReport]]:
    seen: Seen = {}
    assert await import_ready(store, folder, settings, NOW, seen) == []
    return await import_ready(store, folder, settings, NOW, seen)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_statement_is_imported_and_moved_away(store: Store, folder: Path) -> None:
    await add_debtor(store, i26001="500")
    (folder / "day.json").write_bytes(fio_file((1, 200.0, "1001"), (2, 10.0, "")))

    (outcome,) = await look_twice(store, folder)

    assert str(outcome) == "2 new payments (1 matched, 1 waiting), 0 known"
    assert names(folder) == ["imported/day.json"]
    assert await open_of(store) == {"26001": "300.00"}
    assert await problems(store) == []


async def test_a_statement_that_is_refused_stands_beside_its_reason(store: Store, folder: Path) -> None:
    (folder / "day.json").write_bytes(fio_file((1, 200.0, "1001")).replace(b'Balance": 200.0', b'Balance": 300.0'))

    (outcome,) = await look_twice(store, folder)

    assert outcome.report is None
    assert names(folder) == ["refused/day.json", "refused/day.json.reason.txt"]
    assert "200.00" in (folder / "refused/day.json.reason.txt").read_text()
    assert (await counts(store))["payment"] == 0


async def test_a_file_that_is_too_long_is_refused_before_it_is_read(store: Store, folder: Path) -> None:
    with (folder / "year.gpc").open("wb") as file:
        file.write(b"074")
        file.truncate(52_000_000)

    (outcome,) = await look_twice(store, folder)

    assert "is longer than 10 MiB" in outcome.refused_why
    assert "Export shorter periods" in (folder / "refused" / "year.gpc.reason.txt").read_text()


async def test_the_accounts_and_the_currency_of_the_settings_count(store: Store, folder: Path) -> None:
    (folder / "day.json").write_bytes(fio_file((1, 200.0, "1001")))
    settings = SETTINGS.model_copy(update={"payments": Payments(accounts=("1/0100",))})

    (outcome,) = await look_twice(store, folder, settings)

    assert "not one of yours" in outcome.refused_why


async def test_a_bad_file_does_not_keep_the_others_from_their_turn(store: Store, folder: Path) -> None:
    (folder / "a.json").write_bytes(b"nonsense")
    (folder / "b.json").write_bytes(fio_file((1, 200.0, "1001")))

    outcomes = await look_twice(store, folder)

    assert [(outcome.name, outcome.report is None) for outcome in outcomes] == [("a.json", True), ("b.json", False)]


async def test_a_name_in_another_encoding_is_no_worse_than_any_other(store: Store, folder: Path) -> None:
    name = os.fsdecode("v\xfdpis.json".encode("cp1250"))  # as FTP from Windows leaves it
    (folder / name).write_bytes(fio_file((1, 200.0, "1001")))

    (outcome,) = await look_twice(store, folder)

    assert (outcome.name, outcome.report is None) == (name, False)
    assert names(folder) == [f"imported/{name}"]
    async with store.reading() as session:
        assert await session.scalar(select(BankStatement.source)) == "v\\xfdpis.json"


async def test_a_second_file_of_the_same_name_gets_a_name_of_its_own(store: Store, folder: Path) -> None:
    for number in (1, 2):
        (folder / "day.json").write_bytes(fio_file((number, 200.0, "1001")))
        await look_twice(store, folder)

    assert names(folder) == ["imported/day.2.json", "imported/day.json"]


async def test_a_crash_between_import_and_move_is_healed_by_the_next_look(store: Store, folder: Path) -> None:
    await add_debtor(store, i26001="500")
    content = fio_file((1, 200.0, "1001"))
    (folder / "day.json").write_bytes(content)
    await look_twice(store, folder)
    (folder / "imported/day.json").rename(folder / "day.json")  # as if the move had never happened

    (outcome,) = await look_twice(store, folder)

    assert str(outcome) == "0 new payments (0 matched, 0 waiting), 1 known"
    assert names(folder) == ["imported/day.json"]
    assert await open_of(store) == {"26001": "300.00"}


async def test_a_file_that_can_not_be_moved_is_reported_and_counted_once(store: Store, folder: Path) -> None:
    await add_debtor(store, i26001="500")
    (folder / "day.json").write_bytes(fio_file((1, 200.0, "1001")))
    (folder / "imported").write_text("a file where the folder should be")

    first, _ = await look_twice(store, folder)
    (second,) = await look_twice(store, folder)

    assert "can not be moved" in str(first)
    assert (first.report.new, second.report.new) == (1, 0)  # type: ignore[union-attr]


async def test_when_the_database_fails_the_file_stays_for_the_next_look(store: Store, folder: Path) -> None:
    (folder / "day.json").write_bytes(fio_file((1, 200.0, "1001")))
    async with store.transaction() as session:
        await session.execute(text("ALTER TABLE payment RENAME TO elsewhere"))

    with pytest.raises(Exception, match="no such table"):
        await look_twice(store, folder)

    assert names(folder) == ["day.json"]
