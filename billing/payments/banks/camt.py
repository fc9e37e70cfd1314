"""camt.053, the XML statement of ISO 20022, in the dialect of the Czech banks (ČBA) and plain; with it camt.052
(the day so far) and camt.054 (the movements behind a batch). Every version since 002 is read.

    Stmt, Rpt, Ntfctn      a statement, a report of the day so far, a notification; each about one account
      Bal                  OPBD or PRCD is the old balance, CLBD the new one; between pages and in 052 it is ITBD
      TxsSummry            how many entries, and their sums
      Ntry                 an entry (`camt_entry`)

**Czech symbols** stand in `RmtInf/Strd/CdtrRefInf/Ref` as `VS:123`, one `Strd` each; else in the references of the
transaction; else in the payer's own words.

**Reversals**: `RvslInd` (or `RtrInf`, a return) means that the entry takes back one of the opposite kind; the sign
stays that of `CdtDbtInd`.

**The same movement in 052, 053 and 054** is known by `AcctSvcrRef`, failing that `TxId` or `NtryRef`. Where the bank
gives none, a statement numbers by its balances; what 052 and 054 say is then marked as theirs, so that the
statement's movement, when it comes, is seen to be alike and waits for a person instead of being counted again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from xml.etree.ElementTree import Element

from billing.money import ZERO, Money
from billing.payments.banks.account import plain
from billing.payments.banks.amounts import amount
from billing.payments.banks.camt_entry import Entry, Unreadable, day, is_booked, read_entry, signed
from billing.payments.banks.markup import NotReadable, elements, text
from billing.payments.banks.references import References, compact
from billing.payments.banks.statement import (
    ACCOUNT_CHARACTERS_MAX,
    NUMBER_CHARACTERS_MAX,
    PROBLEMS_SHOWN_MAX,
    Statement,
    StatementLine,
    check,
    readable,
    rejected,
)
from config.errors import Problem, StatementRejected

FORMATS = {"Stmt": "camt", "Rpt": "camt052", "Ntfctn": "camt054"}
"""Statement -> how the references begin that had to be made up."""


@dataclass(slots=True)
class _Report:
    """A statement while it is read."""

    element: str = ""
    number: int = 0
    entries: list[Entry] = field(default_factory=list)
    seen: int = 0

    @property
    def place(self) -> str:
        return f"{self.element} {self.number}"


@dataclass(frozen=True, slots=True)
class _Balance:
    code: str
    amount: Money
    currency: str
    on: date


def parse(data: bytes) -> list[Statement]:
    """Every statement of the file, checked; or `StatementRejected`."""
    problems: list[Problem] = []
    statements = []
    try:
        for statement in _statements(data, problems):
            statements.append(statement)
    except NotReadable as error:
        problems.append(Problem("file", readable(str(error))))
    if not statements and not problems:
        problems.append(Problem("file", "is XML, but holds no statement of camt.053, camt.052 or camt.054"))
    if problems:
        raise rejected(problems)
    return statements


def _statements(data: bytes, problems: list[Problem]) -> Iterator[Statement]:
    report = _Report()
    for event, element in elements(data, frozenset(FORMATS), frozenset({"Ntry"})):
        try:
            if event == "start":
                report = _Report(element.tag, report.number + 1)
            elif element.tag == "Ntry":
                _add(report, element)
            elif not problems:
                yield _statement(report, element)
        except Unreadable as error:
            place = f"{report.place}, Ntry {report.seen}" if element.tag == "Ntry" else report.place
            problems.append(Problem(place, str(error)))
        except StatementRejected as error:
            problems += error.problems
        if len(problems) > PROBLEMS_SHOWN_MAX:
            return


def _add(report: _Report, element: Element) -> None:
    report.seen += 1
    if not report.element:
        raise Unreadable("stands outside of any statement")
    if is_booked(element):
        report.entries.append(read_entry(element))


def _statement(report: _Report, element: Element) -> Statement:
    account = plain(text(element, "Acct/Id/IBAN", "Acct/Id/Othr/Id"))
    if not account or len(account) > ACCOUNT_CHARACTERS_MAX:
        raise Unreadable("Acct/Id: the account is missing, or too long for one")
    balances = [_balance(each) for each in element.iterfind("Bal")]
    old, new = _opening(balances), _closing(balances)
    if report.element == "Stmt" and not (old and new):
        raise Unreadable("Bal: an old balance (OPBD, PRCD) and a new one (CLBD) are needed to check it")
    _check_summary(element, report)
    currency = _currency(report, text(element, "Acct/Ccy"), balances)
    lines = _lines(report, old.amount if old and new else None, text(element, "Id"))
    statement = Statement(
        account=account,
        number=readable(text(element, "LglSeqNb", "ElctrncSeqNb", "Id"))[:NUMBER_CHARACTERS_MAX],
        opened_on=old.on if old and new else None,
        closed_on=new.on if old and new else _end(element, lines),
        old_balance=old.amount if old and new else ZERO,
        new_balance=new.amount if old and new else Money.total(line.amount for line in lines),
        lines=lines,
        currency=currency,
        has_balances=bool(old and new),
    )
    check(statement)
    return statement


def _balance(element: Element) -> _Balance:
    value, currency = signed(element, "Amt")
    on = day(element, "Dt/Dt", "Dt/DtTm")
    if value is None or on is None:
        raise Unreadable("Bal: a balance without its amount or its date")
    return _Balance(text(element, "Tp/CdOrPrtry/Cd"), value, currency, on)


def _opening(balances: list[_Balance]) -> _Balance | None:
    """Of two interim balances the first is the old one; of one, nobody knows."""
    interim = [each for each in balances if each.code == "ITBD"]
    named = [each for code in ("OPBD", "PRCD") for each in balances if each.code == code]
    if not named and len(interim) < 2:
        return None
    return [*named, *interim][0]


def _closing(balances: list[_Balance]) -> _Balance | None:
    closing = [each for code in ("ITBD", "CLBD") for each in balances if each.code == code]
    return closing[-1] if closing else None


def _end(element: Element, lines: tuple[StatementLine, ...]) -> date:
    found = day(element, "FrToDt/ToDtTm", "FrToDt/ToDt", "CreDtTm")
    if found is None and not lines:
        raise Unreadable("CreDtTm: the date is missing")
    return max([line.booked_on for line in lines] + ([found] if found else []))


def _currency(report: _Report, of_account: str, balances: list[_Balance]) -> str:
    """The one currency of everything that counts."""
    stated = {each.currency for each in report.entries} | {each.currency for each in balances}
    stated |= {of_account} if of_account else set()
    if len(stated) > 1:
        raise Unreadable(f"Ccy: several currencies in one statement: {', '.join(sorted(stated))}"[:200])
    currency = stated.pop() if stated else ""
    if currency and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise Unreadable(f"Ccy: is no currency: {currency[:10]!r}")
    return currency


def _lines(report: _Report, old: Money | None, name: str) -> tuple[StatementLine, ...]:
    by_bank = References("camt", None)
    made_up = References(FORMATS[report.element], old, f"in{compact(name)}")
    lines = []
    for entry in report.entries:
        for movement in entry.movements:
            line = movement.line
            # Both are asked, so that the balance of the second moves on.
            positional = made_up.of(line, "", movement.code)
            ref = by_bank.by_id(line, movement.own_id, movement.code) if movement.own_id else positional
            lines.append(replace(line, bank_ref=ref))
    return tuple(lines)


def _check_summary(element: Element, report: _Report) -> None:
    """Counts and sums as the bank states them; entries that are not booked may be counted or not."""
    credited = [entry.amount for entry in report.entries if entry.amount >= ZERO]
    debited = [-entry.amount for entry in report.entries if entry.amount < ZERO]
    summary = element.find("TxsSummry")
    _check_count(summary, "TtlNtries", len(report.entries), report.seen)
    if len(report.entries) < report.seen:
        return
    for name, amounts in (("TtlNtries", credited + debited), ("TtlCdtNtries", credited), ("TtlDbtNtries", debited)):
        _check_count(summary, name, len(amounts))
        _check_sum(summary, name, Money.total(amounts))


def _check_count(summary: Element | None, name: str, *counts: int) -> None:
    written = text(summary, f"{name}/NbOfNtries")
    if written and written.lstrip("0") not in {str(count).lstrip("0") for count in counts}:
        raise Unreadable(f"TxsSummry/{name}: it says that it has {written[:20]} entries, but {counts[0]} are there")


def _check_sum(summary: Element | None, name: str, found: Money) -> None:
    written = text(summary, f"{name}/Sum")
    try:
        says = amount(written) if written else found
    except ValueError as error:
        raise Unreadable(f"TxsSummry/{name}/Sum: {error}") from None
    if says not in (found, -found):
        raise Unreadable(f"TxsSummry/{name}: the entries are {found} in sum, but it states {says}")
