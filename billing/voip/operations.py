"""What an admin and the VoIP zone do with numbers: add, password, block, find, read; and what a call would cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.passwords import verify_password
from billing.customers.tables import Contract
from billing.dunning.operations import contract_id_of
from billing.store import journal
from billing.voip import accounts, decks, logins, numbers
from billing.voip.credit import Credit
from billing.voip.numbers import Called, Nature
from billing.voip.rating import FREE, Rate
from billing.voip.tables import VoipCall, VoipCorrection, VoipNumber
from config.errors import NotAllowed, NotFound
from config.settings import Settings

ENDING_DIGITS = 3
EXAMPLE_MINUTES = (1, 10)
COLUMNS = ("number", "contract", "deck", "state", "credit", "reserved", "password")
STATES = ("active", "blocked", "closed")


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number with its credit, as it is shown."""

    id: int
    number: str
    contract_id: int
    contract_number: str
    deck: str
    state: str
    balance: Credit
    reserved: Credit
    has_password: bool

    @property
    def free(self) -> Credit:
        return self.balance - self.reserved

    def as_row(self) -> dict[str, str]:
        """As an admin's tables (`COLUMNS`) and JSON show it."""
        return {
            "number": self.number,
            "contract": self.contract_number,
            "deck": self.deck,
            "state": self.state,
            "credit": str(self.balance),
            "reserved": str(self.reserved),
            "password": "set" if self.has_password else "none",
        }


@dataclass(frozen=True, slots=True)
class Price:
    """What calls to a number cost."""

    called: Called
    destination: str
    """Of the deck; empty of emergency and free numbers."""
    rate: Rate | None
    """None when the deck has no price: it can't be called."""
    examples: tuple[tuple[int, Credit], ...]
    """Minutes, and what they cost."""


async def add_number(
    session: AsyncSession,
    number: str,
    contract: str,
    settings: Settings,
    *,
    deck: str = decks.STANDARD,
    actor: str,
    now: datetime,
) -> int:
    """Gives a contract a telephone number (as people write it) and returns its id.

    Raises `NotFound` for the contract, `NotAllowed` for what is no number, is taken, or has no deck.
    """
    await journal.lock(session)
    contract_id = await contract_id_of(session, contract)
    try:
        text = numbers.number(number, settings.isp.country)
    except ValueError as error:
        raise NotAllowed(f"{error}.") from error
    if await session.scalar(select(VoipNumber.id).where(VoipNumber.number == text)) is not None:
        raise NotAllowed(f"{text} is somebody's already.", "`hradlo voip number show NUMBER` says whose.")
    await _require_deck(session, deck)
    row = {"number": text, "ending": text[-ENDING_DIGITS:], "contract_id": contract_id, "deck": deck}
    added = insert(VoipNumber).values(**row, created_at=now).returning(VoipNumber.id)
    number_id = (await session.execute(added)).scalar_one()
    detail = {"number": text, "deck": deck}
    await journal.append(
        session, at=now, actor=actor, action="voip.number_added", contract_id=contract_id, detail=detail
    )
    return number_id


async def set_password_hash(
    session: AsyncSession, number: VoipNumber, hashed: str, *, actor: str, now: datetime
) -> None:
    """Changes the VoIP password and ends every log-in; hash it outside of the transaction (`customers.passwords`)."""
    await journal.lock(session)
    await session.execute(update(VoipNumber).where(VoipNumber.id == number.id).values(password_hash=hashed))
    await logins.end_all(session, number.id, now)
    await _note(session, number, "voip.password_changed", actor, "", now)


async def set_state(
    session: AsyncSession, number: VoipNumber, state: str, *, why: str, actor: str, now: datetime
) -> None:
    """`active`, `blocked` (free and emergency calls only) or `closed` (emergency calls only, no log-in)."""
    if state not in STATES:
        raise NotAllowed(f"{state} is no state of a number.", f"Use one of {', '.join(STATES)}.")
    await journal.lock(session)
    await session.execute(update(VoipNumber).where(VoipNumber.id == number.id).values(state=state))
    await _note(session, number, f"voip.number_{state}", actor, why, now)


async def set_deck(
    session: AsyncSession, number: VoipNumber, deck: str, *, why: str, actor: str, now: datetime
) -> None:
    """Another tariff, for calls that are authorised or recorded from now on; raises `NotAllowed` when there is none."""
    await journal.lock(session)
    await _require_deck(session, deck)
    await session.execute(update(VoipNumber).where(VoipNumber.id == number.id).values(deck=deck))
    await _note(session, number, "voip.deck_changed", actor, why, now, before=number.deck, after=deck)


async def _require_deck(session: AsyncSession, deck: str) -> None:
    if not await decks.validity(session, deck):
        raise NotAllowed(f"There is no deck {deck}.", "Import one: hradlo voip deck import FILE --valid-from DAY.")


