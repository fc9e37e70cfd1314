"""One `Ntry` of a camt message -> its movements.

The amount of an entry is its own `Amt`, never one that stands deeper: charges have amounts, too. A batch becomes one
movement per `TxDtls` if their amounts make the entry's; what the bank kept of it as charges is a movement of its own.
"""

from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from xml.etree.ElementTree import Element

from billing.money import ZERO, Money
from billing.payments.banks.account import plain
from billing.payments.banks.amounts import amount
from billing.payments.banks.markup import text, texts
from billing.payments.banks.references import compact, is_own_id
from billing.payments.banks.statement import COUNTER_CHARACTERS_MAX, Reverses, StatementLine, readable
from billing.payments.banks.symbols import symbols_in

_SYMBOL_REFERENCES = ("EndToEndId", "PmtInfId", "InstrId", "MsgId")
_OWN_WORDS = ("RmtInf/Ustrd", "RmtInf/Strd/AddtlRmtInf")


class Unreadable(ValueError):
    """An element is not what the standard promises."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A line that still has to get its reference."""

    own_id: str
    """The bank's own, or empty."""
    line: StatementLine

    @property
    def code(self) -> str:
        return "D" if self.line.amount < ZERO else "C"


@dataclass(frozen=True, slots=True)
class Entry:
    """A booked entry and the movements that it is made of."""

    amount: Money
    currency: str
    movements: tuple[Movement, ...]


def is_booked(entry: Element) -> bool:
    """Pending and informational entries are no money yet."""
    status = text(entry, "Sts/Cd", "Sts/Prtry", "Sts")
    if not status:
        raise Unreadable("Sts: the status is missing")
    return status == "BOOK"


def read_entry(entry: Element) -> Entry:
    """Raises `Unreadable` if anything in it contradicts anything else."""
    whole, currency = signed(entry, "Amt")
    if whole is None:
        raise Unreadable("Amt: the amount is missing")
    details = entry.findall("NtryDtls/TxDtls")
    own_id = _own_id(entry, "AcctSvcrRef", "NtryRef")
    total = Movement(own_id, _line(entry, details[0] if len(details) == 1 else None, whole))
    batch = entry.find("NtryDtls/Btch")
    count = _batch_count(batch, len(details))
    if len(details) > 1:
        return Entry(whole, currency, tuple(_parts(entry, details, total, currency, batch)))
    if details:
        own_id = _own_id(details[0], "Refs/AcctSvcrRef", "Refs/TxId") or own_id
    line = total.line
    if batch is not None and not details and count != 1:
        line = replace(line, is_batch_total=True, batch_ref=_batch_ref(batch, own_id))
    return Entry(whole, currency, (Movement(own_id, line),))


def signed(element: Element, path: str, default: str = "") -> tuple[Money | None, str]:
    """The amount below an element with the sign of its `CdtDbtInd`, and its currency; None if there is no amount."""
    found = element.find(path)
    if found is None:
        return None, ""
    try:
        value = amount(text(found))
    except ValueError as error:
        raise Unreadable(f"{path}: {error}") from None
    sign = text(element, "CdtDbtInd") or default
    if sign not in ("CRDT", "DBIT"):
        raise Unreadable(f"CdtDbtInd: is neither CRDT nor DBIT: {sign[:10]!r}")
    if value < ZERO:
        raise Unreadable(f"{path}: is negative, although CdtDbtInd says the sign: {value}")
    return (-value if sign == "DBIT" else value), found.get("Ccy", "")


def day(element: Element | None, *paths: str) -> date | None:
    """The first date, or day of an instant, at one of the paths; None if there is none."""
    written = text(element, *paths)
    try:
        return date.fromisoformat(written[:10]) if written else None
    except ValueError:
        raise Unreadable(f"{paths[0]}: is not a date like 2026-11-03: {written[:40]!r}") from None


def _own_id(element: Element, *paths: str) -> str:
    return next((found for path in paths if is_own_id(found := compact(text(element, path)))), "")


def _batch_count(batch: Element | None, there: int) -> int:
    """How many payments the batch says it has; 0 if it does not say."""
    written = text(batch, "NbOfTxs")
    if not written:
        return 0
    if not (written.isascii() and written.isdigit() and len(written) <= 9):
        raise Unreadable(f"NtryDtls/Btch/NbOfTxs: is not a number: {written[:40]!r}")
    if there and int(written) != there:
        raise Unreadable(f"NtryDtls/Btch: has {written} transactions, but {there} are there")
    return int(written)


