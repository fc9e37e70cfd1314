"""Exchanges' questions, taken in turns: those that come at the same moment are answered in one transaction.

On SQLite a transaction costs one wait for the disk, and only one goes on at a time. So whoever comes while one goes
on waits, and the next transaction answers all who wait by then: the busier, the more share one wait. PostgreSQL has a
lock for each number and many transactions at once; there each question has its own.
"""

import asyncio
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from billing.store.engine import Store
from billing.voip.holds import Verdict, authorize
from config.clock import Clock
from config.settings import Settings

QUESTIONS_AT_ONCE = 50


@dataclass(eq=False)
class _Question:
    """One call that somebody wants to begin, and what became of the question."""

    caller: str
    called: str
    call_id: str
    verdict: Verdict | None = None
    error: Exception | None = None

    @property
    def is_open(self) -> bool:
        return self.verdict is None and self.error is None


class Questions:
    """One for a process; `ask` may be called as often and as much at once as exchanges like."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._waiting: list[_Question] = []
        self._turn = asyncio.Lock()

    async def ask(self, *, caller: str, called: str, call_id: str) -> Verdict:
        """May this call begin? See `holds.authorize`. Raises what the database raises; that lets no call begin.

        Ask `numbers.is_emergency` before: nobody who needs help waits for a turn.
        """
        question = _Question(caller, called, call_id)
        if not self._store.has_one_writer:
            await self._answer([question])
        else:
            self._waiting.append(question)
            # whoever gets the turn answers all who wait; one that is cancelled leaves that to the next
            async with self._turn:
                while question.is_open:
                    await self._answer(self._waiting[:QUESTIONS_AT_ONCE])
                    self._waiting = [each for each in self._waiting if each.is_open]
        if question.error is not None:
            raise question.error
        assert question.verdict is not None
        return question.verdict

    async def _answer(self, questions: list[_Question]) -> None:
        try:
            async with self._store.transaction() as session:
                verdicts = [await self._verdict(session, each) for each in questions]
        except Exception as error:  # whatever it was, nothing of this transaction is there
            for question in questions:
                question.error = error
        else:
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
