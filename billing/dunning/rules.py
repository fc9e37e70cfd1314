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
* Where a mail that nobody answers starts a clock of its own (a setting, off by default), the mail binds it in the
  same way, to the invoices that were overdue when it was written.

Shields keep a contract CLEAR whatever it owes: *exempt*, *held*, and a *promise* up to and including its last
day. A shield does not close a notice: when it falls, the contract goes on from there, and a suspension waits for
the next decent hour.

Absurd facts *park* a contract: it can become better, but its line can't become stricter, nothing is mailed, and a
person is asked to look. An invoice that makes no sense (due before issued, outside 2000 to 2199, negative, more
open than its total) is not debt. One that is overdue for more than two years is: a clock that jumps ten years
ahead must neither suspend anybody nor forget what was claimed. A stage that this version does not know (a newer one
wrote it, or somebody meddled) parks, too: it stays recorded and the line stays as it is, until the debt is paid or a
shield makes the contract CLEAR.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime, timedelta

from billing.dunning.case import OLDEST_SANE_DEBT, Case
from billing.dunning.facts import Decision, Facts, NoticeFact, Stage, Transition
from billing.dunning.policy import Policy
from billing.dunning.workdays import day_begins_at, midnight_of, working_day

STRICTNESS = {"open": 0, "notice": 1, "suspended": 2}

# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────────

Event = Callable[[Case], bool]

EVENTS: dict[str, Event] = {
    "settled": lambda case: not case.overdue,
    "shielded": lambda case: bool(case.shield),
    "overdue": lambda case: not case.shield and case.is_worth_reminding,
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
    "recent": "overdue since a few days only",
    "exempt": "exempt: never reminded, noticed or suspended",
    "held": "held by an admin",
    "promised": "a promise protects it",
}


# ── the decision ────────────────────────────────────────────────────────────────────────────────────────────────


def decide(facts: Facts, policy: Policy, now: datetime, held: Collection[str] = ()) -> Decision:
    """Where the contract stands at `now`, why, what is to be written, and when to look again.

    No step leads to a line in `held` (`notice`, `suspended`) that is stricter than the recorded one.
    Pure, and stable: deciding again on what `after` makes of the answer takes no further step.
    """
    if not facts.invoices and facts.stage is Stage.CLEAR and facts.notice is None:
        return Decision(facts.contract_id, facts.contract_number, Stage.CLEAR)
    case = Case(facts, policy, now, facts.notice)
    closes_notice = ""
    if facts.notice is not None and not case.is_claim_enough:
        closes_notice = "paid_down" if case.overdue else "settled"
        case = replace(case, notice=None)
    stage, transitions = _walk(case, held)
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
        opens_notice=stage is Stage.NOTICE and case.notice is None and not case.is_stage_unknown,
        closes_notice=closes_notice,
        reminder_due=_reminder_due(case) if stage is Stage.REMINDED else None,
        notice_mail_due=stage is Stage.NOTICE and _is_notice_mail_due(case),
    )


def decide_within(facts: Facts, policy: Policy, now: datetime, allowed: str = "open") -> Decision:
    """The same, but the line gets no stricter than it was recorded, or than `allowed` if that is stricter.

    What can't be decided parks the contract where it stands, and says why: everybody else must go on.
    """
    strictest = max(STRICTNESS[facts.stage.line], STRICTNESS[allowed])
    held: set[str] = set()
    try:
        while STRICTNESS[(decision := decide(facts, policy, now, held)).stage.line] > strictest:
            held.add(decision.stage.line)
    except Exception as error:  # whatever a damaged row may lead to
        why = f"nothing can be decided ({type(error).__name__}: {error})"
        return Decision(facts.contract_id, facts.contract_number, facts.stage, facts.why, parked=(why,))
    return decision


def is_stricter(decision: Decision, facts: Facts) -> bool:
    """The line would be restricted more than it was recorded: the brake is asked first."""
    return STRICTNESS[decision.stage.line] > STRICTNESS[facts.stage.line]


