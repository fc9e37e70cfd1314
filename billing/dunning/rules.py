"""The dunning rules: from the facts of one contract to where it stands. Pure.

Theory of operation
===================

A contract is in one of five stages. `TABLE` says, for each stage, which events lead out of it and where to;
the first event that is true wins, and steps are taken until none is. So a contract that nobody looked at for a
month walks the whole way in one call, through every stage between, and there is no way round one: SUSPENDED can
be reached from ACKNOWLEDGED only (or from NOTICE by an explicit setting that is off by default).

An event is a condition on a `Case`: the facts, seen at `now` under a policy. It is never a message, so nothing
can be missed or handled twice; the stage itself is a fact, too, because some conditions count only on the way
in: a suspension must *begin* at a decent hour, but it does not end in the evening.

What counts as debt:

* An invoice is *overdue* from the day after its due date. The *debt* is all that is overdue and open.
* It is *ripe* `notice_days` after its due date. A notice needs ripe invoices worth the minimum debt, so every
  invoice has its own full time before it can add to a notice.
* A notice *claims* ripe debt until it is acknowledged. From then on it claims just the ripe ones of the invoices
  that the acknowledged page showed, and the clock is bound to them:
  - paying some of them leaves the clock as it is, unless less than the minimum debt is left of them: then the
    notice is closed, the clock is gone, and a suspended line is restored;
  - a newer invoice neither shortens a running clock nor keeps a line suspended once the claimed ones are paid.
    When it is ripe itself, it gets a notice and a full grace of its own;
  - an invoice that is opened again after its notice was closed (a returned payment) starts anew, with a notice.

Shields keep a contract CLEAR whatever it owes: *exempt*, *held*, and a *promise* up to and including its last
day. A shield does not close a notice: when it falls, the contract goes on from there, and a suspension waits for
the next decent hour.

Absurd facts (due before issued, outside 2000 to 2199, negative, older than two years) are not debt. While there
are any, the contract is *parked*: it can become better, but its line can't become stricter, and a person is asked
to look.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from billing.dunning.facts import Decision, Facts, InvoiceFact, NoticeFact, Stage, Transition
from billing.dunning.policy import Policy
from billing.dunning.workdays import day_begins_at, local_day, midnight_of, next_suspension_moment
from billing.money import Money

SANE_YEARS = range(2000, 2200)
OLDEST_SANE_DEBT_DAYS = 730
STRICTNESS = {"open": 0, "notice": 1, "suspended": 2}


@dataclass(frozen=True)
class Case:
    """One contract's facts, seen at one moment under one policy."""

    facts: Facts
    policy: Policy
    now: datetime
    notice: NoticeFact | None

    @cached_property
    def absurdities(self) -> tuple[str, ...]:
        return tuple(text for invoice in self.facts.invoices if (text := absurdity(invoice, self)))

    @cached_property
    def unpaid(self) -> tuple[InvoiceFact, ...]:
        """Oldest first; absurd ones are left out."""
        sane = [i for i in self.facts.invoices if i.open.minor > 0 and not absurdity(i, self)]
        return tuple(sorted(sane, key=lambda invoice: (invoice.due_on, invoice.id)))

    @cached_property
    def overdue(self) -> tuple[InvoiceFact, ...]:
        today = local_day(self.now, self.policy)
        return tuple(invoice for invoice in self.unpaid if invoice.due_on < today)

    @cached_property
    def debt(self) -> Money:
        return Money.total(invoice.open for invoice in self.overdue)

    @cached_property
    def claim(self) -> Money:
        """What the notice claims, or would claim if it were opened now."""
        ripe = [invoice for invoice in self.overdue if self.ripens_at(invoice) <= self.now]
        if self.notice is None or self.notice.acknowledged_at is None:
            return Money.total(invoice.open for invoice in ripe)
        return Money.total(i.open for i in ripe if i.id in self.notice.acknowledged_invoices)

    @property
    def is_claim_enough(self) -> bool:
        return self.claim.minor > 0 and self.claim >= self.policy.minimum_debt

    @cached_property
    def shield(self) -> str:
        if self.facts.is_exempt:
            return "exempt"
        if self.facts.is_held:
            return "held"
        promise = self.facts.promise_until_on
        return "promised" if promise and local_day(self.now, self.policy) <= promise else ""

    @cached_property
    def suspend_at(self) -> datetime | None:
        """When the clock of the notice runs out, at a decent hour; None without a clock."""
        if self.notice is None:
            return None
        ends_at = _clock_ends_at(self.notice, self.policy)
        if ends_at is None:
            return None
        if self.facts.promise_until_on:
            ends_at = max(ends_at, midnight_of(self.facts.promise_until_on + timedelta(days=1), self.policy))
        return next_suspension_moment(max(ends_at, self.now), self.policy)

    @property
    def has_acknowledgement(self) -> bool:
        return self.notice is not None and self.notice.acknowledged_at is not None

    @property
    def is_clock_over(self) -> bool:
        return self.is_claim_enough and self.suspend_at is not None and self.suspend_at <= self.now

    @property
    def reminding_at(self) -> datetime | None:
        """When the oldest overdue invoice first matters."""
        if not self.overdue:
            return None
        days = min((*self.policy.reminder_days, self.policy.notice_days))
        return day_begins_at(self.overdue[0].due_on + timedelta(days=days), self.policy)

    def ripens_at(self, invoice: InvoiceFact) -> datetime:
        return day_begins_at(invoice.due_on + timedelta(days=self.policy.notice_days), self.policy)


