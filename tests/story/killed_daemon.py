"""The whole daemon, killed as by `kill -9` at the step that its first argument names; the rest is its command line."""

import os
import signal
import sys
from typing import Any

import aiosmtplib

from billing import watched_folder
from billing.payments import folder
from billing.store import outbox
from daemon import mailer
from daemon.cli import main
from daemon.deciding import Decider
from daemon.enforcing import Enforcer
from enforcement.nftables.driver import NftablesDriver
from portal.notice import app


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(work: Any) -> Any:
    """The same work, and death once it has done something."""

    async def dying(*arguments: Any, **named: Any) -> Any:
        done = await work(*arguments, **named)
        if done is None or done:
            die()
        return done

    return dying


STEPS = {
    "before the news is recorded": (Decider, "_record", die),
    "before the network is changed": (NftablesDriver, "apply", die),
    "after the network was changed": (NftablesDriver, "apply", after(NftablesDriver.apply)),
    "before the line is recorded": (Enforcer, "_record_lines", die),
    "after the line was recorded": (Enforcer, "_record_lines", after(Enforcer._record_lines)),
    "before a mail is claimed": (outbox, "claim", die),
    "before a mail is sent": (aiosmtplib.SMTP, "sendmail", die),
    "after a mail was marked": (mailer._Round, "_count", die),
    "before the statement is imported": (folder, "_import_one", die),
    "before the statement is moved away": (watched_folder, "_move", die),
    "before the acknowledgement is answered": (app, "_redirect", die),
}


if __name__ == "__main__":
    place, name, deadly = STEPS[sys.argv.pop(1)]
    setattr(place, name, deadly)
    main()
