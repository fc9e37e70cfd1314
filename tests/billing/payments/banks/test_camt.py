"""camt.053, 052 and 054: the booked amounts, the Czech symbols, batches, reversals, and what is refused."""

from dataclasses import replace
from datetime import date

import pytest

from billing.money import ZERO, Money
from billing.payments.banks.camt import parse
from billing.payments.banks.statement import Statement, StatementLine
from config.errors import StatementRejected
from tests.billing.payments.banks.bank_files import amounts
from tests.billing.payments.banks.camt_files import PAYER, day, details, entry, message, report, symbols

CHARGES = (
    "<Chrgs><TtlChrgsAndTaxAmt Ccy='CZK'>7.00</TtlChrgsAndTaxAmt>"
    "<Rcrd><Amt Ccy='CZK'>7.00</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd></Chrgs>"
)
BATCH = "<Btch><PmtInfId>BATCH-000001</PmtInfId><NbOfTxs>{}</NbOfTxs></Btch>"


def _refusal(data: bytes) -> str:
    with pytest.raises(StatementRejected) as refusal:
        parse(data)
    return str(refusal.value)


def _line(data: bytes) -> StatementLine:
    [statement] = parse(data)
    [line] = statement.lines
    return line


@pytest.mark.parametrize("version", ["02", "03", "04", "06", "08", "13"])
def test_a_czech_statement_is_read_whole(version: str) -> None:
    party = f"<RltdPties><Dbtr><Nm>Jana Nová</Nm></Dbtr><DbtrAcct><Id><IBAN>{PAYER}</IBAN></Id></DbtrAcct></RltdPties>"
    inside = party + symbols("VS:0000001001", "SS:26000001", "KS:0308")
    data = day(
        entry("599.00", details(ref="TX2026110300001", inside=inside)), old="-100.5", new="498.50", version=version
    )

    assert parse(data) == [
        Statement(
            account="19-2000145399/0800",
            number="9",
            opened_on=date(2026, 11, 2),
            closed_on=date(2026, 11, 3),
            old_balance=Money(-10050),
            new_balance=Money(49850),
            currency="CZK",
            lines=(
                StatementLine(
                    bank_ref="camt-TX2026110300001-59900-C-1",
                    booked_on=date(2026, 11, 3),
                    amount=Money(59900),
                    variable_symbol="1001",
                    specific_symbol="26000001",
                    constant_symbol="308",
                    counter_account="1011038930/5500",
                    message="Jana Nová",
                ),
            ),
        )
    ]


def test_newer_versions_wrap_the_status_and_the_party() -> None:
    party = "<RltdPties><Dbtr><Pty><Nm>Jana Nová</Nm></Pty></Dbtr></RltdPties>"
    data = day(entry("1.00", details(inside=party), status="<Sts><Cd>BOOK</Cd></Sts>"), new="1", version="08")

    assert _line(data).message == "Jana Nová"


@pytest.mark.parametrize("in_details", [True, False])
def test_a_charge_is_never_the_amount(in_details: bool) -> None:
    """The defect of a known library: a credit of 4829 with a charge of 7 was read as a debit of 7."""
    inside = details("4829.00", charges=CHARGES) if in_details else details("4829.00")
    data = day(entry("4829.00", inside, before="" if in_details else CHARGES), new="4829.00")

    assert _line(data).amount == Money(482900)


def test_pending_entries_are_no_money() -> None:
    data = day(entry("1.00"), entry("2.00", status="<Sts>PDNG</Sts>"), entry("4.00", status="<Sts>INFO</Sts>"), new="1")

    assert amounts(parse(data)) == ["1.00"]


@pytest.mark.parametrize(
    "inside",
    [
        symbols("VS:1001", "SS:26000001"),
        "<Refs><EndToEndId>/VS/1001/SS/26000001</EndToEndId></Refs>",
        "<Refs><EndToEndId>VS:1001</EndToEndId><PmtInfId>SS:26000001</PmtInfId></Refs>",
        "<RmtInf><Ustrd>/VS0000001001/SS26000001 internet</Ustrd></RmtInf>",
        symbols("VS:1001", "SS:26000001") + "<AddtlTxInf>VS 77</AddtlTxInf>",
    ],
)
def test_the_symbols_are_found_wherever_banks_and_payers_put_them(inside: str) -> None:
    line = _line(day(entry("1.00", f"<TxDtls>{inside}</TxDtls>"), new="1"))

    assert (line.variable_symbol, line.specific_symbol) == ("1001", "26000001")


