"""Customers come in whole or not at all, once, and journalled."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from billing.customers.operations import hash_passwords, import_customers
from billing.customers.rules import read_customers
from billing.customers.tables import Contract, Customer
from billing.importing import Report
from billing.store import journal
from billing.store.engine import Store
from billing.store.tables import JournalEntry
from config.errors import InputRejected
from config.i18n import Language

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
HEADER = "customer_number,name,email,phone,street,city,postal_code,language,password\n"
JANA = "1,Jana,jana@example.com,,,Brno,60200,cs,"
PETR = "2,Petr,,,,,,en,correct horse"


async def bring(store: Store, *lines: str, language: Language = "cs") -> Report:
    sheet = read_customers((HEADER + "\n".join(lines)).encode(), "customers.csv")
    async with store.reading() as session:
        hashes = await hash_passwords(session, sheet)
    async with store.transaction() as session:
        return await import_customers(session, sheet, hashes, actor="admin:test", now=NOW, language=language)


async def customers(store: Store) -> dict[str, Customer]:
    async with store.reading() as session:
        return {each.number: each for each in (await session.execute(select(Customer))).scalars()}


async def entries(store: Store, after_id: int = 0) -> Sequence[JournalEntry]:
    async with store.reading() as session:
        query = select(JournalEntry).where(JournalEntry.id > after_id).order_by(JournalEntry.id)
        return (await session.execute(query)).scalars().all()


async def test_customers_are_added(each_store: Store) -> None:
    report = await bring(each_store, JANA, PETR)
    found = await customers(each_store)

    assert report == Report(added=2)
    assert (found["1"].name, found["1"].city, found["1"].password_hash) == ("Jana", "Brno", "")
    assert [entry.action for entry in await entries(each_store)] == ["customer.imported"] * 2


async def test_without_a_language_in_the_file_new_customers_get_the_isps_and_others_keep_theirs(
    each_store: Store,
) -> None:
    await bring(each_store, "2,Petr,,,,,,en,")
    report = await bring(each_store, "1,Jana,,,,,,,", "2,Petr,,,,,,,", language="en")

    assert report == Report(added=1, unchanged=1)
    assert {each.language for each in (await customers(each_store)).values()} == {"en"}


async def test_the_same_file_twice_changes_nothing(each_store: Store) -> None:
    await bring(each_store, JANA, PETR)
    hash_before = (await customers(each_store))["2"].password_hash

    assert await bring(each_store, JANA, PETR) == Report(unchanged=2)
    assert (await customers(each_store))["2"].password_hash == hash_before
    assert len(await entries(each_store)) == 2


async def test_a_changed_customer_is_journalled_for_each_of_its_contracts(each_store: Store) -> None:
    await bring(each_store, JANA, PETR)
    async with each_store.transaction() as session:
        owner = (await session.execute(select(Customer.id).where(Customer.number == "1"))).scalar_one()
        session.add_all([Contract(number="10", customer_id=owner), Contract(number="11", customer_id=owner)])
    report = await bring(each_store, JANA.replace("jana@", "nova@"), PETR)
    new = await entries(each_store, after_id=2)

    assert report == Report(changed=1, unchanged=1)
    assert (await customers(each_store))["1"].email == "nova@example.com"
    assert len({entry.contract_id for entry in new}) == len(new) == 2
    assert json.loads(new[0].detail) == {"change": "changed", "columns": ["email"], "customer": "1"}


async def test_the_journal_does_not_keep_what_stands_in_the_columns(each_store: Store) -> None:
    await bring(each_store, JANA)
    await bring(each_store, JANA.replace("jana@", "nova@"))

    assert not any("example.com" in entry.detail or "Jana" in entry.detail for entry in await entries(each_store))


async def test_a_password_is_kept_as_an_argon2id_hash(each_store: Store) -> None:
    await bring(each_store, PETR)
    found = (await customers(each_store))["2"].password_hash

    assert found.startswith("$argon2id$")
    assert PasswordHasher().verify(found, "correct horse")


async def test_an_import_never_takes_away_a_password(each_store: Store) -> None:
    await bring(each_store, PETR)
    before = (await customers(each_store))["2"].password_hash

    assert await bring(each_store, PETR.replace("correct", "another")) == Report(unchanged=1)
    assert (await customers(each_store))["2"].password_hash == before


async def test_a_customer_without_a_password_gets_one_later(each_store: Store) -> None:
    await bring(each_store, PETR.replace("correct horse", ""))

    assert await bring(each_store, PETR) == Report(changed=1)
    assert (await customers(each_store))["2"].password_hash


async def test_one_bad_row_refuses_the_whole_file(each_store: Store) -> None:
    with pytest.raises(InputRejected, match="line 3, column email"):
        await bring(each_store, JANA, "2,Petr,x,,,,,,")

    assert await customers(each_store) == {}


async def test_several_chunks_are_one_import(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.importing._CHUNK_ROWS", 3)
    lines = [f"{n},Name {n},,,,,,," for n in range(10)]
    await bring(store, *lines[:5])

    assert await bring(store, *lines) == Report(added=5, unchanged=5)
    async with store.reading() as session:
        assert await journal.verify(session) == 10


async def test_a_customer_with_several_addresses_is_taken_and_the_report_says_where_mail_goes(store: Store) -> None:
    report = await bring(store, JANA, '3,Eva,"eva@example.com; office@example.com",,,,,cs,')

    assert (await customers(store))["3"].email == "eva@example.com"
    assert report.added == 2
    assert [str(warning) for warning in report.warnings] == [
        "line 3, column email: mail goes to eva@example.com only, not to office@example.com"
    ]


async def test_a_company_has_its_numbers_and_a_file_without_those_columns_leaves_them(store: Store) -> None:
    text = f"{HEADER.strip()},company_id,vat_id\n{JANA},27082440,CZ27082440\n"
    async with store.transaction() as session:
        await import_customers(
            session, read_customers(text.encode(), "c.csv"), {}, actor="admin:test", now=NOW, language="cs"
        )
    assert await bring(store, JANA) == Report(unchanged=1)

    jana = (await customers(store))["1"]
    assert (jana.company_id, jana.vat_id) == ("27082440", "CZ27082440")
