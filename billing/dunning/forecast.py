"""Who will be reminded, noticed and suspended, and when: `decide` run forward. Pure.

The forecast supposes that nobody pays, acknowledges or intervenes. It has no rules of its own, so it agrees with
what then happens by construction.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from billing.dunning.facts import Decision, Facts
from billing.dunning.policy import Policy
from billing.dunning.rules import after, decide
from billing.money import Money
from config.counting import counted

LOOKS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One thing that will happen to one contract."""

    at: datetime
    contract_number: str
    what: str
    """A stage's name, `reminder` or `notice_mail`."""
    why: str
    debt: Money


def forecast(facts: Facts, policy: Policy, now: datetime, until: datetime) -> Iterator[Foreseen]:
    """What happens to one contract from `now` to `until`, in order."""
    at: datetime | None = now
    for _ in range(LOOKS_MAX):
        if at is None or at > until:
            return
        decision = decide(facts, policy, at)
        yield from _seen(facts, decision, at)
        facts = after(facts, decision, at)
        # What was just written is looked at again at once, as the engine does: it may set going something new.
        following = decide(facts, policy, at)
        at = at if following.is_news else following.next_look_at


def forecast_all(everybody: Iterable[Facts], policy: Policy, now: datetime, until: datetime) -> list[Foreseen]:
    """What happens to all, in the order of time; what one contract meets at one moment, in the order of its steps."""
    everything = (seen for facts in everybody for seen in forecast(facts, policy, now, until))
    return sorted(everything, key=lambda seen: (seen.at, seen.contract_number))


def _seen(facts: Facts, decision: Decision, at: datetime) -> Iterator[Foreseen]:
    for step in decision.transitions:
        yield Foreseen(at, facts.contract_number, step.after.value, step.event, decision.debt)
    if decision.reminder_due:
        yield Foreseen(at, facts.contract_number, "reminder", counted(decision.reminder_due[1], "day"), decision.debt)
    if decision.notice_mail_due:
        yield Foreseen(at, facts.contract_number, "notice_mail", "not acknowledged", decision.debt)
