"""The field `:86:` of MT940: what a movement was for, and who was on the other side.

    020?00TUZEMSKA PLATBA?20VS:1001 SS:26000001?21za rijen?30 0800?31000019-2000145399?32NOVAK JAN

Banks break it after 65 characters, in the middle of a word or of a symbol.
"""

import re
from dataclasses import dataclass

from billing.payments.banks.account import plain
from billing.payments.banks.statement import COUNTER_CHARACTERS_MAX, readable

PURPOSE = (*range(20, 30), *range(60, 64))
NAME = (32, 33)
BANK, ACCOUNT, IBAN = 30, 31, 38
_EMPTY_MARK = re.compile(r"[VSK]S[ :/.]*$", re.IGNORECASE)
_SUBFIELD = re.compile(r"\?([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Details:
    """The parts of `:86:` that matter."""

    purpose: str
    """As one text, because a symbol may run from one subfield into the next."""
    name: str = ""
    counter_account: str = ""


def read_details(text: str) -> Details:
    """Any text is a purpose; where it has subfields, those say what is what."""
    _, *rest = _SUBFIELD.split(text.replace("\n", ""))
    if not rest:
        return Details(" ".join(text.split("\n")))
    fields: dict[int, str] = {}
    for number, value in zip(rest[::2], rest[1::2], strict=True):
        fields[int(number)] = fields.get(int(number), "") + value
    purpose, name = (_joined([fields.get(number, "") for number in numbers]) for numbers in (PURPOSE, NAME))
    return Details(purpose, name, _counter_account(fields))


def _joined(parts: list[str]) -> str:
    """The parts without a gap. Only a mark that names nothing must not find its symbol in the words after it."""
    return "".join(f"{part}\n" if _EMPTY_MARK.search(part) else part for part in parts)


def _counter_account(fields: dict[int, str]) -> str:
    account, bank, iban = ("".join(readable(fields.get(number, "")).split()) for number in (ACCOUNT, BANK, IBAN))
    is_czech = len(bank) == 4 and bank.isdigit() and account[:1].isdigit() and "/" not in account
    return plain(f"{account}/{bank}" if is_czech else account or iban)[:COUNTER_CHARACTERS_MAX]
