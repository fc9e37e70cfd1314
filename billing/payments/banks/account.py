"""Account numbers: the same account is written in many ways, and this room writes it in one.

Plain form: `19-2000145399/0800`, without leading zeros; the prefix and the bank's code only where they are known.
Banks write the sixteen digits of the ABO format (prefix 6, number 10), subscribers an IBAN.
"""

import re
from dataclasses import dataclass

_NATIONAL = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,10})(?:/([0-9]{4}))?")
_ABO = re.compile(r"([0-9]{0,6})([0-9]{10})(?:/([0-9]{4}))?")
_IBAN = re.compile(r"(?:CZ|SK)[0-9]{2}([0-9]{4})([0-9]{6})([0-9]{10})")

ABO_DIGITS = 16
_INTERNAL_ORDER = (10, 11, 12, 13, 14, 15, 4, 5, 6, 7, 8, 3, 9, 1, 2, 0)
"""Where each digit of prefix and number stands in the "internal" form `C0C8C9C6C1C2C3C4C5C7P1P2P3P4P5P6`."""
_WEIGHTS = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)
"""Of the digits from the right: the weighted sum of a valid prefix or number is a multiple of 11."""


@dataclass(frozen=True, slots=True)
class _Account:
    prefix: str
    number: str
    bank: str


def plain(text: str) -> str:
    """The plain form; what is no Czech or Slovak number (a foreign IBAN) comes back without spaces, in capitals."""
    compact = "".join(text.split()).upper()
    account = _read(compact)
    if account is None:
        return compact
    prefix = f"{account.prefix}-" if account.prefix else ""
    bank = f"/{account.bank}" if account.bank else ""
    return f"{prefix}{account.number}{bank}" if account.number else ""


def same_account(configured: str, in_statement: str) -> bool:
    """Whether both name one account; a bank's code counts only where both sides state it."""
    ours, theirs = (_read("".join(text.split()).upper()) for text in (configured, in_statement))
    if ours is None or theirs is None:
        return bool(plain(configured)) and plain(configured) == plain(in_statement)
    if not ours.number or (ours.prefix, ours.number) != (theirs.prefix, theirs.number):
        return False
    return ours.bank == theirs.bank or not (ours.bank and theirs.bank)


def is_valid(abo: str) -> bool:
    """Whether prefix and number of sixteen ABO digits pass the banks' check modulo 11."""
    return _passes(abo[:6]) and _passes(abo[6:]) and abo[6:].strip("0") != ""


def from_internal(abo: str) -> str:
    """Sixteen digits in the "internal" order of some banks, put back into the order that people know."""
    return "".join(abo[place] for place in _INTERNAL_ORDER)


def _read(compact: str) -> _Account | None:
    iban = _IBAN.fullmatch(compact)
    if iban:
        bank, prefix, number = iban.groups()
    else:
        match = _NATIONAL.fullmatch(compact) or _ABO.fullmatch(compact)
        if match is None:
            return None
        prefix, number, bank = match.groups(default="")
    return _Account(prefix.lstrip("0"), number.lstrip("0"), "" if bank == "0000" else bank)


def _passes(digits: str) -> bool:
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, reversed(digits), strict=False)) % 11 == 0
