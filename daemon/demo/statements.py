"""The statements that arrive from the demo's bank: real GPC files in a folder, numbered, each from the last balance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from billing.money import ZERO, Money
from daemon.demo.bank import Movement, gpc_statement

IBAN = "CZ6508000000192000145399"
ACCOUNT = "19-2000145399"
"""The same account, as statements name it."""


@dataclass
class Statements:
    """The bank's side of the ISP's account."""

    folder: Path
    holder: str
    balance: Money = ZERO
    count: int = 0

    def write(self, movements: Sequence[Movement], on: date) -> Path:
        """The next statement; it adds up."""
        self.count += 1
        data = gpc_statement(
            account=ACCOUNT,
            account_name=self.holder,
            number=self.count,
            old_balance=self.balance,
            movements=movements,
            on=on,
        )
        self.balance += Money.total(movement.amount for movement in movements)
        path = self.folder / f"statement-{self.count:03d}-{on}.gpc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path
