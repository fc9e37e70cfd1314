"""The people of the demo: six whose story is told, and a crowd of neighbours, the same at every start.

Nobody here exists. Each has a contract, one address, invoices and habits: whether and when they pay, and when they
would read the notice. The rest follows by itself, through the same imports, pages and decisions as in real life.
"""

import csv
import random
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from billing.customers.rules import COLUMNS as CUSTOMER_COLUMNS
from billing.invoicing.rules import COLUMNS as INVOICE_COLUMNS
from billing.money import Money
from billing.services.rules import COLUMNS as SERVICE_COLUMNS

ZONE = ZoneInfo("Europe/Prague")
BEGINS_AT = datetime(2026, 1, 12, 9, 0, tzinfo=ZONE)
"""The first invoices are imported; from here to the opening, history plays by itself."""
OPENS_AT = datetime(2026, 3, 9, 9, 0, tzinfo=ZONE)
"""When the visitor comes in: a Monday, the day before the invoices of the cast are due."""
STORY_DUE_ON = date(2026, 3, 10)
SUBSCRIBERS = 200
PAYMENT_TERM = timedelta(days=14)
_SEED = 20260309

_PRODUCTS = (("Rádio 50", "349.00"), ("Optika 100", "449.00"), ("Optika 300", "549.00"), ("Optika 1000", "699.00"))
_MEN = "Jan Petr Josef Pavel Martin Tomáš Jaroslav Miroslav Zdeněk Václav Michal František Jakub Milan Karel Lukáš"
_WOMEN = "Marie Jana Eva Hana Anna Lenka Kateřina Věra Lucie Alena Petra Veronika Jaroslava Tereza Martina Ludmila"
_SURNAMES = (
    "Novák:Nováková Svoboda:Svobodová Novotný:Novotná Dvořák:Dvořáková Černý:Černá Procházka:Procházková "
    "Kučera:Kučerová Veselý:Veselá Horák:Horáková Němec:Němcová Pokorný:Pokorná Marek:Marková Pospíšil:Pospíšilová "
    "Hájek:Hájková Jelínek:Jelínková Král:Králová Růžička:Růžičková Beneš:Benešová Fiala:Fialová Sedláček:Sedláčková "
    "Doležal:Doležalová Zeman:Zemanová Kolář:Kolářová Krejčí:Krejčí Navrátil:Navrátilová Čermák:Čermáková"
)
_PLACES = (
    ("Údolní", "Horní Lhota", "763 01"),
    ("Na Mlýnici", "Dolní Lhota", "763 02"),
    ("Za Tratí", "Lipová", "763 03"),
)


