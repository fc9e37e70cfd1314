"""Whose a waiting payment may be: what speaks for each contract, weighed. Pure; nothing is ever assigned by it.

    weight   what speaks for a contract
    9        the variable symbol is its own number (the payment waits for another reason)
    8        a person assigned an earlier payment from the same account to it
    6        the variable symbol is the number of one of its invoices
    5        the specific symbol, or a number in the message, is its own or that of one of its invoices
    4        its number is the variable symbol with one digit mistyped, missing, too many, or two swapped
    3        its customer's name stands in the message
    2        the amount is exactly what is open of one of its invoices, or of all of them

What speaks for a contract adds up. The amount alone is named only while few contracts have it open.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from billing.money import ZERO, Money
from billing.payments.rules import OpenInvoice

SUGGESTIONS_MAX = 3
CONTRACTS_OF_AN_AMOUNT_MAX = 3
"""More than these owe exactly this: then it says nothing."""
NAME_LETTERS_MIN = 3
_DIGITS = re.compile(r"(?<![0-9])0*([1-9][0-9]{2,9})(?![0-9])")
_WORDS = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contract that may be meant."""

    number: str
    customer_name: str
    invoices: tuple[OpenInvoice, ...] = ()
    """Those that are open, the oldest first."""
    invoice_numbers: frozenset[str] = frozenset()
    """Numbers of any of its invoices that the payment names."""
    is_remembered: bool = False
    """A person assigned an earlier payment of the same counter-account to it."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What a waiting payment says."""

    amount: Money
    variable_symbol: str = ""
    specific_symbol: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A contract, or one of its invoices, that may be meant, and why."""

    contract_number: str
    customer_name: str
    invoice_number: str
    """Which one to pay first; empty: the oldest."""
    weight: int
    why: str


def suggest(clues: Clues, candidates: Iterable[Candidate]) -> list[Suggestion]:
    """The likeliest contracts, the best first."""
    found = []
    for candidate in candidates:
        reasons = list(_reasons(clues, candidate))
        if reasons:
            weight = sum(weight for weight, _ in reasons)
            why = "; ".join(words for _, words in reasons)
            meant = _meant(clues, candidate)
            found.append(Suggestion(candidate.number, candidate.customer_name, meant, weight, why))
    found.sort(key=lambda each: (-each.weight, len(each.contract_number), each.contract_number))
    return found[:SUGGESTIONS_MAX]


def _reasons(clues: Clues, candidate: Candidate) -> Iterator[tuple[int, str]]:
    symbol = clues.variable_symbol
    if symbol == candidate.number:
        yield 9, "the variable symbol is its number"
    if candidate.is_remembered:
        yield 8, "a person assigned an earlier payment of this account to it"
    if symbol in candidate.invoice_numbers:
        yield 6, f"the variable symbol is its invoice {symbol}"
    own = candidate.invoice_numbers | {candidate.number}
    if clues.specific_symbol in own:
        yield 5, f"the specific symbol is its {_kind(clues.specific_symbol, candidate)}"
    named = sorted(own.intersection(numbers_in(clues.message)))
    if named:
        yield 5, f"the message has its {_kind(named[0], candidate)}"
    if candidate.number in neighbours(symbol):
        yield 4, f"its number is {symbol} but for one digit"
    if is_named(candidate.customer_name, words_of(clues.message)):
        yield 3, "its customer's name is in the message"
    if exact := _exact(clues.amount, candidate):
        yield 2, exact


def _kind(number: str, candidate: Candidate) -> str:
    return "number" if number == candidate.number else f"invoice {number}"


def _exact(amount: Money, candidate: Candidate) -> str:
    for invoice in candidate.invoices:
        if invoice.open == amount:
            return f"exactly what is open of invoice {invoice.number}"
    is_all = bool(candidate.invoices) and Money.total(each.open for each in candidate.invoices) == amount
    return "exactly all that it owes" if is_all else ""


def _meant(clues: Clues, candidate: Candidate) -> str:
    """The open invoice that is named, or that has exactly the amount open."""
    open_numbers = [each.number for each in candidate.invoices if each.open > ZERO]
    named = [clues.variable_symbol, clues.specific_symbol, *numbers_in(clues.message)]
    by_name = [number for number in named if number in open_numbers]
    by_amount = [each.number for each in candidate.invoices if each.open == clues.amount]
    return next(iter([*by_name, *by_amount]), "")


def numbers_in(message: str) -> list[str]:
    """Numbers of 3 to 10 digits that stand in a text, without leading zeros."""
    return _DIGITS.findall(message)


def neighbours(symbol: str) -> set[str]:
    """What somebody may have meant who typed this: one digit changed, left out, put in, or two swapped."""
    if not symbol:
        return set()
    cuts = [(symbol[:place], symbol[place:]) for place in range(len(symbol) + 1)]
    digits = "0123456789"
    found = {left + right[1:] for left, right in cuts if right}
    found |= {left + digit + right[1:] for left, right in cuts if right for digit in digits}
    found |= {left + digit + right for left, right in cuts for digit in digits if len(symbol) < 10}
    found |= {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
    return {each for each in found if each and not each.startswith("0")} - {symbol}


def words_of(text: str) -> frozenset[str]:
    """The words of a text without accents, in small letters, as a bank may have mangled them."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return frozenset(_WORDS.findall(plain))


def is_named(name: str, words: frozenset[str]) -> bool:
    """Whether all longer words of a name are among the words; a single one must be long."""
    parts = [word for word in words_of(name) if len(word) >= NAME_LETTERS_MIN]
    is_telling = len(parts) > 1 or any(len(part) > 2 * NAME_LETTERS_MIN for part in parts)
    return is_telling and words.issuperset(parts)
