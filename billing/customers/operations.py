"""Customers come in here.

sheet = read_customers(data, "customers.csv")
async with store.reading() as session:
    hashes = await hash_passwords(session, sheet)
async with store.transaction() as session:
    report = await import_customers(session, sheet, hashes, actor="admin:jana", now=now, language="cs")
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.passwords import hash_password
from billing.customers.rules import CustomerRow
from billing.customers.tables import Contract, Customer
from billing.importing import Report, Sheet, in_chunks
from billing.store import journal
from billing.store.bulk import execute_many
from config.errors import Problem
from config.i18n import Language

_COLUMNS = ("number", "name", "email", "phone", "street", "city", "postal_code", "language", "company_id", "vat_id")


async def hash_passwords(session: AsyncSession, sheet: Sheet[CustomerRow]) -> dict[str, str]:
    """The hashes of the file's passwords for customers who have none yet, by customer number.

    Argon2 takes its time, so this is done before the transaction that writes.
    """
    passwords = {row.number: row.password for row in sheet.rows if row.password}
    for chunk in in_chunks(list(passwords)):
        with_one = select(Customer.number).where(Customer.number.in_(chunk), Customer.password_hash != "")
        for number in (await session.execute(with_one)).scalars():
            del passwords[number]
    hashes = await asyncio.gather(*(asyncio.to_thread(hash_password, text) for text in passwords.values()))
    return dict(zip(passwords, hashes, strict=True))


async def import_customers(
    session: AsyncSession,
    sheet: Sheet[CustomerRow],
    hashes: Mapping[str, str],
    *,
    actor: str,
    now: datetime,
    language: Language,
) -> Report:
    """Adds and changes customers as the file says; `hashes` are those of `hash_passwords`.

    `language` is that of new customers of whom the file says none.

    Raises `InputRejected` with every problem of the file. Customers that are not in it stay as they are.
    """
    sheet.require_good()
    await journal.lock(session)
    added = changed = 0
    for rows in in_chunks(sheet.rows):
        known = await _known(session, [row.number for row in rows])
        new = [row for row in rows if row.number not in known]
        changes = {row.number: what for row in rows if row.number in known and (what := _changes(row, known, hashes))}
        await _add(session, new, hashes, language)
        await _change(session, changes, known)
        entries = [*_added_entries(new, actor, now), *await _changed_entries(session, changes, known, actor, now)]
        await journal.append_many(session, entries)
        added, changed = added + len(new), changed + len(changes)
    return Report(added, changed, len(sheet.rows) - added - changed, tuple(_warnings(sheet.rows)))


def _warnings(rows: Iterable[CustomerRow]) -> Iterator[Problem]:
    for row in rows:
        if row.more_emails:
            others = ", ".join(row.more_emails)
            yield Problem(f"line {row.line}, column email", f"mail goes to {row.email} only, not to {others}")


async def _known(session: AsyncSession, numbers: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    columns = [getattr(Customer, name) for name in ("id", *_COLUMNS, "password_hash")]
    rows = await session.execute(select(*columns).where(Customer.number.in_(numbers)))
    return {row["number"]: row for row in rows.mappings()}  # type: ignore[misc]


def _changes(row: CustomerRow, known: Mapping[str, Mapping[str, Any]], hashes: Mapping[str, str]) -> dict[str, str]:
    """The columns that the file changes, with their new values."""
    before = known[row.number]
    changes = {name: getattr(row, name) for name in _COLUMNS if getattr(row, name) not in (None, before[name])}
    if row.number in hashes and not before["password_hash"]:
        changes["password_hash"] = hashes[row.number]
    return changes


async def _add(
    session: AsyncSession, rows: Sequence[CustomerRow], hashes: Mapping[str, str], language: Language
) -> None:
    values = [
        {name: getattr(row, name) or "" for name in _COLUMNS}
        | {"language": row.language or language}
        | {"password_hash": hashes.get(row.number, ""), "password_is_one_time": False}
        for row in rows
    ]
    if values:
        await execute_many(session, insert(Customer), values)


async def _change(
    session: AsyncSession, changes: Mapping[str, Mapping[str, str]], known: Mapping[str, Mapping[str, Any]]
) -> None:
    # One statement takes many rows when they change the same columns.
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for number, values in changes.items():
        by_columns.setdefault(tuple(sorted(values)), []).append({"id": known[number]["id"], **values})
    for rows in by_columns.values():
        await session.execute(update(Customer), rows)


def _added_entries(rows: Iterable[CustomerRow], actor: str, now: datetime) -> list[journal.Entry]:
    return [
        journal.Entry(now, actor, "customer.imported", None, {"customer": row.number, "change": "added"})
        for row in rows
    ]


async def _changed_entries(
    session: AsyncSession,
    changes: Mapping[str, Mapping[str, str]],
    known: Mapping[str, Mapping[str, Any]],
    actor: str,
    now: datetime,
) -> list[journal.Entry]:
    """One entry for each contract of a changed customer, as what dunning looks at are contracts.

    The journal is kept for ever, so it says which columns changed, not what stands in them.
    """
    contracts: dict[int, list[int | None]] = {}
    ids = [known[number]["id"] for number in changes]
    for contract_id, customer_id in await session.execute(
        select(Contract.id, Contract.customer_id).where(Contract.customer_id.in_(ids)).order_by(Contract.id)
    ):
        contracts.setdefault(customer_id, []).append(contract_id)
    return [
        journal.Entry(
            now,
            actor,
            "customer.imported",
            contract_id,
            {"customer": number, "change": "changed", "columns": sorted(values)},
        )
        for number, values in changes.items()
        for contract_id in contracts.get(known[number]["id"], [None])
    ]