def _batch_ref(batch: Element | None, own_id: str) -> str:
    return compact(text(batch, "PmtInfId", "MsgId")) or own_id


def _parts(
    entry: Element, details: list[Element], total: Movement, currency: str, batch: Element | None
) -> list[Movement]:
    """One movement for each payment of a batch, and one for the charges; together they are the entry."""
    direction = text(entry, "CdtDbtInd")
    batch_ref = _batch_ref(batch, total.own_id)
    parts = []
    for number, transaction in enumerate(details, start=1):
        line = replace(_line(entry, transaction, _part(transaction, direction, currency)), batch_ref=batch_ref)
        made_up = f"{total.own_id[-30:]}/{number}" if total.own_id else ""
        parts.append(Movement(_own_id(transaction, "Refs/AcctSvcrRef", "Refs/TxId") or made_up, line))
    moved = Money.total(part.line.amount for part in parts)
    if moved == total.line.amount:
        return parts
    charges = sum((_charges(each, currency) for each in (entry, *details)), ZERO)
    if moved - charges != total.line.amount:
        raise Unreadable(f"Amt: is {total.line.amount}, but its {len(parts)} transactions are {moved} in sum")
    kept = StatementLine("", total.line.booked_on, -charges, message="bank charges", batch_ref=batch_ref)
    return [*parts, Movement(f"{total.own_id[-30:]}/charges" if total.own_id else "", kept)]


def _part(transaction: Element, direction: str, currency: str) -> Money:
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        found, stated = signed(transaction, path, direction)
        if found is not None and stated == currency:
            return found
    raise Unreadable(f"TxDtls/Amt: an amount in {currency} is missing in one of several transactions")


def _charges(element: Element, currency: str) -> Money:
    """What the bank kept; a charge that is paid back counts less than nothing."""
    kept = ZERO
    for charge in chain(element.iterfind("Chrgs"), element.iterfind("Chrgs/Rcrd")):
        found, stated = signed(charge, "Amt", "DBIT")
        if found is not None and stated == currency:
            kept -= found
    return kept


def _line(entry: Element, transaction: Element | None, value: Money) -> StatementLine:
    booked_on = day(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")
    if booked_on is None:
        raise Unreadable("BookgDt: the date is missing")
    reverses = _reverses(entry, transaction, value)
    words = [*chain.from_iterable(texts(transaction, path) for path in _OWN_WORDS)]
    notes = [*texts(transaction, "AddtlTxInf"), *texts(entry, "AddtlNtryInf")]
    symbols = symbols_in(
        texts(transaction, "RmtInf/Strd/CdtrRefInf/Ref"),
        [text(transaction, f"Refs/{name}") for name in _SYMBOL_REFERENCES],
        words,
        notes,
    )
    payer = "Dbtr" if (value > ZERO) != bool(reverses) else "Cdtr"
    return StatementLine(
        bank_ref="",
        booked_on=booked_on,
        amount=value,
        variable_symbol=symbols.variable,
        specific_symbol=symbols.specific,
        constant_symbol=symbols.constant if len(symbols.constant) <= 4 else "",
        counter_account=_counter_account(transaction, payer),
        message=readable(" ".join([text(transaction, *_names(payer)), *(words or notes)])),
        reverses=reverses,
    )


def _reverses(entry: Element, transaction: Element | None, value: Money) -> Reverses:
    is_reversal = text(entry, "RvslInd") in ("true", "1")
    is_return = transaction is not None and transaction.find("RtrInf") is not None
    if not (is_reversal or is_return):
        return ""
    return "credit" if value < ZERO else "debit"


def _names(payer: str) -> tuple[str, ...]:
    return f"RltdPties/{payer}/Nm", f"RltdPties/{payer}/Pty/Nm"


def _counter_account(transaction: Element | None, payer: str) -> str:
    if transaction is None:
        return ""
    account = text(transaction, f"RltdPties/{payer}Acct/Id/IBAN", f"RltdPties/{payer}Acct/Id/Othr/Id")
    agent = f"RltdAgts/{payer}Agt/FinInstnId"
    bank = text(transaction, f"{agent}/ClrSysMmbId/MmbId", f"{agent}/Othr/Id")
    is_czech = len(bank) == 4 and bank.isdigit() and account[:1].isdigit() and "/" not in account
    return readable(plain(f"{account}/{bank}" if is_czech else account))[:COUNTER_CHARACTERS_MAX]
