"""A simulated mail server in the place of `aiosmtplib.SMTP`: it is away, refuses, or takes a mail and says nothing."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any

import aiosmtplib

from tests.simulation.fate import Fate

BREAKS_AFTER_TAKING = 0.02
BREAKS_BEFORE_TAKING = 0.02
REFUSES_FOR_NOW = 0.03
REFUSES_FOR_GOOD = 0.005
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)


class PostOffice:
    """What arrived; `connection` makes what the mailer thinks is a connection to a server."""

    def __init__(self, random: Random, fate: Fate) -> None:
        self.is_away = False
        self.copies: Counter[str] = Counter()
        """Message-ID -> how often it arrived."""
        self.excused: Counter[str] = Counter()
        """Message-ID -> how often the sender could not know that it had arrived."""
        self.contents: defaultdict[str, set[str]] = defaultdict(set)
        self._random = random
        self._fate = fate
        self._last = ""

    def connection(self, **_: Any) -> "_Connection":
        return _Connection(self)

    def sender_died(self) -> None:
        """What was just taken may not have been marked."""
        if self._last:
            self.excused[self._last] += 1

    def take(self, message: bytes) -> None:
        """One mail; raises what a client raises."""
        self._fate.step()
        chance = self._random.random()
        if chance < BREAKS_BEFORE_TAKING:
            raise aiosmtplib.SMTPServerDisconnected("gone")
        if chance < BREAKS_BEFORE_TAKING + REFUSES_FOR_NOW:
            raise aiosmtplib.SMTPDataError(451, "later")
        if chance < BREAKS_BEFORE_TAKING + REFUSES_FOR_NOW + REFUSES_FOR_GOOD:
            raise aiosmtplib.SMTPDataError(550, "never")
        found = _MESSAGE_ID.search(message)
        self._last = found[1].decode() if found else "(none)"
        self.copies[self._last] += 1
        self.contents[self._last].add(hashlib.sha256(message).hexdigest())
        if chance > 1 - BREAKS_AFTER_TAKING:
            self.excused[self._last] += 1
            raise aiosmtplib.SMTPServerDisconnected("gone, with the mail")
        self._fate.step()


class _Connection:
    """What the mailer uses of an SMTP client."""

    def __init__(self, office: PostOffice) -> None:
        self._office = office
        self.is_connected = False

    async def connect(self) -> None:
        if self._office.is_away:
            raise aiosmtplib.SMTPConnectError("nobody answers")
        self.is_connected = True

    async def sendmail(self, sender: str, recipients: Sequence[str], message: bytes) -> None:
        self._office.take(message)

    async def quit(self, **_: Any) -> None:
        self.is_connected = False

    def close(self) -> None:
        self.is_connected = False