@dataclass(frozen=True, slots=True)
class Bill:
    """One invoice, and what its subscriber does about it when left alone."""

    number: str
    issued_on: date
    due_on: date
    total: Money
    pays_on: date | None = None
    acknowledges_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One customer with one contract, one line and one address."""

    number: str
    """Of the customer and of the contract: the variable symbol."""
    name: str
    email: str
    language: str
    product: str
    price: str
    address: str
    place: tuple[str, str, str]
    bills: tuple[Bill, ...]
    about: str = ""
    """What the cast is here to show."""


@dataclass(frozen=True, slots=True)
class _Habit:
    """How so many of the crowd deal with one invoice; days are counted from the day it is due."""

    people: int
    due_on: date
    pays_days: tuple[int, int] | None = None
    reads_days: tuple[int, int] | None = None


_LATE_PAYERS = (4, 6)
_ON_TIME = (-6, -1)
_HABITS = (
    _Habit(4, date(2026, 1, 26), pays_days=_LATE_PAYERS),
    _Habit(3, date(2026, 1, 26), pays_days=(17, 18), reads_days=(15, 16)),
    _Habit(2, date(2026, 1, 26), pays_days=(34, 36), reads_days=(15, 16)),
    _Habit(7, date(2026, 1, 26), reads_days=(14, 24)),
    _Habit(2, date(2026, 1, 26)),
    _Habit(8, date(2026, 2, 9), reads_days=(20, 27)),
    _Habit(3, date(2026, 2, 9), pays_days=(30, 34), reads_days=(20, 22)),
    _Habit(6, date(2026, 2, 16)),
    _Habit(4, date(2026, 2, 23), reads_days=(15, 18)),
    _Habit(4, date(2026, 2, 23)),
    _Habit(7, date(2026, 2, 27), pays_days=(12, 20)),
    _Habit(6, date(2026, 3, 2), reads_days=(14, 20)),
    _Habit(52, date(2026, 2, 24), pays_days=_ON_TIME),
    _Habit(30, STORY_DUE_ON, pays_days=(-3, 2)),
    _Habit(20, date(2026, 3, 24), pays_days=_ON_TIME),
)
_PAYS_NEXT_BY = {date(2026, 2, 24): date(2026, 3, 24), STORY_DUE_ON: date(2026, 4, 7)}
"""Those who pay get a next invoice, so that life goes on after the opening."""


def everybody(count: int = SUBSCRIBERS) -> tuple[Subscriber, ...]:
    """The cast and as much of the crowd as makes `count`."""
    maker = _Maker(random.Random(_SEED))
    people = [*maker.cast(), *maker.crowd()]
    return tuple(people[:count])


class _Maker:
    """Invents people, one after another, from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._people = 0
        self._bills = 0

    def cast(self) -> Iterator[Subscriber]:
        due = STORY_DUE_ON
        yield self._person(
            "Jana Nováková", due, "reads the notice, forgets to pay, and pays when the line is suspended"
        )
        yield self._person("Petr Dvořák", due, "pays after the first reminder")
        yield self._person("Marie Svobodová", due, "sees the notice and never acknowledges it")
        yield self._person("Tomáš Černý", due, "pays a part, and the rest with a mistyped variable symbol")
        yield self._person("Eva Procházková", due, "calls, and is promised more time")
        yield self._person(
            "Karel Novotný", due - timedelta(days=35), "has an invoice that was due before it was issued"
        )

    def crowd(self) -> Iterator[Subscriber]:
        habits = [habit for habit in _HABITS for _ in range(habit.people)]
        self._chance.shuffle(habits)
        for habit in habits:
            yield self._neighbour(habit)
        while self._people < SUBSCRIBERS:
            yield self._neighbour(_Habit(1, date(2026, 2, 24), pays_days=_ON_TIME))

    def _person(self, name: str, due_on: date, about: str) -> Subscriber:
        """One of the cast: does nothing alone, the story says what they do."""
        bill = Bill(self._bill_number(), STORY_DUE_ON - PAYMENT_TERM, due_on, Money.parse("599.00"))
        return self._made(name, ("Optika 300", "599.00"), _PLACES[0], (bill,), about)

    def _neighbour(self, habit: _Habit) -> Subscriber:
        product = self._chance.choice(_PRODUCTS)
        bills = [self._bill(habit, product[1])]
        following = _PAYS_NEXT_BY.get(habit.due_on)
        if following and habit.pays_days:
            bills.append(self._bill(_Habit(1, following, pays_days=_ON_TIME), product[1]))
        return self._made(self._name(), product, self._chance.choice(_PLACES), tuple(bills))

    def _bill(self, habit: _Habit, price: str) -> Bill:
        pays = habit.pays_days and habit.due_on + timedelta(days=self._chance.randint(*habit.pays_days))
        reads = habit.reads_days and habit.due_on + timedelta(days=self._chance.randint(*habit.reads_days))
        hour = time(self._chance.randint(9, 22), self._chance.randint(0, 59))
        return Bill(
            self._bill_number(),
            habit.due_on - PAYMENT_TERM,
            habit.due_on,
            Money.parse(price),
            pays_on=pays or None,
            acknowledges_at=datetime.combine(reads, hour, ZONE) if reads else None,
        )

    def _bill_number(self) -> str:
        self._bills += 1
        return f"26{self._bills:06d}"

    def _name(self) -> str:
        man, woman = self._chance.choice(_SURNAMES.split()).split(":")
        if self._chance.random() < 0.5:
            return f"{self._chance.choice(_MEN.split())} {man}"
        return f"{self._chance.choice(_WOMEN.split())} {woman}"

    def _made(
        self, name: str, product: tuple[str, str], place: tuple[str, str, str], bills: tuple[Bill, ...], about: str = ""
    ) -> Subscriber:
        self._people += 1
        place_number = f"{place[0]} {self._chance.randint(1, 180)}"
        return Subscriber(
            number=str(1000 + self._people),
            name=name,
            email=f"{_ascii(name).replace(' ', '.').lower()}.{self._people}@mail.example",
            language="en" if self._people % 12 == 0 else "cs",
            product=product[0],
            price=product[1],
            address=f"10.20.0.{self._people}",
            place=(place_number, *place[1:]),
            bills=bills,
            about=about,
        )


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


# ── the files that another program would have exported ──────────────────────────────────────────────────────────


def write_customers(path: Path, people: Iterable[Subscriber]) -> None:
    rows = [(p.number, p.name, p.email, "", *p.place, p.language, "") for p in people]
    _write(path, CUSTOMER_COLUMNS, rows)


def write_services(path: Path, people: Iterable[Subscriber]) -> None:
    rows = [(p.number, p.number, "internet", p.product, p.price, "2024-01-01", p.address) for p in people]
    _write(path, SERVICE_COLUMNS, rows)


def write_invoices(path: Path, people: Iterable[Subscriber], issued_on: date) -> None:
    """The invoices of one day."""
    rows = [
        (bill.number, p.number, str(bill.issued_on), str(bill.due_on), str(bill.total), str(bill.total))
        for p in people
        for bill in p.bills
        if bill.issued_on == issued_on
    ]
    _write(path, INVOICE_COLUMNS, rows)


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
