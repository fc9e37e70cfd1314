"""Whose payment it is, and what it pays: the rules of matching, as pure functions that explain themselves.

    variable symbol    names the contract; without one, exactly one `VS 123`, `/VS/123`, `VS:123` in the message does
    specific symbol    names the invoice that is paid first; alone it decides nothing
    the rest           pays the other open invoices, the oldest first (by due date, then number)
    what is left       is the contract's credit
    an invoice number  as variable symbol counts only with a second sign that it is meant: the amount is exactly
                       what is open of that invoice, or the specific symbol is its contract (the two were swapped)
    a debit taken back is nobody's payment, and is set aside
    anything else      waits for a person, with the reason (`suggestions.py` says whose it may be)

Leading zeros of symbols mean nothing: banks pad them, people don't. An invoice whose open amount is zero or
negative is never paid here; what makes no sense is left to a person.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeVar

from billing.money import ZERO, Money
from billing.payments.banks.account import plain
from billing.payments.banks.statement import StatementLine

S = TypeVar("S")
_NOBODY: Mapping[str, str] = {}

_MARK = r"(?<![A-Za-z]){}[\s:/.]{{0,2}}0*([1-9][0-9]{{0,9}})(?![0-9])"
_VS_IN_MESSAGE, _SS_IN_MESSAGE = (re.compile(_MARK.format(mark), re.IGNORECASE) for mark in ("VS", "SS"))


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An invoice that can be paid."""

    id: int
    number: str
    due_on: date
    open: Money


@dataclass(frozen=True, slots=True)
class Debtor:
    """A contract and what it can pay."""

    contract_id: int
    number: str
    invoices: tuple[OpenInvoice, ...] = ()

    def after(self, shares: Iterable["Share"]) -> "Debtor":
        """The same contract once these shares are paid."""
        paid = {share.invoice_id: share.amount for share in shares}
        return replace(self, invoices=tuple(_left(self.invoices, paid))) if paid else self


@dataclass(frozen=True, slots=True)
class Share:
    """So much of a payment for that invoice."""

    invoice_id: int
    invoice_number: str
    amount: Money


def total(shares: Iterable[Share]) -> Money:
    return Money.total(share.amount for share in shares)


def by_invoice(shares: Iterable[Share]) -> dict[str, Money]:
    """How much of which invoice (by its number) is paid."""
    return {share.invoice_number: share.amount for share in shares}


@dataclass(frozen=True, slots=True)
class Match:
    """What becomes of a payment: its shares and the rest are together its amount."""

    contract_id: int | None
    shares: tuple[Share, ...]
    rest: Money
    """Credit of the contract; the whole payment while it waits or is ignored."""
    why: str
    state: Literal["matched", "waiting", "ignored"] = "matched"
    contract_number: str = ""


@dataclass(frozen=True, slots=True)
class Symbols:
    """The variable and the specific symbol of a payment, and how they were found."""

    variable: str
    specific: str
    where: str = "variable symbol {}"


def symbols(line: StatementLine) -> Symbols:
    """The payment's symbols, from the fields meant for them or, failing those, from the message."""
    specific = _bare(line.specific_symbol)
    if variable := _bare(line.variable_symbol):
        return Symbols(variable, specific)
    in_message = _only(_VS_IN_MESSAGE.findall(line.message))
    if not in_message:
        return Symbols("", specific)
    return Symbols(
        in_message, specific or _only(_SS_IN_MESSAGE.findall(line.message)), "variable symbol {} in the message"
    )


def match(line: StatementLine, debtors: Mapping[str, Debtor], owners: Mapping[str, str] = _NOBODY) -> Match:
    """Decides about one credit line.

    `debtors` by contract number, as they stand before this payment; `owners` says of an invoice's number whose
    contract number it has. Both need to hold only what the line's symbols name.
    """
    if line.reverses == "debit":
        return Match(None, (), line.amount, "takes back an earlier debit: no payment of a subscriber", "ignored")
    found = symbols(line)
    if not found.variable:
        return waits(line.amount, _why_nameless(line, found))
    debtor = debtors.get(found.variable)
    if debtor is not None:
        return pay(line.amount, debtor, found.specific, found.where.format(found.variable))
    owner = debtors.get(owners.get(found.variable, ""))
    if owner is not None:
        return _match_by_invoice(line.amount, owner, found)
    return waits(line.amount, f"{found.where.format(found.variable)} is no contract")


def _match_by_invoice(amount: Money, owner: Debtor, found: Symbols) -> Match:
    """The variable symbol is the number of an invoice, a frequent mistake; it counts with a second sign."""
    is_invoice = f"{found.where.format(found.variable)} is an invoice of contract {owner.number}"
    open_amount = next((each.open for each in owner.invoices if each.number == found.variable), ZERO)
    if found.specific == owner.number:
        return pay(amount, owner, found.variable, f"{is_invoice}, which is the specific symbol")
    if open_amount == amount:
        return pay(amount, owner, found.variable, f"{is_invoice}, and the amount is exactly what is open")
    what_is_open = f"of which {open_amount} is open" if open_amount > ZERO else "of which nothing is open"
    return waits(amount, f"{is_invoice}, {what_is_open}")


