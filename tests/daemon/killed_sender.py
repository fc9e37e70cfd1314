"""A sender that is killed, as by `kill -9`, at the step that its arguments name. Started by `test_mailer.py`."""

import asyncio
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import aiosmtplib

from billing.store import outbox
from billing.store.engine import Store
from config.clock import TestClock
from config.settings import load
from daemon import mailer


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: str) -> None:
    """From here on, whoever comes to the step is dead."""
    if step == "before the claim":
        outbox.claim = die  # type: ignore[assignment]
    elif step == "before sending":
        aiosmtplib.SMTP.sendmail = die  # type: ignore[assignment,method-assign]
    elif step == "before the mark":
        outbox.mark_sent = die  # type: ignore[assignment]
    elif step == "after the mark":
        mailer._Round._count = die  # type: ignore[assignment,method-assign]


async def main(settings: str, now: str, step: str) -> None:
    read = load(Path(settings))
    arm(step)
    await mailer.send_due(Store.open(read.database.url), read, TestClock(datetime.fromisoformat(now)))


asyncio.run(main(*sys.argv[1:]))
