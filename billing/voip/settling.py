"""Call records become charged calls: rated at the instant of their answer, once each, whoever sends them how often.

    record ─► seen before? ─► whose? ─► which deck counted then? ─► price ─► its hold is freed, the credit charged

What can't be decided (nobody's number, no price) is stored and waits for a person; a record that comes again with
other content is not counted and is shown beside the first one. The credit never falls below what other calls
reserve: of a call that cost more than its hold and the free credit together, the rest is the ISP's loss, and stands
in the call (`price` less `charged`).

Records are taken in batches, one batch at a time. Whoever changes credit locks the number first, then its holds, so
that nobody waits for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks
from billing.payments import ledger
from billing.voip import accounts, decks, numbers
from billing.voip.calls.record import CallRecord
from billing.voip.credit import NONE, Credit
from billing.voip.rating import Deck, DeckHead
from billing.voip.tables import VoipCall, VoipHold, VoipNumber
from config.settings import Settings

_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('hradlo.voip.calls'))")
_CALL, _NUMBER, _HOLD = (cast(Table, each.__table__) for each in (VoipCall, VoipNumber, VoipHold))


Key = tuple[str, str]
"""Source and uid."""


@dataclass
class Recorded:
    """What became of records."""

    rated: int = 0
    waiting: int = 0
    repeated: int = 0
    """Known already, with the same content."""
    disputed: int = 0
    """Known already, with other content: not counted, a person must look."""
    charged: Credit = NONE
    number_ids: set[int] = field(default_factory=set)
    """Whose credit was charged."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """A number as far as rating cares."""

    id: int
    contract_id: int
    deck: str


@dataclass(frozen=True, slots=True)
class _Hold:
    """Credit that a call reserved."""

    number_id: int
    amount: Credit


@dataclass(slots=True)
class _Rated:
    """What was decided about one record."""

    record: CallRecord
    state: str
    why: str = ""
    owner: _Owner | None = None
    is_incoming: bool = False
    destination: str = ""
    rate_id: int | None = None
    price: Credit = NONE
    charged: Credit = NONE


async def record_calls(
    session: AsyncSession, records: Sequence[CallRecord], settings: Settings, now: datetime
) -> Recorded:
    """Stores, rates and charges records; see the module. Nothing that a record may say makes it raise."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite: a writing transaction is alone anyway
        await session.execute(_LOCK)
    done = Recorded()
    for chunk in in_chunks(records):
        await _record(session, chunk, settings, now, done)
    return done


async def _record(
    session: AsyncSession, records: Sequence[CallRecord], settings: Settings, now: datetime, done: Recorded
) -> None:
    fresh, disputes = await _unknown(session, records, done)
    if not fresh:
        return
    owners = await _owners(session, fresh, settings.isp.country)
    rater = _Rater(session, owners, settings.isp.country)
    rated = [await rater.rate(record) for record in fresh]
    await _charge(session, rated, settings, now, done)
    await session.execute(insert(_CALL), [_row(each, disputes, now) for each in rated])
    done.rated += sum(each.state == "rated" for each in rated)
    done.waiting += sum(each.state == "waiting" for each in rated)


async def _unknown(
    session: AsyncSession, records: Sequence[CallRecord], done: Recorded
) -> tuple[list[CallRecord], dict[Key, str]]:
    """The records that were never seen, and what others said under their ids; what is stored is compared."""
    stored: dict[Key, Any] = {}
    for source in {record.source for record in records}:
        uids = [record.uid for record in records if record.source == source]
        query = select(_CALL).where(_CALL.c.source == source, _CALL.c.uid.in_(uids))
        stored |= {(row.source, row.uid): row for row in await session.execute(query)}
    fresh: dict[Key, CallRecord] = {}
    disputes: dict[Key, str] = {}
    for record in records:
        key: Key = (record.source, record.uid)
        before = stored.get(key) or fresh.get(key)
        if before is None:
            fresh[key] = record
        elif _content(before) == _content(record):
            done.repeated += 1
        else:
            done.disputed += 1
            disputes[key] = _words(record)
    for key in disputes.keys() & stored.keys():
        disputed = update(_CALL).where(_CALL.c.id == stored[key].id).values(dispute=disputes[key])
        await session.execute(disputed)
    return list(fresh.values()), disputes


