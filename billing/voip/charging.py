"""What calls cost and whose credit pays: rated at the instant of their answer, charged, posted.

The credit never falls below what other calls reserve: of a call that cost more than its hold and the free credit
together, the rest is the ISP's loss, and stands in the call (`price` less `charged`). Whoever changes credit locks
the number first, then its holds, so that nobody waits for ever.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import in_chunks
from billing.payments import ledger
from billing.voip import accounts, decks, mails, numbers
from billing.voip.credit import NONE, Credit
from billing.voip.rating import Deck, DeckHead
from billing.voip.tables import VoipHold, VoipNumber
from config.days import day_of
from config.settings import Settings

_NUMBER, _HOLD = (cast(Table, each.__table__) for each in (VoipNumber, VoipHold))


class EndedCall(Protocol):
    """What rating needs of a call: a record that just came, or one that is stored."""

    @property
    def source(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def call_id(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def called(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def answered_at(self) -> datetime | None: ...
    @property
    def billed_seconds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Owner:
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
class Rated:
    """What was decided about one record."""

    record: EndedCall
    state: str
    why: str = ""
    owner: Owner | None = None
    is_incoming: bool = False
    destination: str = ""
    rate_id: int | None = None
    price: Credit = NONE
    charged: Credit = NONE


@dataclass
class Charged:
    """What was taken from credit."""

    total: Credit = NONE
    number_ids: set[int] = field(default_factory=set)


async def owners_of(session: AsyncSession, records: Collection[EndedCall], country: str) -> dict[str, Owner]:
    """Our numbers among callers and called, by how the records write them."""
    written = {text for record in records for text in (record.caller, record.called)}
    texts = {text: found for text in written if (found := _as_number(text, country))}
    owners: dict[str, Owner] = {}
    for chunk in in_chunks(sorted(set(texts.values()))):
        query = select(_NUMBER.c.number, _NUMBER.c.id, _NUMBER.c.contract_id, _NUMBER.c.deck)
        rows = await session.execute(query.where(_NUMBER.c.number.in_(chunk)))
        owners |= {number: Owner(number_id, contract_id, deck) for number, number_id, contract_id, deck in rows}
    return {text: owners[number] for text, number in texts.items() if number in owners}


async def authorized_as(session: AsyncSession, call_ids: Collection[str]) -> dict[str, Owner]:
    """Our numbers that calls were authorised for, by call id: a record may name the caller as nobody would know it."""
    owners: dict[str, Owner] = {}
    for chunk in in_chunks(sorted({each for each in call_ids if each})):
        query = select(_HOLD.c.call_id, _NUMBER.c.id, _NUMBER.c.contract_id, _NUMBER.c.deck)
        query = query.join(_NUMBER, _NUMBER.c.id == _HOLD.c.number_id)
        rows = await session.execute(query.where(_HOLD.c.call_id.in_(chunk)))
        owners |= {call_id: Owner(number_id, contract_id, deck) for call_id, number_id, contract_id, deck in rows}
    return owners


def _as_number(text: str, country: str) -> str | None:
    try:
        return str(numbers.called(text, country))
    except ValueError:
        return None


class Rater:
    """Rates records one after the other; which deck counts is asked once for each name and day of decks."""

    def __init__(
        self,
        session: AsyncSession,
        owners: Mapping[str, Owner],
        country: str,
        authorized: Mapping[str, Owner] | None = None,
    ) -> None:
        self._session = session
        self._owners = owners
        self._authorized = authorized or {}
        """By call id; asked when the caller tells nothing."""
        self._country = country
        self._validity: dict[str, list[tuple[datetime, DeckHead]]] = {}
        self._decks: dict[str, Deck] = {}

    async def rate(self, record: EndedCall) -> Rated:
        owner = self._owners.get(record.caller) or self._authorized.get(record.call_id)
        if owner is None:
            return self._incoming(record)
        if not record.billed_seconds or record.billed_seconds < 0:
            return Rated(record, "rated", owner=owner)
        try:
            target = numbers.called(record.called, self._country)
        except ValueError as error:
            return Rated(record, "waiting", str(error), owner)
        deck = await self._deck(owner.deck, record.answered_at or record.started_at)
        rate = deck.rate_of(target) if deck else None
        if target.nature in (numbers.Nature.EMERGENCY, numbers.Nature.FREE):
            return Rated(record, "rated", owner=owner)
        if rate is None:
            why = f"deck {owner.deck} has no price for {target}" if deck else f"there was no deck {owner.deck} then"
            return Rated(record, "waiting", why, owner)
        price = rate.cost(record.billed_seconds)
        return Rated(record, "rated", "", owner, False, rate.destination, rate.id, price)

    def _incoming(self, record: EndedCall) -> Rated:
        called = self._owners.get(record.called)
        if called is not None:
            return Rated(record, "rated", owner=called, is_incoming=True)
        return Rated(record, "waiting", "neither the caller nor the called is a number of ours")

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


async def charge(session: AsyncSession, rated: Sequence[Rated], settings: Settings, now: datetime) -> Charged:
    """Frees the holds of these calls and takes their price from the credit, as far as that reaches."""
    ours = {each.owner.id: each.owner for each in rated if each.owner is not None and not each.is_incoming}
    balances = await _locked_balances(session, sorted(ours))
    before = {number_id: balance for number_id, (balance, _) in balances.items()}
    holds = await _open_holds(session, [each.record.call_id for each in rated])
    done, settled = Charged(), list[str]()
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
        done.total += each.charged
    await _write_balances(session, balances)
    await _settle_holds(session, settled, now)
    await _post(session, rated, ours, before, balances, settings, now)
    done.number_ids = {number_id for number_id, was in before.items() if balances[number_id][0] != was}
    await mails.warn_of_low_credit(session, done.number_ids, settings, now)
    return done


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
    rated: Sequence[Rated],
    owners: Mapping[int, Owner],
    before: Mapping[int, Credit],
    balances: Mapping[int, tuple[Credit, Credit]],
    settings: Settings,
    now: datetime,
) -> None:
    """One fact for each number of the batch; its key is the first call that it charges."""
    first = {each.owner.id: each.record for each in reversed(rated) if each.owner is not None and each.charged}
    on = day_of(now, settings.zone)
    facts = []
    for number_id, record in first.items():
        owner, after = owners[number_id], balances[number_id][0]
        change = accounts.BalanceChange(number_id, owner.contract_id, before[number_id], after)
        facts.append(accounts.fact(change, f"voip:calls:{record.source}:{record.uid}", "voip", on))
    await ledger.post_many(session, facts, now)


async def _open_holds(session: AsyncSession, call_ids: Iterable[str]) -> dict[str, _Hold]:
    """Open holds by call."""
    found: dict[str, _Hold] = {}
    for chunk in in_chunks(sorted({each for each in call_ids if each})):
        query = select(_HOLD.c.call_id, _HOLD.c.number_id, _HOLD.c.amount)
        rows = await session.execute(query.where(_HOLD.c.call_id.in_(chunk), _HOLD.c.state == "open"))
        found |= {call_id: _Hold(number_id, amount) for call_id, number_id, amount in rows}
    return found
