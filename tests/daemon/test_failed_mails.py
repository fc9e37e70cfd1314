"""A mail that a server refused for good waits for a person: sent again to a corrected address, or set aside."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from billing.customers.tables import Customer
from billing.store.engine import Store
from billing.store.tables import JournalEntry, Mail
from config.errors import NotAllowed, NotFound
from daemon.failed_mails import dismiss, failed_mails, retry
from daemon.mailer import SendReport, send_due
from daemon.status import read_status
from tests.daemon.admin import Admin
from tests.daemon.smtp_server import MailServer, smtp_server
from tests.daemon.test_stale_mail import settings_of
from tests.scenario import DUE_ON, Isp, at

EVA = "admin:eva"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with smtp_server(asyncio.get_running_loop()) as running:
        yield running


@pytest.fixture
async def isp(store: Store, tmp_path: Path, server: MailServer) -> Isp:
    """Jana's first reminder was refused: there is no such user."""
    made = Isp(store, tmp_path)
    await made.add("1001", "10.1.0.5", email="jna@isp.example")
    await made.invoice("26000001", "1001")
    await made.settle_at(at(DUE_ON + timedelta(days=3)))
    server.answers_to_recipient.append("550 no such user")
    assert await send(made, server) == SendReport(failed=1)
    return made


async def send(isp: Isp, server: MailServer) -> SendReport:
    return await send_due(isp.store, settings_of(server), isp.clock)


async def correct_address(isp: Isp, email: str) -> None:
    async with isp.store.transaction() as session:
        await session.execute(update(Customer).values(email=email))


async def try_again(isp: Isp, mail_id: int = 1) -> str:
    async with isp.store.transaction() as session:
        return (await retry(session, [mail_id], isp.settings, actor=EVA, now=isp.clock.now()))[mail_id]


async def journalled(isp: Isp) -> tuple[str, int | None]:
    async with isp.store.reading() as session:
        entry = (await session.scalars(select(JournalEntry).order_by(JournalEntry.id.desc()).limit(1))).one()
    return entry.action, entry.contract_id


async def count_failed(isp: Isp) -> int:
    return (await read_status(isp.store, isp.settings, isp.clock.now())).mails_failed


async def test_it_is_shown_with_what_the_server_said(isp: Isp) -> None:
    async with isp.store.reading() as session:
        (failed,) = await failed_mails(session)

    assert (failed.contract, failed.kind, failed.recipient) == ("1001", "reminder", "jna@isp.example")
    assert "550 no such user" in failed.error


async def test_it_goes_again_to_the_address_that_the_customer_has_now(isp: Isp, server: MailServer) -> None:
    await correct_address(isp, "jana@isp.example")

    assert await try_again(isp) == "jana@isp.example"
    assert await send(isp, server) == SendReport(sent=1)
    assert [envelope.rcpt_tos for envelope in server.envelopes] == [["jana@isp.example"]]
    assert await count_failed(isp) == 0


async def test_sending_again_is_journalled(isp: Isp) -> None:
    await try_again(isp)

    assert await journalled(isp) == ("mail.retried", 1)


async def test_without_an_address_it_does_not_go_again(isp: Isp) -> None:
    await correct_address(isp, "")

    with pytest.raises(NotAllowed, match="no e-mail address"):
        await try_again(isp)
    assert await count_failed(isp) == 1


async def test_what_is_no_longer_true_does_not_go_again(isp: Isp) -> None:
    isp.clock.advance(days=3)

    with pytest.raises(NotAllowed, match="mails dismiss 1"):
        await try_again(isp)


async def test_what_is_of_no_contract_does_not_go_again(isp: Isp) -> None:
    """A link, which is of no use by then, or a message to the admin: nothing says which address would be right."""
    async with isp.store.transaction() as session:
        await session.execute(update(Mail).values(contract_id=None, kind="password_link"))

    with pytest.raises(NotAllowed, match="is of no contract"):
        await try_again(isp)


async def test_a_mail_that_is_named_twice_is_one(isp: Isp) -> None:
    async with isp.store.transaction() as session:
        assert await dismiss(session, [1, 1], actor=EVA, why="", now=isp.clock.now()) == 1

    assert await count_failed(isp) == 0


async def test_two_admins_at_once_take_turns(each_store: Store, tmp_path: Path) -> None:
    """Whoever comes second finds that it was done: on PostgreSQL they would wait for each other for ever."""
    made = Isp(each_store, tmp_path)
    for number in ("1001", "1002"):
        await made.add(number, f"10.1.0.{number[-1]}", email="jana@isp.example")
        await made.invoice(f"2600000{number[-1]}", number)
    await made.settle_at(at(DUE_ON + timedelta(days=3)))
    async with each_store.transaction() as session:
        await session.execute(update(Mail).values(failed_at=made.clock.now(), last_error="refused: 550"))

    async def set_aside(mail_ids: list[int]) -> int:
        async with each_store.transaction() as session:
            return await dismiss(session, mail_ids, actor=EVA, why="", now=made.clock.now())

    done = await asyncio.gather(*(set_aside(ids) for ids in ([1, 2], [2, 1])), return_exceptions=True)

    first, second = sorted(map(str, done), key=len)
    assert first == "2"
    assert second.startswith("There is no failed mail")


async def test_what_is_set_aside_is_counted_no_more_and_stays(isp: Isp) -> None:
    async with isp.store.transaction() as session:
        await dismiss(session, [1], actor=EVA, why="she reads paper", now=isp.clock.now())

    assert await count_failed(isp) == 0
    assert await journalled(isp) == ("mail.dismissed", 1)
    async with isp.store.reading() as session:
        assert (await session.scalars(select(Mail.kind))).all() == ["reminder"]


async def test_only_failed_mails_can_be_sent_again_or_set_aside(isp: Isp) -> None:
    await try_again(isp)

    with pytest.raises(NotFound, match="no failed mail 1"):
        await try_again(isp)
    async with isp.store.transaction() as session:
        with pytest.raises(NotFound, match="no failed mail 7"):
            await dismiss(session, [7], actor=EVA, why="", now=isp.clock.now())


@pytest.fixture
def shop(admin: Admin) -> Admin:
    """Both customers' invoices were mailed, and refused."""
    admin.import_all()
    admin.sql("UPDATE service SET billed_until_on = '2026-02-28'")
    admin.run("bill")
    admin.sql("UPDATE outbox SET failed_at = '2026-03-16 11:00:00', last_error = 'refused: 550 no such user'")
    return admin


def test_status_names_the_command_that_shows_them(shop: Admin) -> None:
    advice = next(line for line in shop.run("status").out.splitlines() if "refused for good" in line)
    command = advice.rpartition("hradlo ")[2].split()

    shown = shop.run(*command)
    assert "550 no such user" in shown.out
    assert {row["contract"] for row in shop.run(*command, "--json").json} == {"1001", "1002"}


def test_one_goes_again_and_the_others_are_set_aside(shop: Admin) -> None:
    first = shop.run("mails", "failed", "--json").json[0]
    again = shop.run("mails", "retry", str(first["id"]))
    aside = shop.run("mails", "dismiss", "--all", "--why", "old addresses")

    assert again.out == f"Mail {first['id']} goes to {first['recipient']}.\n"
    assert aside.out == "1 mail is set aside.\n"
    assert shop.run("mails", "failed", "--json").json == []


@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_which_are_set_aside_must_be_said_in_one_way(shop: Admin, arguments: tuple[str, ...]) -> None:
    refused = shop.run("mails", "dismiss", *arguments)

    assert refused.code == 1
    assert "by their ids, or all by --all" in refused.err
