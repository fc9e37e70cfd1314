"""Whose payment it is, and what it pays: the rules of matching, as pure functions that explain themselves.

    variable symbol    names the contract; without one, exactly one `/VS…` in the message stands for it
    specific symbol    names the invoice that is paid first; alone it decides nothing
    the rest           pays the other open invoices, the oldest first (by due date, then number)
    what is left       is the contract's credit
    anything else      waits for a person, with the reason

Leading zeros of symbols mean nothing: banks pad them, people don't. An invoice whose open amount is zero or
negative is never paid here; what makes no sense is left to a person.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from billing.money import ZERO, Money
from billing.payments.banks.statement import StatementLine

S = TypeVar("S")

_VS_IN_MESSAGE = re.compile(r"/VS[/:]?0*([1-9][0-9]{0,9})(?![0-9])", re.IGNORECASE)
_SS_IN_MESSAGE = re.compile(r"/SS[/:]?0*([1-9][0-9]{0,9})(?![0-9])", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class Match:
    """What becomes of a payment: its shares and the rest are together its amount."""

    contract_id: int | None
    shares: tuple[Share, ...]
    rest: Money
    """Credit of the contract; the whole payment while it waits."""
    why: str

    @property
    def state(self) -> str:
        return "waiting" if self.contract_id is None else "matched"


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


def match(line: StatementLine, debtors: Mapping[str, Debtor]) -> Match:
    """Decides about one credit line; `debtors` by contract number, as they stand before this payment."""
    if line.is_storno:
        return _waits(line.amount, "takes back an earlier debit: no payment of a subscriber")
    found = symbols(line)
    if not found.variable:
        return _waits(line.amount, _why_nameless(line, found))
    debtor = debtors.get(found.variable)
    if debtor is None:
        return _waits(line.amount, f"{found.where.format(found.variable)} is no contract")
    return pay(line.amount, debtor, found.specific, found.where.format(found.variable))


def pay(amount: Money, debtor: Debtor, first_number: str, why: str) -> Match:
    """Spends a payment on a contract: the invoice that was named, then the oldest; the rest is credit."""
    named = [each for each in debtor.invoices if first_number and each.number == first_number and each.open > ZERO]
    others = sorted((each for each in debtor.invoices if each not in named), key=_age)
    shares, rest = _spend(amount, [*named, *others])
    return Match(debtor.contract_id, shares, rest, "; ".join([why, *_order_words(first_number, named, shares, rest)]))


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


def _waits(amount: Money, why: str) -> Match:
    return Match(None, (), amount, why)


def _age(invoice: OpenInvoice) -> tuple[date, int, str]:
    return invoice.due_on, len(invoice.number), invoice.number


def _bare(symbol: str) -> str:
    return symbol.strip().lstrip("0")


def _only(found: Sequence[str]) -> str:
    """The one value that was found, or nothing if there is none or they differ."""
    return found[0] if len(set(found)) == 1 else ""
