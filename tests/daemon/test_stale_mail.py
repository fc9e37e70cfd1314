"""A mail that waited for its server is sent only if it still says the truth; sent by real SMTP, of a real ISP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from billing.store.engine import Store
from billing.store.tables import Mail
from config.settings import Settings, parse
from daemon.mailer import SendReport, send_due
from daemon.status import read_status
from tests.daemon.smtp_server import MailServer, smtp_server
from tests.scenario import DUE_ON, Isp, at

REMINDER_ON = DUE_ON + timedelta(days=3)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with smtp_server(asyncio.get_running_loop()) as running:
        yield running


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    """An ISP that has just written a first reminder, to be sent as soon as a mail server is there."""
    made = Isp(store, tmp_path)
    await made.add("1001", "10.1.0.5", email="jana@isp.example")
    await made.invoice("26000001", "1001")
    await made.settle_at(at(REMINDER_ON))
    assert await made.mails() == ["reminder"]
    return made


def settings_of(server: MailServer) -> Settings:
    mail = f'host = "127.0.0.1"\nport = {server.port}\nsender = "billing@isp.example"\ntimeout_seconds = 2\n'
    return parse(f"[mail]\n{mail}")


async def send(isp: Isp, server: MailServer) -> SendReport:
    return await send_due(isp.store, settings_of(server), isp.clock)


async def last_error(isp: Isp) -> str:
    async with isp.store.reading() as session:
        return (await session.scalars(select(Mail.last_error))).one()


async def test_a_reminder_goes_out_while_the_debt_is_there(isp: Isp, server: MailServer) -> None:
    isp.clock.advance(days=1)

    assert await send(isp, server) == SendReport(sent=1)


async def test_a_reminder_does_not_go_out_when_the_debt_was_paid_meanwhile(isp: Isp, server: MailServer) -> None:
    await isp.pay("599.00", "1001", "26000001")

    assert await send(isp, server) == SendReport(expired=1)
    assert server.envelopes == []
    assert await last_error(isp) == "expired: nothing is overdue any more"


async def test_a_reminder_goes_out_when_a_part_was_paid(isp: Isp, server: MailServer) -> None:
    await isp.pay("100.00", "1001", "26000001")

    assert await send(isp, server) == SendReport(sent=1)


async def test_a_reminder_that_could_not_be_sent_for_two_days_is_not_sent_at_all(isp: Isp, server: MailServer) -> None:
    isp.clock.advance(days=2)

    assert await send(isp, server) == SendReport(expired=1)
    assert await send(isp, server) == SendReport()
    assert server.envelopes == []


async def test_what_the_server_had_answered_is_kept_when_a_mail_expires(isp: Isp, server: MailServer) -> None:
    server.answers_to_recipient.append("451 come back later")
    await send(isp, server)
    isp.clock.advance(days=2)
    await send(isp, server)

    assert await last_error(isp) == "expired: not sent within 2 days; the last try: refused: 451 come back later"


async def test_an_expired_mail_is_not_counted_as_one_that_was_refused(isp: Isp, server: MailServer) -> None:
    isp.clock.advance(days=2)
    await send(isp, server)
    status = await read_status(isp.store, isp.settings, isp.clock.now())

    assert (status.mails_expired, status.mails_failed, status.mails_waiting) == (1, 0, 0)