def _content(record: Any) -> tuple[Any, ...]:
    return (
        record.caller,
        record.called,
        record.started_at,
        record.answered_at,
        record.billed_seconds,
    )


def _words(record: CallRecord) -> str:
    return (
        f"{record.caller} called {record.called} at {record.started_at.isoformat(timespec='seconds')} "
        f"for {record.billed_seconds} s"
    )


async def _open_holds(session: AsyncSession, call_ids: Iterable[str]) -> dict[str, _Hold]:
    """Open holds by call."""
    found: dict[str, _Hold] = {}
    for chunk in in_chunks(sorted({each for each in call_ids if each})):
        query = select(_HOLD.c.call_id, _HOLD.c.number_id, _HOLD.c.amount)
        rows = await session.execute(query.where(_HOLD.c.call_id.in_(chunk), _HOLD.c.state == "open"))
        found |= {call_id: _Hold(number_id, amount) for call_id, number_id, amount in rows}
    return found


async def _owners(session: AsyncSession, records: Sequence[CallRecord], country: str) -> dict[str, _Owner]:
    """Our numbers among callers and called, by how the records write them."""
    written = {text for record in records for text in (record.caller, record.called)}
    texts = {text: found for text in written if (found := _as_number(text, country))}
    owners: dict[str, _Owner] = {}
    for chunk in in_chunks(sorted(set(texts.values()))):
        query = select(_NUMBER.c.number, _NUMBER.c.id, _NUMBER.c.contract_id, _NUMBER.c.deck)
        rows = await session.execute(query.where(_NUMBER.c.number.in_(chunk)))
        owners |= {number: _Owner(number_id, contract_id, deck) for number, number_id, contract_id, deck in rows}
    return {text: owners[number] for text, number in texts.items() if number in owners}


def _as_number(text: str, country: str) -> str | None:
    try:
        return str(numbers.called(text, country))
    except ValueError:
        return None


class _Rater:
    """Rates records one after the other; which deck counts is asked once for each name and day of decks."""

    def __init__(self, session: AsyncSession, owners: Mapping[str, _Owner], country: str) -> None:
        self._session = session
        self._owners = owners
        self._country = country
        self._validity: dict[str, list[tuple[datetime, DeckHead]]] = {}
        self._decks: dict[str, Deck] = {}

    async def rate(self, record: CallRecord) -> _Rated:
        owner = self._owners.get(record.caller)
        if owner is None:
            return self._incoming(record)
        if not record.billed_seconds or record.billed_seconds < 0:
            return _Rated(record, "rated", owner=owner)
        try:
            target = numbers.called(record.called, self._country)
        except ValueError as error:
            return _Rated(record, "waiting", str(error), owner)
        deck = await self._deck(owner.deck, record.answered_at or record.started_at)
        rate = deck.rate_of(target) if deck else None
        if target.nature in (numbers.Nature.EMERGENCY, numbers.Nature.FREE):
            return _Rated(record, "rated", owner=owner)
        if rate is None:
            why = f"deck {owner.deck} has no price for {target}" if deck else f"there was no deck {owner.deck} then"
            return _Rated(record, "waiting", why, owner)
        price = rate.cost(record.billed_seconds)
        return _Rated(record, "rated", "", owner, False, rate.destination, rate.id, price)

    def _incoming(self, record: CallRecord) -> _Rated:
        called = self._owners.get(record.called)
        if called is not None:
            return _Rated(record, "rated", owner=called, is_incoming=True)
        return _Rated(record, "waiting", "neither the caller nor the called is a number of ours")

    async def _deck(self, name: str, at: datetime) -> Deck | None:
        validity = self._validity.get(name)
        if validity is None:
            validity = self._validity[name] = await decks.validity(self._session, name)
        head = next((head for valid_from_at, head in validity if valid_from_at <= at), None)
        if head is None:
            return None
        if head.version not in self._decks:
            self._decks[head.version] = await decks.loaded(self._session, head)
        return self._decks[head.version]


