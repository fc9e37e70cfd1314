"""Contracts for the specification of dunning: short to write, and a story that moves one through time."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from billing.dunning.case import Case
from billing.dunning.facts import Decision, Facts, InvoiceFact, NoticeFact, Stage
from billing.dunning.policy import Policy
from billing.dunning.rules import after, decide
from billing.money import ZERO, Money

PRAGUE = ZoneInfo("Europe/Prague")
POLICY = Policy()
UNANSWERED = Policy(suspend_unacknowledged_days=7)
"""The explicit setting: a mailed notice that nobody answers leads to a suspension, too."""

# Due on a Monday: reminders on Thursdays, the notice on Monday 16 March, the end of the grace on a Thursday.
DUE = "2026-03-02"
NOTICED = "2026-03-16 08:00"
ACKNOWLEDGED = "2026-03-16 12:00"
SUSPENDED = "2026-03-26 12:00"


def prague(text: str) -> datetime:
    """An instant, written as a clock on a wall in Prague shows it."""
    return datetime.fromisoformat(text).replace(tzinfo=PRAGUE).astimezone(UTC)


def invoice(id: int = 1, due: str = DUE, amount: str = "599", open: str | None = None) -> InvoiceFact:  # noqa: A002
    due_on = date.fromisoformat(due)
    total = Money.parse(amount)
    still_open = total if open is None else Money.parse(open)
    return InvoiceFact(id, f"26{id:06}", due_on - timedelta(days=14), due_on, total, still_open)


def notice(
    acknowledged: str = "", mailed: str = "", showing: tuple[int, ...] = (1,), opened: str = NOTICED
) -> NoticeFact:
    return NoticeFact(
        id=1,
        opened_at=prague(opened),
        mailed_at=prague(mailed) if mailed else None,
        acknowledged_at=prague(acknowledged) if acknowledged else None,
        acknowledged_invoices=frozenset(showing if acknowledged else ()),
    )


def contract(*invoices: InvoiceFact, stage: Stage = Stage.CLEAR, **facts: Any) -> Facts:
    return Facts(1, "1001", stage, invoices=invoices, **facts)


def settled(facts: Facts, policy: Policy, now: datetime) -> Facts:
    """The facts once everything that `decide` asked for has been written, as the engine does it: until no news."""
    for _ in range(4):
        decision = decide(facts, policy, now)
        if not decision.is_news:
            return facts
        facts = after(facts, decision, now)
    raise AssertionError(f"there is always something to write: {decision}")


class Story:
    """One contract and somebody who looks at it from time to time, as the engine does."""

    def __init__(self, *invoices: InvoiceFact, policy: Policy = POLICY, **facts: Any) -> None:
        self.facts = contract(*invoices, **facts)
        self.policy = policy
        self.now = prague("2026-03-01 12:00")
        self.said = Decision(0, "", Stage.CLEAR)
        """What was decided at the last look."""

    def look(self, moment: str = "") -> Stage:
        """Looks at the contract at a moment (or again now), and writes what there is to write."""
        self.now = prague(moment) if moment else self.now
        self.said = decide(self.facts, self.policy, self.now)
        self.facts = settled(self.facts, self.policy, self.now)
        return self.facts.stage

    def acknowledge(self, moment: str) -> Stage:
        """The subscriber reads the notice, which shows all that is overdue."""
        assert self.facts.notice is not None
        shown = Case(self.facts, self.policy, prague(moment), self.facts.notice).overdue
        ids = frozenset(invoice.id for invoice in shown)
        read = replace(self.facts.notice, acknowledged_at=prague(moment), acknowledged_invoices=ids)
        self.facts = replace(self.facts, notice=read)
        return self.look(moment)

    def pay(self, id: int, amount: str = "", moment: str = "") -> Stage:  # noqa: A002
        """An invoice is paid, whole or in part; facts have only what is open."""
        left = [
            replace(i, open=i.open - Money.parse(amount) if amount else ZERO) if i.id == id else i
            for i in self.facts.invoices
        ]
        self.facts = replace(self.facts, invoices=tuple(i for i in left if i.open))
        return self.look(moment)

    def owe(self, *invoices: InvoiceFact) -> None:
        self.facts = replace(self.facts, invoices=(*self.facts.invoices, *invoices))

    def change(self, **facts: Any) -> None:
        self.facts = replace(self.facts, **facts)

    def until(self, moment: str) -> list[tuple[str, str]]:
        """Looks whenever it was asked to, until a moment: (wall clock in Prague, stage) of every change."""
        seen = []
        while (at := decide(self.facts, self.policy, self.now).next_look_at) and at <= prague(moment):
            before = self.facts.stage
            wall = f"{at.astimezone(PRAGUE):%Y-%m-%d %H:%M}"
            if self.look(wall) is not before:
                seen.append((wall, self.facts.stage.value))
        return seen
