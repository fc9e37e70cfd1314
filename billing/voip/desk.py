"""Where an exchange's questions are answered: emergencies at once, the others in turn, several in one transaction.

On SQLite a transaction costs one wait for the disk, and only one goes on at a time. So whoever comes while one goes
on waits, and the next transaction answers all who wait by then: the busier, the more share one wait. PostgreSQL has a
lock for each number and many transactions at once; there each question has its own.

A database that does not answer lets no paid call begin, and no emergency call fail: that one never asks it.
"""

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.engine import Store
from billing.voip import numbers
from billing.voip.holds import EMERGENCY, Reason, Verdict, authorize
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings

QUESTIONS_AT_ONCE = 50
TROUBLE = Verdict(False, Reason.TROUBLE)

log = structlog.get_logger()


@dataclass(eq=False)
class _Question:
    """One call that somebody wants to begin."""

    caller: str
    called: str
    call_id: str
    verdict: Verdict | None = None


class Desk:
    """One for a process; `ask` may be called as often and as much at once as exchanges like."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._waiting: list[_Question] = []
        self._turn = asyncio.Lock()

    async def ask(self, *, caller: str, called: str, call_id: str) -> Verdict:
        """May this call begin? Never raises about the database; see `holds.authorize`."""
        if numbers.is_emergency(called, self._settings.isp.country):
            return EMERGENCY
        question = _Question(caller, called, call_id)
        if not self._store.has_one_writer:
            await self._answer([question])
        else:
            self._waiting.append(question)
            # whoever gets the turn answers all who wait; who was cancelled meanwhile leaves that to the next one
            async with self._turn:
                while question.verdict is None:
                    await self._answer(self._waiting[:QUESTIONS_AT_ONCE])
                    self._waiting = [each for each in self._waiting if each.verdict is None]
        return question.verdict or TROUBLE

    async def _answer(self, questions: list[_Question]) -> None:
        try:
            async with self._store.transaction() as session:
                verdicts = [await self._verdict(session, each) for each in questions]
        except (DBAPIError, HradloError, OSError) as error:
            log.error("calls refused: the credit can't be known", count=len(questions), error=str(error))
            verdicts = [TROUBLE] * len(questions)
        for question, verdict in zip(questions, verdicts, strict=True):
            question.verdict = verdict

    async def _verdict(self, session: AsyncSession, question: _Question) -> Verdict:
        return await authorize(
            session,
            caller=question.caller,
            called=question.called,
            call_id=question.call_id,
            settings=self._settings,
            now=self._clock.now(),
        )