async def _charge(
    session: AsyncSession, rated: Sequence[_Rated], settings: Settings, now: datetime, done: Recorded
) -> None:
    """Frees the holds of these calls and takes their price from the credit, as far as that reaches."""
    ours = {each.owner.id: each.owner for each in rated if each.owner is not None and not each.is_incoming}
    balances = await _locked_balances(session, sorted(ours))
    before = {number_id: balance for number_id, (balance, _) in balances.items()}
    holds = await _open_holds(session, [each.record.call_id for each in rated])
    settled: list[str] = []
    for each in rated:
        if each.owner is None or each.is_incoming:
            continue
        balance, reserved = balances[each.owner.id]
        hold = holds.get(each.record.call_id)
        if hold is not None and hold.number_id == each.owner.id:
            reserved -= hold.amount
            settled.append(each.record.call_id)
            del holds[each.record.call_id]  # a call that was passed on has another record, and no other hold
        each.charged = min(each.price, balance - reserved)
        balances[each.owner.id] = (balance - each.charged, reserved)
        done.charged += each.charged
    await _write_balances(session, balances)
    await _settle_holds(session, settled, now)
    await _post(session, rated, ours, before, balances, settings, now)
    done.number_ids |= {number_id for number_id, was in before.items() if balances[number_id][0] != was}


async def _locked_balances(session: AsyncSession, number_ids: Sequence[int]) -> dict[int, tuple[Credit, Credit]]:
    found: dict[int, tuple[Credit, Credit]] = {}
    for chunk in in_chunks(number_ids):
        query = select(_NUMBER.c.id, _NUMBER.c.balance, _NUMBER.c.reserved).where(_NUMBER.c.id.in_(chunk))
        rows = await session.execute(query.order_by(_NUMBER.c.id).with_for_update())
        found |= {number_id: (balance, reserved) for number_id, balance, reserved in rows}
    return found


async def _write_balances(session: AsyncSession, balances: Mapping[int, tuple[Credit, Credit]]) -> None:
    rows = [{"of_id": n, "new_balance": b, "new_reserved": r} for n, (b, r) in balances.items()]
    if rows:
        charging = update(_NUMBER).where(_NUMBER.c.id == bindparam("of_id"))
        charging = charging.values(balance=bindparam("new_balance"), reserved=bindparam("new_reserved"))
        await session.execute(charging, rows)


async def _settle_holds(session: AsyncSession, call_ids: Sequence[str], now: datetime) -> None:
    for chunk in in_chunks(call_ids):
        settled = update(_HOLD).where(_HOLD.c.call_id.in_(chunk)).values(state="settled", ended_at=now)
        await session.execute(settled)


async def _post(
    session: AsyncSession,
    rated: Sequence[_Rated],
    owners: Mapping[int, _Owner],
    before: Mapping[int, Credit],
    balances: Mapping[int, tuple[Credit, Credit]],
    settings: Settings,
    now: datetime,
) -> None:
    """One fact for each number of the batch; its key is the first call that it charges."""
    first = {each.owner.id: each.record for each in reversed(rated) if each.owner is not None and each.charged}
    on = accounts.day_of(now, settings)
    facts = []
    for number_id, record in first.items():
        owner, after = owners[number_id], balances[number_id][0]
        change = accounts.BalanceChange(number_id, owner.contract_id, before[number_id], after)
        facts.append(accounts.fact(change, f"voip:calls:{record.source}:{record.uid}", "voip", on))
    await ledger.post_many(session, facts, now)


def _row(each: _Rated, disputes: Mapping[Key, str], now: datetime) -> dict[str, Any]:
    record = each.record
    return {
        "source": record.source,
        "uid": record.uid,
        "call_id": record.call_id,
        "caller": record.caller,
        "called": record.called,
        "started_at": record.started_at,
        "answered_at": record.answered_at,
        "billed_seconds": record.billed_seconds,
        "state": each.state,
        "why": each.why,
        "number_id": each.owner.id if each.owner else None,
        "is_incoming": each.is_incoming,
        "destination": each.destination,
        "rate_id": each.rate_id,
        "price": each.price,
        "charged": each.charged,
        "dispute": disputes.get((record.source, record.uid), ""),
        "recorded_at": now,
    }
