"""A contract with telephone numbers and a price deck, for the tests of this room."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from billing.customers.tables import Contract, Customer
from billing.money import Money
from billing.payments import invariants as books
from billing.store import journal
from billing.store.engine import Store
from billing.voip import invariants, operations
from billing.voip.calls.record import CallRecord, Source
from billing.voip.credit import Credit
from billing.voip.decks import DeckReport, import_deck
from billing.voip.holds import Verdict, authorize
from billing.voip.settling import Recorded, record_calls
from billing.voip.tables import VoipNumber
from billing.voip.topping_up import TopUp, top_up
from config.settings import Settings, parse

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TODAY = date(2026, 3, 2)
SETTINGS = parse('[isp]\nname = "Údolní síť"\niban = "CZ6508000000192000145399"\nvat_id = "CZ123"')
NUMBER = "+420910123456"
MOBILE = "+420601123456"
SECOND = "+420910123457"
EVA = "admin:eva"

HEADER = "prefix,destination,price_per_minute,connect,first_seconds,step_seconds\n"
DECK = HEADER + (
    "420,Česko,1.20,0,60,1\n"
    "420601,Česko mobil,2.40,0,60,1\n"
    "42090,Česko audiotex,60.00,0,60,60\n"
    "420976,Česko audiotex,60.00,0,60,60\n"
    "49,Německo,3.0105,0.5,60,60\n"
    "1,USA a Kanada,6,0,1,1\n"
    "short:118,Informace,30,15,60,60\n"
    "short:12,Operátor,5,0,60,60\n"
    "short:13,Operátor,5,0,60,60\n"
    "short:14,Barevné linky,4,0,60,60\n"
)


def call(
    uid: str,
    called: str = MOBILE,
    billed_seconds: int = 60,
    *,
    caller: str = NUMBER,
    source: Source = "asterisk",
    started_at: datetime = NOW,
    answered_at: datetime | None = NOW,
) -> CallRecord:
    """A call record, as an exchange's parser makes one."""
    return CallRecord(
        source=source,
        uid=uid,
        call_id=uid,
        caller=caller,
        called=called,
        started_at=started_at,
        answered_at=answered_at,
        ended_at=(answered_at or started_at) + timedelta(seconds=billed_seconds),
        billed_seconds=billed_seconds,
        disposition="answered" if answered_at else "unanswered",
    )


async def add_deck(
    store: Store, text: str = DECK, *, valid_from_on: date = date(2026, 1, 1), name: str = "standard"
) -> DeckReport:
    async with store.transaction() as session:
        return await import_deck(
            session,
            text.encode(),
            "deck.csv",
            SETTINGS,
            valid_from_on=valid_from_on,
            name=name,
            actor=EVA,
            now=NOW,
        )


async def add_contract(store: Store, contract: str = "1001", *, email: str = "jana@example.cz") -> int:
    async with store.transaction() as session:
        customer = Customer(number=contract, name="Jana Nováková", email=email, language="cs")
        session.add(customer)
        await session.flush()
        row = Contract(number=contract, customer_id=customer.id)
        session.add(row)
        await session.flush()
        return row.id


async def add_number(store: Store, number: str = NUMBER, *, contract: str = "1001", credit: str = "") -> int:
    """A number of a contract that is made when it is not there, with a deck, and with credit."""
    async with store.reading() as session:
        is_known = await session.scalar(select(Contract.id).where(Contract.number == contract)) is not None
        head = await operations.decks.head_at(session, "standard", NOW)
    if not is_known:
        await add_contract(store, contract)
    if head is None:
        await add_deck(store)
    async with store.transaction() as session:
        number_id = await operations.add_number(session, number, contract, SETTINGS, actor=EVA, now=NOW)
        if credit:
            row = await session.get_one(VoipNumber, number_id)
            await operations.correct(session, row, Credit.parse(credit), SETTINGS, why="start", actor=EVA, now=NOW)
    return number_id


async def buy(
    store: Store,
    number_id: int,
    amount: str = "100",
    *,
    key: str = "k" * 20,
    now: datetime = NOW,
    settings: Settings = SETTINGS,
) -> TopUp:
    async with store.transaction() as session:
        return await top_up(
            session, number_id, Money.parse(amount), key=key, settings=settings, actor="voip:1", now=now
        )


async def ask(
    store: Store,
    call_id: str = "call-1",
    *,
    called: str = MOBILE,
    caller: str = NUMBER,
    now: datetime = NOW,
    settings: Settings = SETTINGS,
) -> Verdict:
    async with store.transaction() as session:
        return await authorize(session, caller=caller, called=called, call_id=call_id, settings=settings, now=now)


async def settle(store: Store, *records: CallRecord, now: datetime = NOW) -> Recorded:
    async with store.transaction() as session:
        return await record_calls(session, records, SETTINGS, now)


async def credit_of(store: Store, number_id: int = 1) -> tuple[str, str]:
    """Balance and what is reserved of it."""
    async with store.reading() as session:
        found = await operations.view(session, number_id)
    return str(found.balance), str(found.reserved)


async def problems(store: Store) -> list[str]:
    """Every invariant that does not hold, of the books, the credit and the journal."""
    async with store.reading() as session:
        await journal.verify(session)
        found = [*await books.verify(session), *await invariants.verify(session)]
    return [str(problem) for problem in found]