def _clock_ends_at(notice: NoticeFact, policy: Policy) -> datetime | None:
    if notice.acknowledged_at is not None:
        return notice.acknowledged_at + timedelta(days=policy.grace_days)
    if policy.suspend_unacknowledged_days and notice.mailed_at is not None:
        return notice.mailed_at + timedelta(days=policy.suspend_unacknowledged_days)
    return None


def absurdity(invoice: InvoiceFact, case: Case) -> str:
    """What is absurd about an invoice, in words; empty when nothing is."""
    if invoice.due_on < invoice.issued_on:
        return f"invoice {invoice.number} is due {invoice.due_on}, before it was issued {invoice.issued_on}"
    if invoice.issued_on.year not in SANE_YEARS or invoice.due_on.year not in SANE_YEARS:
        return f"invoice {invoice.number} was issued {invoice.issued_on} and is due {invoice.due_on}"
    if invoice.open.minor < 0 or invoice.total.minor < 0:
        return f"invoice {invoice.number} has a negative amount"
    if invoice.open > invoice.total:
        return f"invoice {invoice.number} has more open ({invoice.open}) than its total ({invoice.total})"
    if (local_day(case.now, case.policy) - invoice.due_on).days > OLDEST_SANE_DEBT_DAYS:
        return f"invoice {invoice.number} is overdue since {invoice.due_on}, more than two years"
    return ""


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

Event = Callable[[Case], bool]

EVENTS: dict[str, Event] = {
    "settled": lambda case: not case.overdue,
    "shielded": lambda case: bool(case.shield),
    "overdue": lambda case: not case.shield and case.reminding_at is not None and case.reminding_at <= case.now,
    "ripe": lambda case: case.is_claim_enough,
    "paid_down": lambda case: case.notice is None or not case.is_claim_enough,
    "dropped": lambda case: not case.is_claim_enough,
    "acknowledged": lambda case: case.has_acknowledgement,
    "grace_over": lambda case: case.has_acknowledgement and case.is_clock_over,
    "unanswered": lambda case: not case.has_acknowledgement and case.is_clock_over,
}

TABLE: dict[Stage, tuple[tuple[str, Stage], ...]] = {
    Stage.CLEAR: (("overdue", Stage.REMINDED),),
    Stage.REMINDED: (
        ("settled", Stage.CLEAR),
        ("shielded", Stage.CLEAR),
        ("ripe", Stage.NOTICE),
    ),
    Stage.NOTICE: (
        ("settled", Stage.CLEAR),
        ("shielded", Stage.CLEAR),
        ("dropped", Stage.REMINDED),
        ("acknowledged", Stage.ACKNOWLEDGED),
        ("unanswered", Stage.SUSPENDED),
    ),
    Stage.ACKNOWLEDGED: (
        ("settled", Stage.CLEAR),
        ("shielded", Stage.CLEAR),
        ("paid_down", Stage.REMINDED),
        ("grace_over", Stage.SUSPENDED),
    ),
    Stage.SUSPENDED: (
        ("settled", Stage.CLEAR),
        ("shielded", Stage.CLEAR),
        ("paid_down", Stage.REMINDED),
    ),
}

WORDS = {
    "": "nothing is overdue",
    "settled": "everything overdue is paid",
    "shielded": "protected by a promise, a hold or an exemption",
    "overdue": "an invoice is overdue",
    "ripe": "overdue for so long that the notice is shown",
    "dropped": "less than the minimum debt is left",
    "paid_down": "what the notice claimed is paid, up to less than the minimum debt",
    "acknowledged": "the subscriber read the notice; the grace runs",
    "grace_over": "the grace ran out unpaid",
    "unanswered": "the notice was sent by e-mail and never acknowledged",
    "exempt": "exempt: never reminded, noticed or suspended",
    "held": "held by an admin",
    "promised": "a promise protects it",
}


# ── the decision ────────────────────────────────────────────────────────────────────────────────────────────────