@pytest.mark.parametrize("text", ["VS:1001 VS:1002", "VS:12345678901", "SVS1001", "IBAN CZ65", "VS:000"])
def test_what_names_no_single_symbol_is_left_to_a_person(text: str) -> None:
    assert (
        _line(day(entry("1.00", details(inside=f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf>")), new="1")).variable_symbol
        == ""
    )


def test_a_batch_becomes_its_payments() -> None:
    parts = details("100.00", "TX0000001", symbols("VS:1")) + details("50.00", "TX0000002", symbols("VS:2"))
    [statement] = parse(day(entry("150.00", BATCH.format(2) + parts, ref="E00000001"), new="150"))

    assert [(str(line.amount), line.variable_symbol, line.bank_ref, line.batch_ref) for line in statement.lines] == [
        ("100.00", "1", "camt-TX0000001-10000-C-1", "BATCH-000001"),
        ("50.00", "2", "camt-TX0000002-5000-C-1", "BATCH-000001"),
    ]


def test_charges_kept_back_from_a_batch_are_a_movement_of_their_own() -> None:
    parts = details("100.00", charges=CHARGES) + details("50.00")

    assert amounts(parse(day(entry("143.00", parts), new="143"))) == ["100.00", "50.00", "-7.00"]


def test_the_sum_of_a_batch_without_its_parts_is_marked_and_named_as_its_parts_are() -> None:
    total = _line(day(entry("150.00", BATCH.format(2), ref="E00000001"), new="150"))
    parts = details("100.00", "TX0000001") + details("50.00", "TX0000002")
    [notice] = parse(message(report(entry("150.00", BATCH.format(2) + parts), old=None, kind="Ntfctn"), kind="Ntfctn"))

    assert total.is_batch_total
    assert {line.batch_ref for line in notice.lines} == {total.batch_ref}
    assert not any(line.is_batch_total for line in notice.lines)


@pytest.mark.parametrize("kind", ["Rpt", "Ntfctn"])
def test_a_notification_tells_movements_and_no_balance(kind: str) -> None:
    [statement] = parse(message(report(entry("5.00", ref="E00000001"), old=None, kind=kind), kind=kind))

    assert not statement.has_balances
    assert (statement.old_balance, statement.new_balance) == (ZERO, Money(500))
    assert statement.closed_on == date(2026, 11, 3)


def test_a_movement_is_the_same_in_the_notification_and_in_the_statement() -> None:
    [notice] = parse(message(report(entry("5.00", ref="E00000001"), old=None, kind="Ntfctn"), kind="Ntfctn"))

    assert notice.lines[0].bank_ref == _line(day(entry("5.00", ref="E00000001"), new="5")).bank_ref


def test_a_movement_without_a_number_is_known_in_the_statement_by_the_balance() -> None:
    [statement] = parse(day(entry("5.00"), entry("5.00"), new="15", old="5"))
    [notice] = parse(message(report(entry("5.00"), old=None, kind="Ntfctn"), kind="Ntfctn"))

    assert [line.bank_ref for line in statement.lines] == [
        "camt-20261103-0-500-C-0-at500-1",
        "camt-20261103-0-500-C-0-at1000-1",
    ]
    assert notice.lines[0].bank_ref == "camt054-20261103-0-500-C-0-inS-2026-11-1"


@pytest.mark.parametrize(
    ("amount", "before", "inside", "reverses"),
    [
        ("-5.00", "<RvslInd>true</RvslInd>", "", "credit"),
        ("5.00", "<RvslInd>true</RvslInd>", "", "debit"),
        ("5.00", "<RvslInd>false</RvslInd>", "", ""),
        ("-5.00", "", details(inside="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"), "credit"),
    ],
)
def test_a_reversal_says_what_it_takes_back(amount: str, before: str, inside: str, reverses: str) -> None:
    line = _line(day(entry(amount, inside, before=before), new=amount))

    assert (str(line.amount), line.reverses) == (amount, reverses)


def test_of_a_credit_that_is_taken_back_the_payer_is_the_other_side() -> None:
    party = f"<RltdPties><DbtrAcct><Id><IBAN>{PAYER}</IBAN></Id></DbtrAcct></RltdPties>"

    line = _line(day(entry("-5.00", details(inside=party), before="<RvslInd>true</RvslInd>"), new="-5"))

    assert line.counter_account == "1011038930/5500"


def test_several_statements_and_accounts_in_one_file_are_all_read() -> None:
    other = report(entry("2.00", ref="E00000002"), new="2").replace("2000145399", "2000145400")

    statements = parse(message(report(entry("1.00", ref="E00000001"), new="1"), other))

    assert [statement.account for statement in statements] == ["19-2000145399/0800", "19-2000145400/0800"]
    assert amounts(statements) == ["1.00", "2.00"]


SUMMARY = (
    "<TxsSummry><TtlNtries><NbOfNtries>{}</NbOfNtries></TtlNtries>"
    "<TtlCdtNtries><Sum>{}</Sum></TtlCdtNtries></TxsSummry>"
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (day(entry("1.00"), new="2"), "old balance 0.00 and movements of 1.00 make 1.00, but the new balance is 2.00"),
        (message(report(entry("1.00"), old=None, new="1")), "Stmt 1: Bal: an old balance (OPBD, PRCD) and a new one"),
        (day(entry("1.00"), SUMMARY.format(2, "1.00"), new="1"), "it says that it has 2 entries, but 1 are there"),
        (day(entry("1.00"), SUMMARY.format(1, "2.00"), new="1"), "entries are 1.00 in sum, but it states 2.00"),
        (day(entry("150.00", BATCH.format(3) + details("100.00") + details("50.00")), new="150"), "has 3 transactions"),
        (day(entry("150.00", details("100.00") + details("51.00")), new="150"), "but its 2 transactions are 151.00"),
        (day(entry("150.00", details("100.00") + details("50.00", currency="EUR")), new="150"), "an amount in CZK"),
        (day(entry("1.001"), new="1"), "Stmt 1, Ntry 1: Amt: is not a whole number of haléře"),
        (day(entry("1e3"), new="1"), "Ntry 1: Amt: is not an amount"),
        (day(entry("1.00", status=""), new="1"), "Ntry 1: Sts: the status is missing"),
        (day(entry("1.00").replace("CRDT", "BOTH"), new="1"), "CdtDbtInd: is neither CRDT nor DBIT: 'BOTH'"),
        (day(entry("1.00").replace("2026-11-03", "3.11.2026"), new="1"), "BookgDt/Dt: is not a date"),
        (day(entry("1.00").replace("'CZK'", "'EUR'"), new="1"), "several currencies in one statement: CZK, EUR"),
        (message(report(new="0").replace("IBAN", "XBAN")), "Acct/Id: the account is missing"),
        (message(entry("1.00")), "Ntry 1: stands outside of any statement"),
        (b"<Document/>", "holds no statement of camt.053, camt.052 or camt.054"),
        (day(entry("1.00"), new="1")[:-40], "not XML at line 1"),
        (day(new="0") * 2, "not XML at line 1"),
        (day(entry("1.00"), new="1").replace(b"UTF-8", b"x-none"), "file: "),
        (day(entry("1.00"), new="1").replace(b"Stmt><Id>", b"Stmt><Id>\x00"), "not XML"),
        (day(entry("1.00"), new="1").replace(b"S-2026", b"\xe8"), "not XML"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(data: bytes, message: str) -> None:
    assert message in _refusal(data)


def test_every_entry_that_is_wrong_is_named() -> None:
    refusal = _refusal(day(entry("x"), entry("1.00"), entry("y"), new="1"))

    assert "Ntry 1: Amt" in refusal
    assert "Ntry 3: Amt" in refusal


LAUGHS = (
    b"<!DOCTYPE lolz [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
    b"<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><Document>&c;</Document>"
)


@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        (LAUGHS, "document type or entities"),
        (b"<!DOCTYPE d SYSTEM 'file:///etc/passwd'><Document/>", "document type or entities"),
        (b"<!DOCTYPE d [<!ENTITY x SYSTEM 'http://127.0.0.1:1/'>]><d>&x;</d>", "document type or entities"),
        (b"<a>" * 100_000, "nested more than 40 deep"),
        (b"<Document>" + b"<a/>" * 1_100_000 + b"</Document>", "more elements than any statement"),
        (b"<Document a='" + b"x" * 3_000_000 + b"'/>", "a tag or a text longer than any"),
        (b"<Stmt><Ntry>" + b"<a/>" * 600_000 + b"</Ntry></Stmt>", "more elements than any statement"),
    ],
)
def test_a_bomb_is_refused_before_it_goes_off(bomb: bytes, message: str) -> None:
    assert message in _refusal(bomb)


def test_a_page_may_end_with_an_interim_balance() -> None:
    page = report(entry("1.00"), new="1").replace("CLBD", "ITBD").replace("OPBD", "PRCD")

    [statement] = parse(message(page))

    assert statement.has_balances
    assert replace(statement, lines=()).new_balance == Money(100)
