"""GPC, also called ABO: the fixed columns in which Czech banks have handed out statements since the nineties.

    074  header: account, balances, turnovers, number and date of the statement      128 characters
    075  movement; the extended ABO of Česká spořitelna appends the message to the same line
    076  identification; 078 and 079  message: further lines of the movement above them (KB, ČSOB, Fio)

Columns are counted from 1, amounts stand in haléře, dates are ddmmyy. One file may hold many statements.

**The posting code 4.** The banks' own papers contradict each other: the older one reads it as the storno of a
debit (money comes back), the one of 2025 as the storno of a credit (money goes away). A statement that uses it
is read both ways; the way in which every sum agrees is taken, and if neither agrees the file is refused.

A file does not name its bank, so the bank's habit can't be looked up: what each code means is in `_OLDER_PAPER` and
`_PAPER_OF_2025`, and the sums decide. The code itself stays in the reference of the movement.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from billing.money import Money
from billing.payments.banks.account import ABO_DIGITS, from_internal, is_valid, plain
from billing.payments.banks.columns import Record, Unreadable, decode, records
from billing.payments.banks.references import References
from billing.payments.banks.statement import (
    PROBLEMS_SHOWN_MAX,
    Reverses,
    Statement,
    StatementLine,
    check,
    readable,
    rejected,
)
from config.errors import Problem, StatementRejected

HEADER_CHARACTERS = 114
"""Columns 115-128 of a header are filler, which editors like to cut off."""
MOVEMENT_CHARACTERS = 128
MESSAGE_FIRST, MESSAGE_LAST = 129, 268
"""The four times 35 characters of message in the extended ABO."""
FURTHER_KINDS = ("076", "078", "079")

_Paper = dict[str, tuple[int, Reverses]]
_OLDER_PAPER: _Paper = {"1": (-1, ""), "2": (1, ""), "3": (1, "debit"), "4": (1, "debit"), "5": (-1, "credit")}
_PAPER_OF_2025: _Paper = {**_OLDER_PAPER, "4": (-1, "credit")}
"""Posting code -> the sign of its amount, and what it takes back."""
_CURRENCIES = {"0203": "CZK", "0978": "EUR", "0840": "USD", "0826": "GBP", "0756": "CHF", "0985": "PLN", "0348": "HUF"}
"""ISO numbers in columns 119-122, as Fio writes them; at others a kind of data stands there, such as 1101."""


@dataclass(slots=True)
class _Movement:
    """A 075 record with the lines that continue it."""

    record: Record
    further: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """A 074 record with the movements below it."""

    header: Record
    movements: list[_Movement] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """A movement that was read; its sign depends on the paper by which its code is understood."""

    code: str
    document: str
    line: StatementLine
    currency: str

    def by(self, paper: _Paper) -> StatementLine:
        sign, reverses = paper[self.code]
        return replace(self.line, amount=Money(sign * self.line.amount.minor), reverses=reverses)


def parse(data: bytes) -> list[Statement]:
    """Every statement of the file, checked; or `StatementRejected`."""
    problems: list[Problem] = []
    statements = []
    for block in _blocks(records(decode(data)), problems):
        try:
            statements.append(_statement(block, problems))
        except Unreadable as error:
            problems.append(error.problem)
        except StatementRejected as error:
            problems += error.problems
        if len(problems) > PROBLEMS_SHOWN_MAX:
            break
    if not statements and not problems:
        problems.append(Problem("line 1", "no statement is in the file: no line begins with 074"))
    if problems:
        raise rejected(problems)
    return statements


def _blocks(lines: Iterator[Record], problems: list[Problem]) -> Iterator[_Block]:
    block: _Block | None = None
    for record in lines:
        if record.kind == "074":
            if block:
                yield block
            block = _Block(record)
        elif block is None:
            problems.append(Problem(f"line {record.number}", f"a header 074 must come first, not {record.kind!r}"))
        elif record.kind == "075":
            block.movements.append(_Movement(record))
        elif record.kind in FURTHER_KINDS and block.movements:
            block.movements[-1].further.append(record)
        else:
            problems.append(Problem(f"line {record.number}, columns 1-3", f"unexpected record {record.kind!r}"))
        if len(problems) > PROBLEMS_SHOWN_MAX:
            return
    if block:
        yield block


def _statement(block: _Block, problems: list[Problem]) -> Statement:
    """The statement of one block, checked by the paper that fits it. Unreadable movements go to `problems`."""
    header = block.header
    header.require(HEADER_CHARACTERS)
    own = header.digits(4, 19, "the account")
    is_internal = not is_valid(own) and is_valid(from_internal(own))
    items = _items(block, own, is_internal, problems)
    old_balance = header.signed(46, 59, "the old balance")
    unsigned = Statement(
        account=_account(own, "", is_internal),
        number=header.digits(106, 108, "the statement number").lstrip("0"),
        opened_on=header.day(40, 45, "the date of the old balance"),
        closed_on=header.day(109, 114, "the date of the statement"),
        old_balance=old_balance,
        new_balance=header.signed(61, 74, "the new balance"),
        debits=header.turnover(76, 89, "the turnover of debits"),
        credits=header.turnover(91, 104, "the turnover of credits"),
        lines=(),
        currency=_currency(items),
    )
    return unsigned if problems else _by_the_paper_that_fits(unsigned, items)


def _by_the_paper_that_fits(unsigned: Statement, items: list[_Item]) -> Statement:
    older, of_2025 = (replace(unsigned, lines=_lines(unsigned, items, by)) for by in (_OLDER_PAPER, _PAPER_OF_2025))
    try:
        check(older)
    except StatementRejected as by_older:
        if older == of_2025:
            raise
        try:
            check(of_2025)
        except StatementRejected as by_2025:
            both = [
                Problem(problem.place, f"code 4 as storno debit: {problem.message}") for problem in by_older.problems
            ]
            both += [
                Problem(problem.place, f"code 4 as storno credit: {problem.message}") for problem in by_2025.problems
            ]
            raise rejected(both) from None
        return of_2025
    return older


def _lines(unsigned: Statement, items: list[_Item], paper: _Paper) -> tuple[StatementLine, ...]:
    references = References("gpc", unsigned.old_balance)
    lines = ((item, item.by(paper)) for item in items)
    return tuple(replace(line, bank_ref=references.of(line, item.document, item.code)) for item, line in lines)


def _items(block: _Block, own: str, is_internal: bool, problems: list[Problem]) -> list[_Item]:
    items: list[_Item] = []
    for movement in block.movements:
        if len(problems) > PROBLEMS_SHOWN_MAX:
            break
        try:
            items.append(_item(movement, own, is_internal))
        except Unreadable as error:
            problems.append(error.problem)
    return items


def _item(movement: _Movement, own: str, is_internal: bool) -> _Item:
    record = movement.record
    record.require(MOVEMENT_CHARACTERS)
    if record.field(4, 19) != own:
        raise record.unreadable(4, 19, f"the account {record.field(4, 19)!r} is not the header's {own!r}")
    code = record.field(61, 61)
    if code not in _OLDER_PAPER:
        raise record.unreadable(61, 61, f"unknown posting code {code!r}")
    counter = record.digits_or_blank(20, 35, "the counter-account") or "0" * ABO_DIGITS
    line = StatementLine(
        bank_ref="",
        booked_on=record.day(123, 128, "the date of posting"),
        amount=Money(int(record.digits(49, 60, "amount"))),
        variable_symbol=record.symbol(62, 71, "the variable symbol"),
        constant_symbol=record.symbol(78, 81, "the constant symbol"),
        specific_symbol=record.symbol(82, 91, "the specific symbol"),
        counter_account=_account(counter, record.digits_or_blank(74, 77, "the bank code"), is_internal),
        message=_message(movement),
    )
    return _Item(code, record.field(36, 48), line, _CURRENCIES.get(record.field(119, 122), ""))


def _message(movement: _Movement) -> str:
    """The short text, mostly the other party's name, and the message from wherever the bank puts it."""
    texts = [movement.record.field(98, 117), movement.record.field(MESSAGE_FIRST, MESSAGE_LAST)]
    texts += [further.text[3:] for further in movement.further if further.kind != "076"]
    return readable(" ".join(texts))


def _account(abo: str, bank: str, is_internal: bool) -> str:
    digits = from_internal(abo) if is_internal else abo
    return plain(f"{digits}/{bank}" if bank else digits)


def _currency(items: list[_Item]) -> str:
    stated = {item.currency for item in items if item.currency}
    return stated.pop() if len(stated) == 1 else ""
