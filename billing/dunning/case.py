"""One contract's facts, seen at one moment: what is overdue, what the notice claims, when its clock runs out. Pure.

`rules.py` says what follows from it; the meaning of the words is in the theory there.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from billing.dunning.facts import Facts, InvoiceFact, NoticeFact
from billing.dunning.policy import Policy
from billing.dunning.workdays import day_begins_at, midnight_of, next_suspension_moment, working_day
from billing.money import Money
from config.days import day_of

SANE_FROM_ON = date(2000, 1, 1)
SANE_UNTIL_ON = date(2199, 12, 31)
SANE_FROM_AT = datetime(2000, 1, 1, tzinfo=UTC)
SANE_UNTIL_AT = datetime(2199, 12, 31, tzinfo=UTC)
OLDEST_SANE_DEBT_DAYS = 730
OLDEST_SANE_DEBT = timedelta(days=OLDEST_SANE_DEBT_DAYS)


@dataclass
class Case:
    """One contract's facts, seen at one moment under one policy. What nearly every decision needs is here at once."""

    facts: Facts
    policy: Policy
    now: datetime
    notice: NoticeFact | None
    today: date = field(init=False)
    unpaid: list[InvoiceFact] = field(init=False)
    """Oldest first; invoices that make no sense are left out."""
    overdue: list[InvoiceFact] = field(init=False)
    is_parked: bool = field(init=False)
    """There are `absurdities`."""
    claim: Money = field(init=False)
    """What the notice claims, or would claim if it were opened now."""

    def __post_init__(self) -> None:
        self.today = today = day_of(self.now, self.policy.zone)
        sane = [invoice for invoice in self.facts.invoices if makes_sense(invoice)]
        self.unpaid = [invoice for invoice in sane if invoice.open.minor > 0]
        if len(self.unpaid) > 1:
            self.unpaid.sort(key=_age)
        is_too_old = bool(self.unpaid) and self.unpaid[0].due_on + OLDEST_SANE_DEBT < today
        self.overdue = [invoice for invoice in self.unpaid if invoice.due_on < today]
        self.is_parked = is_too_old or len(sane) < len(self.facts.invoices) or self.is_stage_unknown
        ripe_due_on = working_day(self.now, self.policy) - timedelta(days=self.policy.notice_days)
        ripe = [invoice for invoice in self.overdue if invoice.due_on <= ripe_due_on]
        self.claim = Money(sum([invoice.open.minor for invoice in ripe if self._is_claimed(invoice)]))

    @property
    def debt(self) -> Money:
        return Money(sum([invoice.open.minor for invoice in self.overdue]))

    def _is_claimed(self, invoice: InvoiceFact) -> bool:
        notice = self.notice
        if notice is None:
            return True
        if notice.acknowledged_at is not None:
            return invoice.id in notice.acknowledged_invoices
        if self._is_told_by_mail and notice.mailed_at is not None:
            return invoice.due_on < day_of(_sane(notice.mailed_at), self.policy.zone)
        return True

    @property
    def _is_told_by_mail(self) -> bool:
        """The mail alone starts the clock: the ISP wants it so, and nothing says that it never went out."""
        notice = self.notice
        return bool(self.policy.suspend_unacknowledged_days) and notice is not None and not notice.is_mail_lost

    @property
    def is_claim_enough(self) -> bool:
        return self.claim.minor > 0 and self.claim.minor >= self.policy.minimum_debt.minor

    @property
    def shield(self) -> str:
        """What keeps the contract CLEAR whatever it owes; empty when nothing does."""
        if self.facts.is_exempt:
            return "exempt"
        if self.facts.is_held:
            return "held"
        promise_until_on = self.facts.promise_until_on
        return "promised" if promise_until_on is not None and self.today <= promise_until_on else ""

    @property
    def promise_ends_at(self) -> datetime | None:
        """The first instant that the promise does not protect."""
        if self.facts.promise_until_on is None:
            return None
        last_day = min(max(self.facts.promise_until_on, SANE_FROM_ON), SANE_UNTIL_ON)
        return midnight_of(last_day + timedelta(days=1), self.policy)

    @property
    def has_acknowledgement(self) -> bool:
        return self.notice is not None and self.notice.acknowledged_at is not None

    @cached_property
    def suspend_at(self) -> datetime | None:
        """When the clock of the notice runs out, at a decent hour; None without a clock."""
        ends_at = self._clock_ends_at
        if ends_at is None:
            return None
        return next_suspension_moment(max(ends_at, self.promise_ends_at or ends_at, self.now), self.policy)

    @property
    def _clock_ends_at(self) -> datetime | None:
        """Full days from the acknowledgement or the mail, and never from before the notice was there."""
        notice, policy = self.notice, self.policy
        if notice is None:
            return None
        if notice.acknowledged_at is not None:
            return _sane(max(notice.acknowledged_at, notice.opened_at)) + timedelta(days=policy.grace_days)
        if self._is_told_by_mail and notice.mailed_at is not None:
            days = policy.suspend_unacknowledged_days
            return _sane(max(notice.mailed_at, notice.opened_at)) + timedelta(days=days)
        return None

    @property
    def is_stage_unknown(self) -> bool:
        """It owes, and nobody knows what was done about it so far; who owes nothing, or is shielded, is CLEAR."""
        return bool(self.facts.unknown_stage) and bool(self.overdue) and not self.shield

    @property
    def is_clock_over(self) -> bool:
        return self.is_claim_enough and self.suspend_at is not None and self.suspend_at <= self.now

    @property
    def notice_mail_at(self) -> datetime | None:
        """When the notice is sent by e-mail, too; None when it was, needn't be, or can't be."""
        notice = self.notice
        if notice is None or notice.mailed_at or notice.acknowledged_at or not notice.is_mailable:
            return None
        return _sane(notice.opened_at) + timedelta(days=self.policy.notice_mail_days)

    @property
    def is_worth_reminding(self) -> bool:
        """The day on which the oldest overdue invoice first matters has come."""
        if not self.overdue:
            return False
        days = min((*self.policy.reminder_days, self.policy.notice_days))
        return self.overdue[0].due_on + timedelta(days=days) <= working_day(self.now, self.policy)

    def ripens_at(self, invoice: InvoiceFact) -> datetime:
        return day_begins_at(invoice.due_on + timedelta(days=self.policy.notice_days), self.policy)

    @property
    def absurdities(self) -> tuple[str, ...]:
        """What is absurd about the facts, in words."""
        if not self.is_parked:
            return ()
        nonsense = [_nonsense(invoice) for invoice in self.facts.invoices if not makes_sense(invoice)]
        too_old = [
            f"invoice {invoice.number} is overdue since {invoice.due_on}, more than two years"
            for invoice in self.unpaid
            if invoice.due_on + OLDEST_SANE_DEBT < self.today
        ]
        unknown = [_unknown(self.facts)] if self.is_stage_unknown else []
        return tuple(sorted(nonsense + too_old + unknown))


