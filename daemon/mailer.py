"""Sends the mails that wait in the outbox: the only module that speaks SMTP.

A round (`send_due`) keeps one connection and takes one mail at a time: claim it, send it, mark it; each step is
a short transaction of its own, and none is open while the server is spoken to. What can go wrong, and what then:

    no connection, no login       nothing is claimed, so nothing is used up: mails wait for the server
    refused for good (5xx)        the mail is marked failed, a person must look
    refused for now (4xx)         the mail waits, longer each time
    connection lost, silence      likewise; it may have arrived, so it goes again with the same Message-ID
    killed after the server took it, before it was marked
                                  the lease runs out, and it goes again with the same Message-ID, once
    no longer true (`stale_mail`) the mail is marked with the reason, and nobody gets it
    its invoice can't be made     the mail waits, and the round ends: others go first in the next one
    told to stop                  the mail that is under way is finished and marked first

A mail is built from its row and from documents that never change (`enclosures`), and is the same to the byte at
every try.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.headerregistry import Address

import aiosmtplib
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.mail_address import one_line, sendable
from billing.invoicing.documents.rendering import Renderer
from billing.store import outbox
from billing.store.engine import Store
from billing.store.tables import Mail
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings
from daemon.enclosures import enclosures
from daemon.mail_message import build, sender_of
from daemon.stale_mail import stale_why

MINUTE = timedelta(minutes=1)
PATIENCE_FACTOR = 3
"""One mail may take so many times `mail.timeout_seconds`, all its steps together."""
LEASE_MARGIN_SECONDS = 60
"""The lease outlasts the patience by so much: nobody else gets a mail that may still be under way."""
STOP_PATIENCE_SECONDS = 8
"""A mail under way may take so long when we are told to stop; systemd kills after 15."""
LOST_CONNECTIONS_MAX = 2
"""After so many in a row the round ends."""


@dataclass(frozen=True, slots=True)
class SendReport:
    """What a round did."""

    sent: int = 0
    put_off: int = 0
    """Tried, and to be tried again later."""
    failed: int = 0
    """Refused for good."""
    expired: int = 0
    """No longer true when their turn came."""
    trouble: str = ""
    """Why the server can't be used at all: wait a while before the next round."""


def has_room(sent: Sequence[datetime], now: datetime, per_minute: int) -> bool:
    """Whether one more mail may go now. Times after `now`, left by a clock that was wrong, silence nobody."""
    return sum(now - MINUTE < at <= now for at in sent) < per_minute


async def send_due(store: Store, settings: Settings, clock: Clock, renderer: Renderer | None = None) -> SendReport:
    """Sends what is due, as much as the rates allow; without a `mail.host` all mails stay.

    Who sends often keeps a `renderer`; else there is one for this round. Raises `SettingsError` when the sender or
    the password can't be used.
    """
    if not settings.mail.host:
        return SendReport()
    if renderer is not None:
        return await _Round(store, settings, clock, renderer).run()
    async with Renderer.of(settings) as own:
        return await _Round(store, settings, clock, own).run()


