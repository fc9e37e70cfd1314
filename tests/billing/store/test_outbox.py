"""The outbox: a mail is written once, claimed by one, tried again with patience, and given up in the end."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from billing.store import outbox
from billing.store.engine import Store
from billing.store.outbox import Draft
from billing.store.tables import Mail

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
LEASE_SECONDS = 300


def draft(key: str, **changes: str) -> Draft:
    values = {"kind": "reminder", "recipient": "jana@example.com", "subject": "s", "text": "t", "html": "<p>t"}
    return Draft(key, None, **(values | changes))


async def put(store: Store, *drafts: Draft, now: datetime = NOW) -> int:
    async with store.transaction() as session:
        return await outbox.put(session, drafts, now, domain="isp.example")


async def claim(store: Store, now: datetime = NOW, limit: int = 100) -> list[Mail]:
    async with store.transaction() as session:
        return await outbox.claim(session, now, limit, LEASE_SECONDS)


async def fail(store: Store, mail: Mail, now: datetime, *, is_final: bool = False) -> Mail:
    async with store.transaction() as session:
        await outbox.mark_failed(session, mail.id, "451 try again", now, is_final)
    async with store.reading() as session:
        return (await session.execute(select(Mail).where(Mail.id == mail.id))).scalar_one()


async def test_what_is_put_can_be_claimed(each_store: Store) -> None:
    written = await put(each_store, draft("reminder:1", subject="Faktura", qr_payment="SPD*1.0"))
    (mail,) = await claim(each_store)

    assert written == 1
    assert (mail.dedup_key, mail.subject, mail.qr_payment, mail.tries) == ("reminder:1", "Faktura", "SPD*1.0", 1)


async def test_a_known_key_is_not_written_again(each_store: Store) -> None:
    await put(each_store, draft("a"), draft("b"))

    assert await put(each_store, draft("b", subject="other"), draft("c"), draft("c")) == 1
    assert [(mail.dedup_key, mail.subject) for mail in await claim(each_store)] == [("a", "s"), ("b", "s"), ("c", "s")]


async def test_two_writers_of_one_key_write_one_mail(each_store: Store) -> None:
    written = await asyncio.gather(*(put(each_store, draft("a"), draft(f"b{n}")) for n in range(8)))

    assert sum(written) == 1 + 8


async def test_nothing_to_put_is_nothing(each_store: Store) -> None:
    assert await put(each_store) == 0


async def test_a_mail_whose_cause_was_rolled_back_does_not_exist(each_store: Store) -> None:
    async def fail_after_put() -> None:
        async with each_store.transaction() as session:
            await outbox.put(session, [draft("a")], NOW, domain="isp.example")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_put()

    assert await claim(each_store) == []


async def test_a_claimed_mail_is_nobody_elses_until_the_lease_runs_out(each_store: Store) -> None:
    await put(each_store, draft("a"))
    await claim(each_store)

    assert await claim(each_store, NOW + timedelta(seconds=LEASE_SECONDS - 1)) == []
    (again,) = await claim(each_store, NOW + timedelta(seconds=LEASE_SECONDS))
    assert again.tries == 2


async def test_a_sent_mail_is_never_claimed_again(each_store: Store) -> None:
    await put(each_store, draft("a"))
    (mail,) = await claim(each_store)
    async with each_store.transaction() as session:
        await outbox.mark_sent(session, mail.id, NOW)

    assert await claim(each_store, NOW + timedelta(days=365)) == []


async def test_the_message_id_is_the_same_for_ever_and_of_the_senders_domain(each_store: Store) -> None:
    await put(each_store, draft("a"))
    first, later = await claim(each_store), await claim(each_store, NOW + timedelta(hours=1))

    assert first[0].message_id == later[0].message_id == outbox.message_id("a", "isp.example")
    assert first[0].message_id.endswith("@isp.example>")


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("My ISP <billing@isp.example>", "isp.example"),
        ("billing@účtárna.example", "xn--trna-5na2mnf.example"),
        ("", "hradlo.invalid"),
        ("nobody", "hradlo.invalid"),
        ("a@..", "hradlo.invalid"),
    ],
)
def test_the_senders_domain_is_what_stands_after_the_at_sign(sender: str, domain: str) -> None:
    assert outbox.sender_domain(sender) == domain


async def test_a_failed_mail_waits_a_minute_then_two_then_four(each_store: Store) -> None:
    await put(each_store, draft("a"))
    at, waits = NOW, []
    for _ in range(3):
        (mail,) = await claim(each_store, at)
        failed = await fail(each_store, mail, at)
        waits.append((failed.next_try_at - at).total_seconds())
        at = failed.next_try_at

    assert waits == [60, 120, 240]
    assert (failed.last_error, failed.lease_until, failed.failed_at) == ("451 try again", None, None)


async def test_a_final_refusal_is_not_tried_again(each_store: Store) -> None:
    await put(each_store, draft("a"))
    (mail,) = await claim(each_store)
    failed = await fail(each_store, mail, NOW, is_final=True)

    assert failed.failed_at == NOW
    assert await claim(each_store, NOW + timedelta(days=1)) == []


async def test_a_mail_is_given_up_after_three_days_of_tries(each_store: Store) -> None:
    await put(each_store, draft("a"))
    at = first_try_at = NOW + timedelta(days=30)  # no mail server was set up until then
    while True:
        (mail,) = await claim(each_store, at)
        failed = await fail(each_store, mail, at)
        if failed.failed_at:
            break
        at = failed.next_try_at

    assert timedelta(days=3) <= failed.failed_at - first_try_at <= timedelta(days=3, hours=6)
    assert await claim(each_store, at + timedelta(days=365)) == []


async def test_a_mail_that_waited_long_for_its_first_try_is_tried_again_after_it(each_store: Store) -> None:
    await put(each_store, draft("a"))
    late = NOW + timedelta(days=30)
    (mail,) = await claim(each_store, late)
    failed = await fail(each_store, mail, late)

    assert (failed.failed_at, failed.next_try_at) == (None, late + timedelta(minutes=1))


@pytest.mark.parametrize("kind", ["reminder", "notice", "suspended", "restored"])
async def test_what_a_mail_says_of_a_debt_or_a_line_expires_in_two_days(store: Store, kind: str) -> None:
    await put(store, draft("a", kind=kind))
    (mail,) = await claim(store)

    assert not outbox.is_expired(mail, NOW + timedelta(days=2, seconds=-1))
    assert outbox.is_expired(mail, NOW + timedelta(days=2))


async def test_a_mail_of_another_kind_never_expires(store: Store) -> None:
    await put(store, draft("a", kind="invoice"))
    (mail,) = await claim(store)

    assert not outbox.is_expired(mail, NOW + timedelta(days=365))


async def test_the_oldest_mails_are_claimed_first_and_no_more_than_wanted(each_store: Store) -> None:
    await put(each_store, draft("new"), now=NOW)
    await put(each_store, *(draft(f"old {n}") for n in range(3)), now=NOW - timedelta(hours=1))

    assert [mail.dedup_key for mail in await claim(each_store, limit=3)] == ["old 0", "old 1", "old 2"]


async def test_eight_senders_take_every_mail_exactly_once(each_store: Store) -> None:
    await put(each_store, *(draft(str(n)) for n in range(400)))
    taken: Counter[str] = Counter()

    async def send() -> None:
        while mails := await claim(each_store, limit=7):
            taken.update(mail.dedup_key for mail in mails)
            async with each_store.transaction() as session:
                for mail in mails:
                    await outbox.mark_sent(session, mail.id, NOW)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(send())

    assert taken == Counter(str(n) for n in range(400))


@given(st.integers(min_value=0, max_value=10**9))
def test_the_wait_never_shrinks_and_stays_between_a_minute_and_six_hours(tries: int) -> None:
    wait = outbox.wait_after(tries)

    assert timedelta(minutes=1) <= wait <= outbox.wait_after(tries + 1) <= timedelta(hours=6)