def _walk(case: Case, held: Collection[str]) -> tuple[Stage, tuple[Transition, ...]]:
    """Takes steps through the table until no event is true. Each stage is entered at most once."""
    stage = case.facts.stage
    steps: list[Transition] = []
    while step := _step(case, stage, held):
        steps.append(step)
        stage = step.after
        if len(steps) > len(Stage):
            raise AssertionError(f"the dunning table goes in a circle: {steps}")
    return stage, tuple(steps)


def _step(case: Case, stage: Stage, held: Collection[str]) -> Transition | None:
    for event, after in TABLE[stage]:
        if EVENTS[event](case) and not _is_forbidden(case, after, held) and not _is_blind(case, stage, after):
            return Transition(stage, event, after)
    return None


def _is_blind(case: Case, stage: Stage, after: Stage) -> bool:
    """From a stage that nobody knows, the one step that can't be wrong gives the line back."""
    return case.is_stage_unknown and (stage.line == "open" or after.line != "open")


def _is_forbidden(case: Case, after: Stage, held: Collection[str]) -> bool:
    """A parked contract's line gets no stricter than it was recorded, and neither does one that is held."""
    return (case.is_parked or after.line in held) and STRICTNESS[after.line] > STRICTNESS[case.facts.stage.line]


def _why(case: Case, stage: Stage, transitions: tuple[Transition, ...]) -> str:
    if stage is Stage.CLEAR:
        return (case.shield or "recent") if case.overdue else ""
    return transitions[-1].event if transitions else case.facts.why


def _reminder_due(case: Case) -> tuple[int, int] | None:
    """The latest reminder whose day has come, unless it was sent; ones that were slept through are skipped."""
    if not case.overdue or case.is_parked:
        return None
    anchor, today = case.overdue[0], working_day(case.now, case.policy)
    for after_days in sorted(case.policy.reminder_days, reverse=True):
        if anchor.due_on + timedelta(days=after_days) <= today:
            is_sent = (anchor.id, after_days) in case.facts.reminded
            return None if is_sent else (anchor.id, after_days)
    return None


def _is_notice_mail_due(case: Case) -> bool:
    mail_at = case.notice_mail_at
    return mail_at is not None and mail_at <= case.now and not case.is_parked


def _next_look_at(case: Case, stage: Stage) -> datetime | None:
    """The first instant after `now` at which time alone may change the decision.

    What writing the decision sets going (a notice and its mail) is a change of facts, which is looked at anyway.
    """
    moments: list[datetime | None] = []
    if stage is Stage.NOTICE or stage is Stage.ACKNOWLEDGED:
        moments += [case.suspend_at, case.notice_mail_at]
    if (stage is Stage.CLEAR or stage is Stage.REMINDED) and (ahead := _days_ahead(case)):
        moments.append(day_begins_at(min(ahead), case.policy))
    if case.facts.promise_until_on is not None:
        moments.append(case.promise_ends_at)
    moments.append(_next_too_old_at(case))
    return min([moment for moment in moments if moment and moment > case.now], default=None)


def _next_too_old_at(case: Case) -> datetime | None:
    """When the next invoice will be absurdly old."""
    for invoice in case.unpaid:
        too_old_on = invoice.due_on + OLDEST_SANE_DEBT + timedelta(days=1)
        if too_old_on > case.today:
            return midnight_of(too_old_on, case.policy)
    return None


def _days_ahead(case: Case) -> list[date]:
    """The days to come on which an unpaid invoice begins to matter more."""
    today = working_day(case.now, case.policy)
    days = [timedelta(days=days) for days in (*case.policy.reminder_days, case.policy.notice_days)]
    return [day for invoice in case.unpaid for wait in days if (day := invoice.due_on + wait) > today]


def after(facts: Facts, decision: Decision, now: datetime) -> Facts:
    """The facts as they are once the decision has been written, if nobody did anything else."""
    notice = None if decision.closes_notice else facts.notice
    if decision.opens_notice:
        notice = NoticeFact(id=0, opened_at=now)
    if decision.notice_mail_due and notice is not None:
        notice = replace(notice, mailed_at=now)
    reminded = facts.reminded | {decision.reminder_due} if decision.reminder_due else facts.reminded
    why = decision.why if decision.transitions else facts.why
    unknown = "" if decision.transitions else facts.unknown_stage
    return replace(facts, stage=decision.stage, why=why, unknown_stage=unknown, notice=notice, reminded=reminded)