class _Round:
    """One connection, and the mails that go over it."""

    def __init__(self, store: Store, settings: Settings, clock: Clock, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer
        self._settings = settings
        self._mail = settings.mail
        self._clock = clock
        self._sender = sender_of(settings.mail.sender)
        self._server = _Server(settings, self._sender)
        self._report = SendReport()
        self._lost_in_a_row = 0

    async def run(self) -> SendReport:
        try:
            while not self._report.trouble and await self._has_work():
                await self._server.connect()
                if not await _to_its_end(self._send_next()):
                    break
        except _Unusable as error:
            self._report = replace(self._report, trouble=str(error))
        finally:
            await self._server.hang_up()
        return self._report

    async def _has_work(self) -> bool:
        now = self._clock.now()
        async with self._store.reading() as session:
            room = await self._room(session, now)
            return room.any and await outbox.is_due(session, now, with_bulk=room.bulk)

    async def _room(self, session: AsyncSession, now: datetime) -> "_Room":
        sent = await outbox.recently_sent(session, now - MINUTE, now)
        bulk = await outbox.recently_sent(session, now - MINUTE, now, only_bulk=True)
        return _Room(has_room(sent, now, self._mail.per_minute), has_room(bulk, now, self._mail.bulk_per_minute))

    async def _send_next(self) -> bool:
        """One mail, from the claim to the mark; False when another sender was quicker."""
        mail = await self._claim()
        if mail is None:
            return False
        outcome = await self._try(mail)
        async with self._store.transaction() as session:
            if outcome.error:
                await outbox.mark_failed(session, mail.id, outcome.error, self._clock.now(), outcome.is_final)
            else:
                await outbox.mark_sent(session, mail.id, self._clock.now())
        self._count(outcome)
        return True

    async def _claim(self) -> Mail | None:
        lease_seconds = PATIENCE_FACTOR * self._mail.timeout_seconds + LEASE_MARGIN_SECONDS
        now = self._clock.now()
        async with self._store.transaction() as session:
            room = await self._room(session, now)
            if not room.any:
                return None
            claimed = await outbox.claim(session, now, 1, lease_seconds, with_bulk=room.bulk)
        return claimed[0] if claimed else None

    async def _try(self, mail: Mail) -> "_Outcome":
        async with self._store.reading() as session:
            why = await stale_why(session, mail, self._settings, self._clock.now())
        if why:
            return _Outcome(why, is_final=True, is_expired=True)
        try:
            enclosed = await enclosures(self._store, mail, self._settings, self._renderer)
        except HradloError as error:
            return _Outcome(f"not sent: {error}", is_everybodys=True)
        try:
            message = build(mail, self._sender, enclosed)
        except ValueError as error:
            return _Outcome(f"not sent: {error}", is_final=True)
        return await self._server.deliver(sendable(mail.recipient) or "", message.as_bytes())

    def _count(self, outcome: "_Outcome") -> None:
        self._lost_in_a_row = self._lost_in_a_row + 1 if outcome.is_lost else 0
        if not outcome.error:
            self._report = replace(self._report, sent=self._report.sent + 1)
        elif outcome.is_expired:
            self._report = replace(self._report, expired=self._report.expired + 1)
        elif outcome.is_final:
            self._report = replace(self._report, failed=self._report.failed + 1)
        else:
            self._report = replace(self._report, put_off=self._report.put_off + 1)
        if outcome.is_everybodys or self._lost_in_a_row >= LOST_CONNECTIONS_MAX:
            self._report = replace(self._report, trouble=outcome.error)


@dataclass(frozen=True, slots=True)
class _Room:
    """What may go now."""

    any: bool
    bulk: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one try; without an error, the server took the mail."""

    error: str = ""
    is_final: bool = False
    """No later try can succeed."""
    is_expired: bool = False
    """It was not tried, because it is no longer true."""
    is_lost: bool = False
    """The connection broke: nobody knows whether the mail arrived."""
    is_everybodys: bool = False
    """It is not about this mail: any other would meet the same."""


class _Unusable(Exception):
    """The server can't be reached, or does not let us in."""


class _Server:
    """A connection to the mail server, made when it is needed and kept."""

    def __init__(self, settings: Settings, sender: Address) -> None:
        self._mail = settings.mail
        self._sender = sender
        self._password = settings.secret("smtp_password") if settings.mail.username else ""
        self._smtp: aiosmtplib.SMTP | None = None

    async def connect(self) -> None:
        """Raises `_Unusable`; does nothing while the connection stands."""
        if self._smtp and self._smtp.is_connected:
            return
        smtp = aiosmtplib.SMTP(
            hostname=self._mail.host,
            port=self._mail.port,
            username=self._mail.username or None,
            password=self._password or None,
            # the machine's own name would be asked from DNS, and is seldom one that the world knows
            local_hostname=self._sender.domain,
            timeout=self._mail.timeout_seconds,
            use_tls=self._mail.security == "tls",
            start_tls=self._mail.security == "starttls",
        )
        try:
            async with asyncio.timeout(self._patience_seconds):
                await smtp.connect()
        # UnicodeError: a host that can be no name, such as a..b
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            smtp.close()
            raise _Unusable(f"{self._mail.host} port {self._mail.port}: {self._words(error)}") from None
        self._smtp = smtp

    async def deliver(self, recipient: str, message: bytes) -> _Outcome:
        """One try to hand a message over."""
        assert self._smtp is not None
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._smtp.sendmail(self._sender.addr_spec, [recipient], message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return self._refusal(error.recipients[0])
        except aiosmtplib.SMTPSenderRefused as error:
            return _Outcome(f"sender refused: {self._words(error)}", is_everybodys=True)
        except aiosmtplib.SMTPResponseException as error:
            return self._refusal(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            self._smtp.close()
            return _Outcome(f"connection lost: {self._words(error)}", is_lost=True)
        return _Outcome()

    async def hang_up(self) -> None:
        if self._smtp and self._smtp.is_connected:
            try:
                await self._smtp.quit(timeout=1)
            except (aiosmtplib.SMTPException, OSError):
                self._smtp.close()

    @property
    def _patience_seconds(self) -> int:
        return PATIENCE_FACTOR * self._mail.timeout_seconds

    def _refusal(self, error: aiosmtplib.SMTPResponseException) -> _Outcome:
        return _Outcome(f"refused: {self._words(error)}", is_final=500 <= error.code < 600)

    def _words(self, error: BaseException) -> str:
        """What happened, on one line and without the password, whatever the server repeats of it."""
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return f"the login as {self._mail.username!r} was refused ({error.code})"
        if isinstance(error, aiosmtplib.SMTPResponseException):
            text = f"{error.code} {error.message}"
        else:
            text = str(error) or f"no answer within {self._mail.timeout_seconds} s"
        text = one_line(text)
        return text.replace(self._password, "(password)") if self._password else text


async def _to_its_end(step: Coroutine[None, None, bool]) -> bool:
    """Awaits a step that must not be cut in two: who is told to stop meanwhile stops after it.

    It gets `STOP_PATIENCE_SECONDS` for that; then the mail is left to its lease.
    """
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_PATIENCE_SECONDS)
        task.cancel()
        await asyncio.wait([task])
        raise
