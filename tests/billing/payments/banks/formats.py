"""One statement, written in every format: what the parsers must all read alike."""

from datetime import date

from billing.payments.banks.statement import Statement, StatementLine
from tests.billing.payments.banks.bank_files import fio_document, fio_json
from tests.billing.payments.banks.camt_files import balance, details, entry, message, symbols

CSV_COLUMNS = (
    "ID operace", "Datum", "Objem", "Měna", "Protiúčet", "Název protiúčtu", "Kód banky", "KS", "VS", "SS",
    "Zpráva pro příjemce", "Provedl",
)  # fmt: skip


def json(statement: Statement) -> bytes:
    return fio_json(fio_document(statement))


def csv(statement: Statement) -> bytes:
    """Fio's export."""
    year, _, number = statement.number.partition("/")
    assert statement.opened_on
    head = [
        f'Výpis č. {number or 0}/{year or 2000} z účtu ""{statement.account}""',
        f"Období: {_czech(statement.opened_on)} - {_czech(statement.closed_on)}",
        f"Počáteční stav účtu k {_czech(statement.opened_on)}: {_comma(str(statement.old_balance))} CZK",
        f"Koncový stav účtu k {_czech(statement.closed_on)}: {_comma(str(statement.new_balance))} CZK",
    ]
    rows = [CSV_COLUMNS, *(_csv_row(line) for line in statement.lines)]
    table = [";".join(f'"{cell}"' for cell in row) for row in rows]
    return "\r\n".join([*(f'"{text}"' for text in head), "", *table, ""]).encode("utf-8-sig")


def _csv_row(line: StatementLine) -> tuple[str, ...]:
    number, _, bank = line.counter_account.partition("/")
    own_id, amount = line.bank_ref.removeprefix("fio-"), _comma(str(line.amount))
    return (
        own_id, _czech(line.booked_on), amount, "CZK", number, "", bank, line.constant_symbol, line.variable_symbol,
        line.specific_symbol, line.message, "Tajná, Osoba",
    )  # fmt: skip


def camt053(statement: Statement) -> bytes:
    assert statement.opened_on
    entries = "".join(_entry(line) for line in statement.lines)
    old = balance("OPBD", str(statement.old_balance), str(statement.opened_on))
    new = balance("CLBD", str(statement.new_balance), str(statement.closed_on))
    account = f"<Acct><Id><Othr><Id>{statement.account}</Id></Othr></Id><Ccy>CZK</Ccy></Acct>"
    return message(f"<Stmt><Id>{statement.number}</Id>{account}{old}{new}{entries}</Stmt>")


def _entry(line: StatementLine) -> str:
    named = (("VS", line.variable_symbol), ("SS", line.specific_symbol), ("KS", line.constant_symbol))
    party = "Dbtr" if line.amount.minor > 0 else "Cdtr"
    account = f"<{party}Acct><Id><Othr><Id>{line.counter_account}</Id></Othr></Id></{party}Acct>"
    remittance = symbols(*(f"{mark}:{text}" for mark, text in named))
    remittance = remittance.replace("</RmtInf>", f"<AddtlRmtInf>{line.message}</AddtlRmtInf></RmtInf>")
    inside = details(inside=f"<RltdPties>{account}</RltdPties>{remittance}", ref=line.bank_ref)
    return entry(str(line.amount), inside).replace("2026-11-03", str(line.booked_on))


def mt940(statement: Statement) -> bytes:
    assert statement.opened_on
    text = [":20:1", f":25:{statement.account}", ":28C:1"]
    text += [f":60F:{_mt940_balance(str(statement.old_balance), statement.opened_on)}"]
    for line in statement.lines:
        number, _, bank = line.counter_account.partition("/")
        amount = _comma(str(line.amount))
        mark = "D" if amount.startswith("-") else "C"
        own_id = line.bank_ref.removeprefix("fio-").zfill(16)
        text += [f":61:{line.booked_on:%y%m%d%m%d}{mark}{amount.lstrip('-')}NTRFNONREF//{own_id}"]
        text += [f":86:020?20VS:{line.variable_symbol}?21 SS:{line.specific_symbol}?22 KS:{line.constant_symbol}"]
        text += [f"?23 {line.message}?30{bank}?31{number}"]
    text += [f":62F:{_mt940_balance(str(statement.new_balance), statement.closed_on)}", "-", ""]
    return "\r\n".join(text).encode("cp852", "replace")


def _mt940_balance(amount: str, on: date) -> str:
    return f"{'D' if amount.startswith('-') else 'C'}{on:%y%m%d}CZK{_comma(amount).lstrip('-')}"


def _comma(amount: str) -> str:
    return amount.replace(".", ",")


def _czech(on: date) -> str:
    return f"{on:%d.%m.%Y}"


WRITERS = {"fio json": json, "fio csv": csv, "camt053": camt053, "mt940": mt940}