def pay(amount: Money, debtor: Debtor, first_number: str, why: str) -> Match:
    """Spends a payment on a contract: the invoice that was named, then the oldest; the rest is credit."""
    named = [each for each in debtor.invoices if first_number and each.number == first_number and each.open > ZERO]
    others = sorted((each for each in debtor.invoices if each not in named), key=_age)
    shares, rest = _spend(amount, [*named, *others])
    words = "; ".join([why, *_order_words(first_number, named, shares, rest)])
    return Match(debtor.contract_id, shares, rest, words, contract_number=debtor.number)


def waits(amount: Money, why: str) -> Match:
    """Nobody can tell whose it is: a person must."""
    return Match(None, (), amount, why, "waiting")


@dataclass(frozen=True, slots=True)
class Received:
    """An earlier payment, as far as its return can name it."""

    id: int
    booked_on: date
    amount: Money
    variable_symbol: str
    specific_symbol: str
    counter_account: str
    contract_id: int | None
    is_returned: bool = False


def taken_back(line: StatementLine, received: Sequence[Received]) -> tuple[int | None, str]:
    """Which payment a return means, or None; and why. `line.amount` is what left the account again, positive.

    The amount is the same, and so is the variable symbol or the counter-account; what both sides state agrees.
    Of several the latest is meant, if they are all of one contract and that one has not come back already.
    """
    meant = [each for each in received if _may_be_meant(line, each)]
    if not meant:
        return None, f"no payment of {line.amount} with that variable symbol or counter-account came before"
    latest = max(meant, key=lambda each: (each.booked_on, each.id))
    if latest.is_returned:
        return None, f"payment {latest.id} is meant, but it was returned already: is it the same return?"
    if len({each.contract_id for each in meant}) > 1:
        return None, f"payments {', '.join(str(each.id) for each in meant)} of different contracts may be meant"
    return latest.id, f"the latest payment of {line.amount} with the same symbols and counter-account"


def _may_be_meant(line: StatementLine, earlier: Received) -> bool:
    if earlier.amount != line.amount or earlier.booked_on > line.booked_on:
        return False
    symbol, payer, invoice = (
        (_bare(symbols(line).variable), _bare(earlier.variable_symbol)),
        (plain(line.counter_account), plain(earlier.counter_account)),
        (_bare(line.specific_symbol), _bare(earlier.specific_symbol)),
    )
    stated = [pair for pair in (symbol, payer, invoice) if all(pair)]
    return any(all(pair) for pair in (symbol, payer)) and all(ours == theirs for ours, theirs in stated)


def use_credit(unused: Sequence[tuple[S, Money]], debtor: Debtor) -> Iterator[tuple[S, tuple[Share, ...]]]:
    """What the unused money of earlier payments and credit notes pays, (its source, shares); the oldest first."""
    for source, amount in unused:
        shares, _ = _spend(amount, sorted(debtor.invoices, key=_age))
        if shares:
            yield source, shares
        debtor = debtor.after(shares)


def _left(invoices: Iterable[OpenInvoice], paid: Mapping[int, Money]) -> Iterator[OpenInvoice]:
    for invoice in invoices:
        amount = paid.get(invoice.id)
        if amount is None:
            yield invoice
        elif amount != invoice.open:
            yield replace(invoice, open=invoice.open - amount)


def _spend(amount: Money, invoices: Iterable[OpenInvoice]) -> tuple[tuple[Share, ...], Money]:
    shares = []
    for invoice in invoices:
        share = min(amount, invoice.open)
        if share > ZERO:
            shares.append(Share(invoice.id, invoice.number, share))
            amount -= share
    return tuple(shares), amount


def _order_words(first: str, named: Sequence[OpenInvoice], shares: Sequence[Share], rest: Money) -> Iterator[str]:
    if named:
        yield f"invoice {first} is paid first"
    elif first:
        yield f"the contract has no open invoice {first}, so the oldest is paid first"
    elif shares:
        yield "no specific symbol, so the oldest is paid first"
    if rest:
        yield f"{rest} stays as credit"


def _why_nameless(line: StatementLine, found: Symbols) -> str:
    if len(set(_VS_IN_MESSAGE.findall(line.message))) > 1:
        return "no variable symbol, and the message names more than one"
    if found.specific:
        return f"no variable symbol; specific symbol {found.specific} alone does not say whose it is"
    return "no variable symbol"


def _age(invoice: OpenInvoice) -> tuple[date, int, str]:
    return invoice.due_on, len(invoice.number), invoice.number


def _bare(symbol: str) -> str:
    return symbol.strip().lstrip("0")


def _only(found: Sequence[str]) -> str:
    """The one value that was found, or nothing if there is none or they differ."""
    return found[0] if len(set(found)) == 1 else ""
