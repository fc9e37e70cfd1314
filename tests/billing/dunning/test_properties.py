"""What holds of `decide` for all facts, policies and moments."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from hypothesis import assume, example, find, given
from hypothesis import strategies as st

from billing.dunning.case import Case
from billing.dunning.facts import Decision, Facts, NoticeFact, Stage
from billing.dunning.policy import Policy
from billing.dunning.rules import STRICTNESS, after, decide
from billing.dunning.workdays import next_suspension_moment
from billing.money import Money
from tests.billing.dunning.examples import POLICY, contract, invoice, notice, prague, settled
from tests.billing.dunning.strategies import absurd_invoices, cases, clocks_about_to_end

Seen = tuple[Facts, Policy, datetime]
any_case = cases() | cases(has_absurd=True) | clocks_about_to_end()
EVER = timedelta(days=800)


def begins_suspension(decision: Decision) -> bool:
    return decision.stage is Stage.SUSPENDED and bool(decision.transitions)


# ── nobody is suspended without ─────────────────────────────────────────────────────────────────────────────────


@given(any_case)
def test_who_is_suspended_owes_at_least_the_minimum_overdue(case: Seen) -> None:
    facts, policy, now = case
    decision = decide(facts, policy, now)

    if decision.stage is Stage.SUSPENDED:
        assert decision.debt.minor > 0
        assert decision.debt >= policy.minimum_debt


@given(clocks_about_to_end())
def test_who_is_suspended_read_the_notice_and_had_the_full_grace(case: Seen) -> None:
    facts, policy, now = case
    opened = facts.notice

    if begins_suspension(decide(facts, policy, now)):
        assert opened is not None
        if opened.acknowledged_at is not None:
            assert now >= opened.acknowledged_at + timedelta(days=policy.grace_days)
            shown = [i.open for i in facts.invoices if i.id in opened.acknowledged_invoices]
            assert Money.total(shown) >= policy.minimum_debt
        else:
            assert policy.suspend_unacknowledged_days > 0
            assert opened.mailed_at is not None
            assert now >= opened.mailed_at + timedelta(days=policy.suspend_unacknowledged_days)


def test_the_cases_here_do_reach_a_suspension_by_either_clock() -> None:
    def ends(case: Seen, event: str) -> bool:
        decision = decide(*case)
        return begins_suspension(decision) and decision.why == event

    assert find(clocks_about_to_end(), lambda case: ends(case, "grace_over"))
    assert find(clocks_about_to_end(), lambda case: ends(case, "unanswered"))


@given(any_case)
def test_who_is_suspended_has_no_shield(case: Seen) -> None:
    facts, policy, now = case

    if decide(facts, policy, now).stage is Stage.SUSPENDED:
        today = now.astimezone(policy.zone).date()
        assert not facts.is_held
        assert not facts.is_exempt
        assert facts.promise_until_on is None or facts.promise_until_on < today


@given(clocks_about_to_end())
def test_a_suspension_begins_at_a_decent_moment(case: Seen) -> None:
    facts, policy, now = case

    if begins_suspension(decide(facts, policy, now)):
        assert next_suspension_moment(now, policy) == now


@given(cases(has_absurd=True))
def test_a_parked_line_gets_no_stricter(case: Seen) -> None:
    facts, policy, now = case
    decision = decide(facts, policy, now)

    if decision.parked:
        assert STRICTNESS[decision.stage.line] <= STRICTNESS[facts.stage.line]
        assert not decision.notice_mail_due
        assert decision.reminder_due is None


# ── a decision is stable, and says when it ends ─────────────────────────────────────────────────────────────────


@given(any_case)
def test_deciding_again_takes_no_further_step(case: Seen) -> None:
    facts, policy, now = case
    written = after(facts, decide(facts, policy, now), now)

    again = decide(written, policy, now)

    assert again.transitions == ()
    assert not again.opens_notice
    assert again.closes_notice == ""
    assert not decide(settled(facts, policy, now), policy, now).is_news


@given(any_case, st.floats(0, 1) | st.just(1.0))
@example((contract(invoice(open="50")), POLICY, prague("2026-03-12 08:00")), 1.0)
@example((contract(invoice(), notice=notice(mailed="2026-03-20 08:00")), POLICY, prague("2028-03-01 08:00")), 1.0)
def test_until_the_announced_next_look_nothing_changes(case: Seen, part: float) -> None:
    facts, policy, now = case
    facts = settled(facts, policy, now)
    said = decide(facts, policy, now)
    next_look_at = said.next_look_at or now + EVER
    assert next_look_at > now

    between = max(now, min(now + (next_look_at - now) * part, next_look_at - timedelta(microseconds=1)))
    then = decide(facts, policy, between)

    assert (then.stage, then.transitions, then.is_news, then.parked) == (said.stage, (), False, said.parked)


# ── payments ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(cases(), st.integers(0, 2), st.sampled_from([Money(0), Money(1), Money(50_00), Money(99_99)]))
def test_a_payment_suspends_nobody_and_notices_only_what_was_never_shown(case: Seen, which: int, left: Money) -> None:
    facts, policy, now = case
    assume(which < len(facts.invoices) and facts.invoices[which].open > left)
    before = decide(facts, policy, now)
    assume(not before.parked)  # paying what is absurd makes the contract decidable again
    paid = [replace(i, open=left) if i is facts.invoices[which] else i for i in facts.invoices]

    then = decide(replace(facts, invoices=tuple(i for i in paid if i.open)), policy, now)

    if STRICTNESS[then.stage.line] > STRICTNESS[before.stage.line]:
        assert then.stage is Stage.NOTICE
        assert then.opens_notice
        assert then.closes_notice == "paid_down"


@given(any_case)
def test_paying_everything_opens_the_line(case: Seen) -> None:
    facts, policy, now = case

    decision = decide(replace(facts, invoices=()), policy, now)

    assert decision.stage is Stage.CLEAR
    assert (decision.closes_notice == "settled") == (facts.notice is not None)


# ── any facts at all ────────────────────────────────────────────────────────────────────────────────────────────


@given(cases(has_absurd=True), st.randoms(use_true_random=False))
def test_the_order_of_invoices_does_not_matter(case: Seen, random: object) -> None:
    facts, policy, now = case
    shuffled = list(facts.invoices)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert decide(replace(facts, invoices=tuple(shuffled)), policy, now) == decide(facts, policy, now)


instants = st.datetimes().map(lambda at: at.replace(tzinfo=UTC)) | st.sampled_from(
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
any_notice = st.builds(
    NoticeFact, st.just(1), instants, st.none() | instants, st.none() | instants, st.just(frozenset({9})), st.booleans()
)


@given(cases(), absurd_invoices(9), any_notice, st.dates() | st.sampled_from([date.min, date.max]), st.booleans())
def test_no_facts_make_it_fail(
    case: Seen, absurd: object, opened: NoticeFact, promise_until_on: date, has_promise: bool
) -> None:
    facts, policy, now = case
    odd = replace(
        facts,
        invoices=(*facts.invoices, absurd),
        notice=opened,
        promise_until_on=promise_until_on if has_promise else None,
    )

    decision = decide(odd, policy, now)

    assert decision.next_look_at is None or decision.next_look_at > now
    assert Case(odd, policy, now, opened).absurdities == decision.parked