async def correct(
    session: AsyncSession,
    number: VoipNumber,
    amount: Credit,
    settings: Settings,
    *,
    why: str,
    actor: str,
    now: datetime,
) -> None:
    """Gives credit without an invoice, or takes it (negative); raises `NotAllowed` for more than is free."""
    if not why:
        raise NotAllowed("A correction needs a reason.", "Say it with --why.")
    await journal.lock(session)
    locked = await accounts.locked(session, number.id)
    correction = VoipCorrection(number_id=number.id, amount=amount, why=why, at=now, actor=actor)
    session.add(correction)
    await session.flush()
    await accounts.add(session, locked, amount, key=f"voip:correction:{correction.id}", settings=settings, now=now)
    await _note(session, number, "voip.credit_corrected", actor, why, now, amount=str(amount))


async def find(session: AsyncSession, text: str, country: str) -> VoipNumber:
    """The number that somebody typed; raises `NotFound`."""
    try:
        number = numbers.number(text, country)
    except ValueError as error:
        raise NotFound(f"{error}.", "`hradlo voip number list` lists the numbers.") from error
    found = await session.scalar(select(VoipNumber).where(VoipNumber.number == number))
    if found is None:
        raise NotFound(f"{number} is no number of ours.", "`hradlo voip number list` lists the numbers.")
    return found


def log_in_name(text: str, country: str) -> str:
    """Who is meant by a log-in: three digits, or a whole number in E.164; empty when it is neither. Pure.

    However it is written it is one name, so that tries can be counted by what is looked up.
    """
    digits = "".join(character for character in text if character.isascii() and character.isdigit())
    if len(digits) == ENDING_DIGITS:
        return digits
    try:
        return str(numbers.called(text, country))
    except ValueError:
        return ""


async def log_in_candidates(session: AsyncSession, name: str) -> list[VoipNumber]:
    """The numbers that may be meant by a `log_in_name`: with that ending, or that number. Closed ones never."""
    query = select(VoipNumber).where(VoipNumber.state != "closed", VoipNumber.password_hash != "")
    query = query.where((VoipNumber.ending if len(name) == ENDING_DIGITS else VoipNumber.number) == name)
    return list(await session.scalars(query.order_by(VoipNumber.id)))


def logged_in(candidates: Sequence[VoipNumber], password: str) -> int | None:
    """Whose password it is (the id of the number); None when it is nobody's, or of more than one.

    Takes its time, as long for nobody as for one: call it in a thread and outside of transactions.
    """
    hashes = [candidate.password_hash for candidate in candidates] or [""]
    right = [verify_password(password, hashed) for hashed in hashes]
    return candidates[right.index(True)].id if sum(right) == 1 else None


async def listed(session: AsyncSession, contract_id: int | None = None) -> list[NumberView]:
    """Every number, or those of a contract."""
    query = select(VoipNumber, Contract.number).join(Contract, Contract.id == VoipNumber.contract_id)
    if contract_id is not None:
        query = query.where(VoipNumber.contract_id == contract_id)
    rows = await session.execute(query.order_by(VoipNumber.number).execution_options(populate_existing=True))
    return [_view(row, contract) for row, contract in rows]


async def view(session: AsyncSession, number_id: int) -> NumberView:
    """One number with its credit."""
    query = select(VoipNumber, Contract.number).join(Contract, Contract.id == VoipNumber.contract_id)
    query = query.where(VoipNumber.id == number_id).execution_options(populate_existing=True)
    row, contract = (await session.execute(query)).one()
    return _view(row, contract)


async def calls(
    session: AsyncSession, number_id: int, *, from_at: datetime | None = None, until_at: datetime | None = None
) -> list[VoipCall]:
    """A number's calls that began within [from_at, until_at), the newest first."""
    query = select(VoipCall).where(VoipCall.number_id == number_id, VoipCall.state == "rated")
    if from_at is not None:
        query = query.where(VoipCall.started_at >= from_at)
    if until_at is not None:
        query = query.where(VoipCall.started_at < until_at)
    return list(await session.scalars(query.order_by(VoipCall.started_at.desc(), VoipCall.id.desc())))


async def price_of(session: AsyncSession, text: str, settings: Settings, *, deck: str, at: datetime) -> Price:
    """What calls to a typed number cost at an instant; raises `ValueError` that says why it is no number."""
    target = numbers.called(text, settings.isp.country)
    found = await decks.deck_at(session, deck, at)
    if target.nature in (Nature.EMERGENCY, Nature.FREE):
        return Price(target, "", FREE, ())
    rate = found.rate_of(target) if found else None
    examples = tuple((minutes, rate.cost(minutes * 60)) for minutes in EXAMPLE_MINUTES) if rate else ()
    return Price(target, rate.destination if rate else "", rate, examples)


def _view(row: VoipNumber, contract: str) -> NumberView:
    return NumberView(
        row.id,
        row.number,
        row.contract_id,
        contract,
        row.deck,
        row.state,
        row.balance,
        row.reserved,
        bool(row.password_hash),
    )


async def _note(
    session: AsyncSession, number: VoipNumber, action: str, actor: str, why: str, now: datetime, **detail: str
) -> None:
    told = {"number": number.number, **detail}
    await journal.append(
        session, at=now, actor=actor, action=action, contract_id=number.contract_id, detail=told, why=why
    )