def decide(facts: Facts, policy: Policy, now: datetime) -> Decision:
    """Where the contract stands at `now`, why, what is to be written, and when to look again.

    Pure, and stable: deciding again on what `after` makes of the answer takes no further step.
    """
    if not facts.invoices and facts.stage is Stage.CLEAR and facts.notice is None:
        return Decision(facts.contract_id, facts.contract_number, Stage.CLEAR)
    case = Case(facts, policy, now, facts.notice)
    closes_notice = ""
    if facts.notice is not None and not case.is_claim_enough:
        closes_notice = "paid_down" if case.overdue else "settled"
        case = replace(case, notice=None)
    stage, transitions = _walk(case)
    return Decision(
        contract_id=facts.contract_id,
        contract_number=facts.contract_number,
        stage=stage,
        why=_why(case, stage, transitions),
        debt=case.debt,
        transitions=transitions,
        parked=case.absurdities,
        suspend_at=case.suspend_at if stage is Stage.ACKNOWLEDGED else None,
        next_look_at=_next_look_at(case, stage),
        opens_notice=stage is Stage.NOTICE and case.notice is None,
        closes_notice=closes_notice,
        reminder_due=_reminder_due(case) if stage is Stage.REMINDED else None,
        notice_mail_due=stage is Stage.NOTICE and _is_notice_mail_due(case),
    )


def _walk(case: Case) -> tuple[Stage, tuple[Transition, ...]]:
    """Takes steps through the table until no event is true. Each stage is entered at most once."""
    stage = case.facts.stage
    steps: list[Transition] = []
    while step := _step(case, stage):
        steps.append(step)
        stage = step.after
        if len(steps) > len(Stage):
            raise AssertionError(f"the dunning table goes in a circle: {steps}")
    return stage, tuple(steps)


def _step(case: Case, stage: Stage) -> Transition | None:
    for event, after in TABLE[stage]:
        if EVENTS[event](case) and not _is_forbidden(case, after):
            return Transition(stage, event, after)
    return None


def _is_forbidden(case: Case, after: Stage) -> bool:
    """A parked contract's line gets no stricter than it was recorded."""
    return bool(case.absurdities) and STRICTNESS[after.line] > STRICTNESS[case.facts.stage.line]


def _why(case: Case, stage: Stage, transitions: tuple[Transition, ...]) -> str:
    if stage is Stage.CLEAR and case.overdue and case.shield:
        return case.shield
    return transitions[-1].event if transitions else ""


def _reminder_due(case: Case) -> tuple[int, int] | None:
    """The latest reminder whose day has come, unless it was sent; ones that were slept through are skipped."""
    if not case.overdue:
        return None
    anchor = case.overdue[0]
    for after_days in sorted(case.policy.reminder_days, reverse=True):
        if day_begins_at(anchor.due_on + timedelta(days=after_days), case.policy) <= case.now:
            is_sent = (anchor.id, after_days) in case.facts.reminded
            return None if is_sent else (anchor.id, after_days)
    return None


def _is_notice_mail_due(case: Case) -> bool:
    mail_at = _notice_mail_at(case)
    return mail_at is not None and mail_at <= case.now


def _notice_mail_at(case: Case) -> datetime | None:
    if case.notice is None or case.notice.mailed_at is not None or case.has_acknowledgement:
        return None
    return case.notice.opened_at + timedelta(days=case.policy.notice_mail_days)


def _next_look_at(case: Case, stage: Stage) -> datetime | None:
    """The first instant after `now` at which time alone may change the decision."""
    policy = case.policy
    moments: list[datetime | None] = []
    if stage in (Stage.NOTICE, Stage.ACKNOWLEDGED):
        moments += [case.suspend_at, _notice_mail_at(case)]
    if stage is Stage.NOTICE and case.notice is None:
        moments.append(case.now + timedelta(days=policy.notice_mail_days))
    if case.facts.promise_until_on:
        moments.append(midnight_of(case.facts.promise_until_on + timedelta(days=1), policy))
    if stage in (Stage.CLEAR, Stage.REMINDED):
        days = (*policy.reminder_days, policy.notice_days)
        moments += [day_begins_at(i.due_on + timedelta(days=n), policy) for i in case.unpaid for n in days]
    return min((moment for moment in moments if moment and moment > case.now), default=None)


def after(facts: Facts, decision: Decision, now: datetime) -> Facts:
    """The facts as they are once the decision has been written, if nobody did anything else."""
    notice = None if decision.closes_notice else facts.notice
    if decision.opens_notice:
        notice = NoticeFact(id=0, opened_at=now)
    if decision.notice_mail_due and notice is not None:
        notice = replace(notice, mailed_at=now)
    reminded = facts.reminded | {decision.reminder_due} if decision.reminder_due else facts.reminded
    return replace(facts, stage=decision.stage, notice=notice, reminded=reminded)
