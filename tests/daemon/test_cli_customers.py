"""`hradlo customer`: a password for the portal, and requests for changes."""

import asyncio
import json
from datetime import date

from billing.customers.passwords import verify_password
from billing.customers.portal_changes import ask
from billing.store.engine import Store
from tests.daemon.admin import Admin
from tests.scenario import at


def row_of(admin: Admin, columns: str) -> tuple[object, ...]:
    (found,) = admin.sql(f"SELECT {columns} FROM customer WHERE number = '1'")
    return found


def test_a_new_password_is_printed_once_and_must_be_changed(admin: Admin) -> None:
    admin.import_all()

    ran = admin.run("customer", "password", "1")

    password_hash, is_one_time = row_of(admin, "password_hash, password_is_one_time")
    assert ran.code == 0
    assert verify_password(ran.out.strip(), str(password_hash))
    assert is_one_time == 1


def test_a_password_for_nobody_is_an_error(admin: Admin) -> None:
    admin.import_all()

    ran = admin.run("customer", "password", "77")

    assert ran.code == 1
    assert "There is no customer 77" in ran.err


def ask_for_a_new_name(admin: Admin) -> None:
    async def write() -> None:
        store = Store.open(f"sqlite:///{admin.database}")
        async with store.transaction() as session:
            await ask(session, 1, {"name": "Jana Malá"}, "married", at(date(2026, 3, 1)))
        await store.close()

    asyncio.run(write())


def test_an_accepted_request_changes_the_customer_and_leaves_the_list(admin: Admin) -> None:
    admin.import_all()
    ask_for_a_new_name(admin)
    assert json.loads(admin.run("customer", "requests", "--json").out)[0]["wanted"] == "name: Jana Malá"

    assert admin.run("customer", "accept", "1", "--why", "seen the papers").code == 0

    assert row_of(admin, "name") == ("Jana Malá",)
    assert json.loads(admin.run("customer", "requests", "--json").out) == []


def test_a_refused_request_changes_nothing_and_is_decided_once(admin: Admin) -> None:
    admin.import_all()
    ask_for_a_new_name(admin)

    assert admin.run("customer", "refuse", "1", "--why", "no papers").code == 0
    again = admin.run("customer", "accept", "1")

    assert row_of(admin, "name") == ("Jana Nováková",)
    assert again.code == 1
    assert "was decided" in again.err
