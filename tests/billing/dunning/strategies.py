"""Any facts, any policy: what the properties of dunning are tried on."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from billing.dunning.facts import Facts, InvoiceFact, NoticeFact, Stage
from billing.dunning.policy import Policy
from billing.money import Money

IDS = (1, 2, 3)

moments = st.integers(0, 3 * 365 * 86_400).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(0, seconds))
hours = st.sampled_from([time(0), time(2), time(8), time(12, 30), time(16), time(23)])

policies = st.builds(
    Policy,
    zone=st.sampled_from([ZoneInfo("Europe/Prague"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")]),
    reminder_days=st.sampled_from([(3, 10), (), (1,), (20, 30)]),
    notice_days=st.sampled_from([14, 14, 1, 30]),
    minimum_debt=st.sampled_from([Money(100_00), Money(0)]),
    grace_days=st.sampled_from([10, 10, 1, 25]),
    notice_mail_days=st.sampled_from([3, 0]),
    suspend_unacknowledged_days=st.sampled_from([0, 0, 5]),
    day_starts_at=hours,
    quiet_from=hours,
    quiet_until=hours,
    suspend_weekdays=st.frozensets(st.integers(0, 6), min_size=1),
    holiday_country=st.sampled_from(["CZ", "", "US"]),
)


def days_before(now: datetime, earliest: int, latest: int) -> st.SearchStrategy[date]:
    return st.integers(latest, earliest).map(lambda days: (now - timedelta(days=days)).date())


def instants_before(now: datetime, days: int) -> st.SearchStrategy[datetime]:
    """Often on a whole day before, so that ends of clocks are met exactly."""
    whole = st.integers(0, days).map(lambda ago: now - timedelta(days=ago))
    return whole | st.integers(0, days * 86_400).map(lambda ago: now - timedelta(seconds=ago))


@st.composite
def invoices(draw: st.DrawFn, now: datetime, id: int) -> InvoiceFact:  # noqa: A002
    """Mostly one that an ISP might send."""
    due_on = draw(days_before(now, 60, -20) | days_before(now, 735, 725))
    amount = Money(draw(st.sampled_from([50_00, 60_00, 100_00, 599_00])))
    return InvoiceFact(id, str(26_000_000 + id), due_on - timedelta(days=14), due_on, amount, amount)


@st.composite
def absurd_invoices(draw: st.DrawFn, id: int) -> InvoiceFact:  # noqa: A002
    day = st.dates() | st.sampled_from([date.min, date.max, date(1970, 1, 1), date(2000, 1, 1), date(2199, 12, 31)])
    amount = st.integers(-(10**12), 10**12).map(Money)
    return InvoiceFact(id, str(26_000_000 + id), draw(day), draw(day), draw(amount), draw(amount))


@st.composite
def notices(draw: st.DrawFn, now: datetime) -> NoticeFact:
    """Opened, then mailed or acknowledged or both, in the order of time."""
    opened_at = draw(instants_before(now, 40))
    age_days = (now - opened_at).days
    later = instants_before(now, age_days)
    acknowledged_at = draw(st.none() | later)
    shown = frozenset(draw(st.sets(st.sampled_from(IDS), min_size=1))) if acknowledged_at else frozenset()
    return NoticeFact(1, opened_at, draw(st.none() | later), acknowledged_at, shown, draw(st.booleans()))


@st.composite
def facts(draw: st.DrawFn, now: datetime, *, has_absurd: bool = False) -> Facts:
    """What a store might hold about one contract; shields are rare, so that something happens."""
    count = draw(st.integers(0, len(IDS)))
    owed = [draw(invoices(now, id)) for id in IDS[:count]]  # noqa: A001
    if has_absurd:
        owed.append(draw(absurd_invoices(9)))
    days = st.tuples(st.sampled_from(IDS), st.sampled_from([3, 10]))
    is_rare = st.integers(0, 9).map(lambda number: number == 0)
    return Facts(
        1,
        "1001",
        stage=draw(st.sampled_from(Stage)),
        invoices=tuple(owed),
        reminded=draw(st.frozensets(days)),
        notice=draw(st.none() | notices(now)),
        promise_until_on=draw(st.none() | st.none() | days_before(now, 30, -30)),
        is_held=draw(is_rare),
        is_exempt=draw(is_rare),
    )


@st.composite
def cases(draw: st.DrawFn, *, has_absurd: bool = False) -> tuple[Facts, Policy, datetime]:
    """Facts, the policy they are seen under, and the moment."""
    now = draw(moments)
    return draw(facts(now, has_absurd=has_absurd)), draw(policies), now


@st.composite
def clocks_about_to_end(draw: st.DrawFn) -> tuple[Facts, Policy, datetime]:
    """Cases in which a clock has just run out, or is just about to; now and then something else is amiss."""
    now, policy = draw(moments), draw(policies)
    owed, policy_now = draw(facts(now)), replace(policy, quiet_from=time(0), quiet_until=time(0))
    ended_at = now + draw(
        st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(seconds=-1), timedelta(days=-2)])
    )
    read_at = ended_at - timedelta(days=policy.grace_days)
    mailed_at = ended_at - timedelta(days=policy.suspend_unacknowledged_days)
    is_read = draw(st.booleans())
    opened_at = min(read_at, mailed_at) - timedelta(days=draw(st.integers(0, 5)))
    due_on = (opened_at - timedelta(days=policy.notice_days + 2)).date()
    old = InvoiceFact(1, "26000001", due_on - timedelta(days=14), due_on, Money(599_00), Money(599_00))
    shown = frozenset(draw(st.sets(st.sampled_from(IDS), min_size=1)))
    opened = NoticeFact(1, opened_at, mailed_at, read_at if is_read else None, shown if is_read else frozenset())
    stage = draw(st.sampled_from([Stage.NOTICE, Stage.ACKNOWLEDGED, Stage.CLEAR]))
    made = replace(owed, stage=stage, notice=opened, invoices=(old, *owed.invoices[1:]))
    return made, draw(st.sampled_from([policy, policy_now])), now