def makes_sense(invoice: InvoiceFact) -> bool:
    """An invoice that does not is never debt."""
    return (
        SANE_FROM_ON <= invoice.issued_on <= invoice.due_on <= SANE_UNTIL_ON
        and 0 <= invoice.open.minor <= invoice.total.minor
    )


def _nonsense(invoice: InvoiceFact) -> str:
    if invoice.due_on < invoice.issued_on:
        return f"invoice {invoice.number} is due {invoice.due_on}, before it was issued {invoice.issued_on}"
    if invoice.issued_on < SANE_FROM_ON or invoice.due_on > SANE_UNTIL_ON:
        return f"invoice {invoice.number} was issued {invoice.issued_on} and is due {invoice.due_on}"
    if invoice.open.minor < 0 or invoice.total.minor < 0:
        return f"invoice {invoice.number} has a negative amount"
    return f"invoice {invoice.number} has more open ({invoice.open}) than its total ({invoice.total})"


def _unknown(facts: Facts) -> str:
    return (
        f"the database has it in the stage {facts.unknown_stage!r}, which this version of Hradlo does not know; "
        f"`hradlo hold {facts.contract_number}` and then `hradlo release {facts.contract_number}` begin anew"
    )


def _age(invoice: InvoiceFact) -> tuple[date, int]:
    return invoice.due_on, invoice.id


def _sane(at: datetime) -> datetime:
    """An instant that can be reckoned with; one damaged row must not stop the decisions about everybody else."""
    return min(max(at, SANE_FROM_AT), SANE_UNTIL_AT)
