"""A simulated bank with two accounts, one that writes GPC files and one that writes Fio's JSON, and bad couriers.

Every payment comes from an account of its own, by which the auditor finds it again (its tag). A file arrives on the
morning after its day, or days late, twice, after its successor, or cut off (and whole later).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any

from billing.money import ZERO, Money
from daemon.demo.bank import Movement, gpc_statement

LATE, TWICE, CUT = 0.04, 0.04, 0.02
"""Chances of a file."""


@dataclass(frozen=True, slots=True)
class BankFile:
    """One file as it arrives."""

    name: str
    arrives_on: date
    data: bytes
    tags: tuple[str, ...]
    """The tags of the payments in it."""
    is_whole: bool = True


@dataclass
class _Account:
    """The bank's side of one account of the ISP."""

    number: str
    speaks_gpc: bool
    balance: Money = ZERO
    statements: int = 0
    movements: list[Movement] = field(default_factory=list)
    """Since the last statement."""
    ids: int = 0


class SimulatedBank:
    """Takes transfers, and writes statements about them."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._accounts = (_Account("2000000005", speaks_gpc=True), _Account("2900000007", speaks_gpc=False))
        self._tags = 0
        self.amounts: dict[str, Money] = {}
        """Of every payment that was ever made, by its tag."""
        self._returning: list[tuple[date, Movement]] = []
        self._on_the_way: list[BankFile] = []

    def transfer(self, amount: Money, variable_symbol: str, specific_symbol: str, today: date) -> None:
        """Somebody pays; the bank may take it back weeks later."""
        self._tags += 1
        tag = f"{1_000_000 + self._tags}/0100"
        account = self._accounts[self._random.random() < 0.3]
        movement = Movement(amount, variable_symbol, specific_symbol, counter_account=tag, message="internet")
        account.movements.append(movement)
        self.amounts[tag] = amount
        if account.speaks_gpc and self._random.random() < 0.01:
            returned = replace(movement, amount=-amount, code="5")
            self._returning.append((today + timedelta(days=self._random.randint(2, 25)), returned))

    def close_day(self, today: date) -> None:
        """Writes the statements of a day, and hands them to the courier."""
        due = [movement for on, movement in self._returning if on <= today]
        self._returning = [each for each in self._returning if each[0] > today]
        self._accounts[0].movements += due
        for account in self._accounts:
            movements, account.movements = tuple(account.movements), []
            account.statements += 1
            data = _gpc(account, movements, today) if account.speaks_gpc else _fio(account, movements, today)
            account.balance += Money.total(movement.amount for movement in movements)
            tags = tuple(movement.counter_account for movement in movements if movement.amount > ZERO)
            name = f"{account.number}-{account.statements:04d}"
            self._on_the_way += self._delivered(BankFile(name, today + timedelta(days=1), data, tags))

    def _delivered(self, file: BankFile) -> Iterator[BankFile]:
        random = self._random
        if random.random() < LATE:
            file = replace(file, arrives_on=file.arrives_on + timedelta(days=random.randint(1, 6)))
        if random.random() < CUT:
            yield replace(file, data=file.data[: random.randrange(len(file.data))], is_whole=False)
            file = replace(file, arrives_on=file.arrives_on + timedelta(days=random.randint(0, 2)))
        yield file
        if random.random() < TWICE:
            yield replace(file, arrives_on=file.arrives_on + timedelta(days=random.randint(0, 30)))

    def arriving(self, today: date) -> list[BankFile]:
        """What arrives today, in an order of the courier's."""
        arrived = [file for file in self._on_the_way if file.arrives_on <= today]
        self._on_the_way = [file for file in self._on_the_way if file.arrives_on > today]
        self._random.shuffle(arrived)
        return arrived


def _gpc(account: _Account, movements: Sequence[Movement], on: date) -> bytes:
    return gpc_statement(account.number, "Test ISP", account.statements, account.balance, movements, on)


def _fio(account: _Account, movements: Sequence[Movement], on: date) -> bytes:
    closing = account.balance + Money.total(movement.amount for movement in movements)
    info = {
        "accountId": account.number, "bankId": "2010", "currency": "CZK", "iban": "", "bic": "FIOBCZPPXXX",
        "openingBalance": account.balance.minor / 100, "closingBalance": closing.minor / 100,
        "dateStart": f"{on}+0100", "dateEnd": f"{on}+0100",
        "yearList": None, "idList": None, "idFrom": None, "idTo": None, "idLastDownload": None,
    }  # fmt: skip
    rows = [_fio_row(account, movement, on) for movement in movements]
    return json.dumps({"accountStatement": {"info": info, "transactionList": {"transaction": rows}}}).encode()


def _fio_row(account: _Account, movement: Movement, on: date) -> dict[str, Any]:
    account.ids += 1
    number, _, bank = movement.counter_account.partition("/")
    values = {
        22: account.ids, 0: f"{on}+0100", 1: movement.amount.minor / 100, 14: "CZK", 2: number, 3: bank,
        5: movement.variable_symbol, 6: movement.specific_symbol, 16: movement.message,
    }  # fmt: skip
    return {f"column{column}": {"name": "?", "value": value, "id": column} for column, value in values.items()}
