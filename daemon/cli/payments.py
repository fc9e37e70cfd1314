"""Commands about money that came: payments import|unmatched|assign|unassign|ignore|return|record."""

from pathlib import Path
from typing import Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import iso_date
from billing.money import Money
from billing.payments import operations as payments
from billing.payments.banks.detect import SIZE_BYTES_MAX, Format, read
from billing.payments.importing import ImportReport, import_statements
from billing.payments.returns import WaitingReturn, ignore_return, take_back, waiting_returns
from billing.payments.suggestions import Suggestion
from billing.payments.waiting import WaitingPayment, suggest, unmatched
from billing.store.engine import Store
from config.counting import counted
from config.errors import NotAllowed
from daemon.cli.context import Context, JsonOption, WhyOption, current, out, run
from daemon.cli.files import FileArgument, file_bytes
from daemon.cli.typed import Id, given, id_, needed
from daemon.terminal import table

app = typer.Typer(help="Payments: from bank statements, in cash, and what a person says about them.")

DayOption = typer.Option("", "--on", metavar="DATE", help="The day, like 2026-01-31.")
NeededWhyOption = typer.Option(..., "--why", help="The reason; it stands in the journal.")


@app.command("import")
def import_file(
    file: Path = FileArgument,
    format: Format = typer.Option("auto", help="auto tells by the content."),  # noqa: A002
    json: bool = JsonOption,
) -> None:
    """Imports a bank statement and matches its payments; the same file twice adds nothing."""
    statements = read(file_bytes(file, SIZE_BYTES_MAX), format)

    async def work(context: Context, store: Store) -> ImportReport:
        async with store.transaction() as session:
            return await import_statements(
                session,
                statements,
                file.name,
                context.clock.now(),
                accounts=context.settings.payments.accounts,
                currency=context.settings.isp.currency,
            )

    report = run(work)
    current.ring()
    if json:
        names = ("new", "known", "matched", "waiting", "ignored", "debits_ignored")
        lists = ("returned", "returns_waiting", "missing")
        out({name: getattr(report, name) for name in (*names, *lists)})
    else:
        _print_report(report)


def _print_report(report: ImportReport) -> None:
    typer.echo(
        f"{counted(report.new, 'new payment')} ({report.received}), {report.known} known already. "
        f"{report.matched} matched, {counted(report.waiting, 'waits', 'wait')} for a person, "
        f"{report.credited} kept as credit."
    )
    for returned in report.returned:
        typer.echo(f"taken back by the bank, open again: {returned}")
    for returned in report.returns_waiting:
        typer.echo(f"taken back by the bank, say which payment: {returned}")
    for missing in report.missing:
        typer.echo(f"warning: {missing}: import the statements of those days")
    if report.waiting or report.returns_waiting:
        typer.echo("See them: hradlo payments unmatched")


# ── what waits ──────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command("unmatched")
def list_unmatched(json: bool = JsonOption) -> None:
    """Payments and returns that wait for a person: why, and whose they may be."""

    async def work(
        context: Context, store: Store
    ) -> tuple[list[WaitingPayment], dict[int, list[Suggestion]], list[WaitingReturn]]:
        async with store.reading() as session:
            waiting = await unmatched(session)
            return waiting, await suggest(session, waiting), await waiting_returns(session)

    waiting, suggestions, returns = run(work)
    rows = [
        *[_row(each, each.id) | {"suggestions": [_suggested(one) for one in suggestions[each.id]]} for each in waiting],
        *[_row(each, f"R{each.id}") | {"suggestions": []} for each in returns],
    ]
    if json:
        out(rows)
        return
    columns = ("id", "booked", "amount", "VS", "SS", "from", "message", "why", "may be")
    for row in rows:
        row["suggestions"] = "\n".join(_suggestion_words(each) for each in row["suggestions"])
    table("Waiting for a person", columns, [list(row.values()) for row in rows])
    if waiting:
        typer.echo("Say whose: hradlo payments assign ID INVOICE, or --contract NUMBER; nobody's: payments ignore ID")
    if returns:
        typer.echo("R…: the bank took a payment back. Say which: hradlo payments return ID --movement R…")


def _row(waiting: WaitingPayment | WaitingReturn, id_: int | str) -> dict[str, Any]:
    return {
        "id": id_,
        "booked_on": waiting.booked_on,
        "amount": waiting.amount,
        "variable_symbol": waiting.variable_symbol,
        "specific_symbol": waiting.specific_symbol,
        "counter_account": waiting.counter_account,
        "message": waiting.message,
        "why": waiting.why,
    }


def _suggested(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "contract": suggestion.contract_number,
        "customer": suggestion.customer_name,
        "invoice": suggestion.invoice_number,
        "weight": suggestion.weight,
        "why": suggestion.why,
    }


def _suggestion_words(suggested: dict[str, Any]) -> str:
    invoice = f", invoice {suggested['invoice']}" if suggested["invoice"] else ""
    return f"{suggested['contract']} {suggested['customer']}{invoice}: {suggested['why']}"


# ── what a person says ──────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def assign(
    payment_id: Id,
    invoice: str = typer.Argument("", help="The invoice to pay first; the rest goes to the oldest."),
    contract: str = typer.Option("", help="Instead of an invoice: the contract that it belongs to."),
) -> None:
    """Says whose a waiting payment is."""
    if bool(invoice) == bool(contract):
        raise NotAllowed("Name either an invoice or a contract.", "For example: hradlo payments assign 17 26000042")

    async def work(context: Context, session: AsyncSession) -> str:
        found = await payments.assign(
            session,
            payment_id,
            invoice_number=invoice,
            contract_number=contract,
            actor=context.actor,
            now=context.clock.now(),
        )
        return f"Payment {payment_id} is matched: {found.why}."

    _write(work)


@app.command()
def unassign(payment_id: Id, why: str = WhyOption) -> None:
    """Takes back whose a payment is, or that it is nobody's: what it paid is open again, and it waits again."""

    async def work(context: Context, session: AsyncSession) -> str:
        await payments.unassign(
            session, payment_id, why=why, actor=context.actor, today=context.today, now=context.clock.now()
        )
        return f"Payment {payment_id} waits again: hradlo payments unmatched"

    _write(work)


@app.command()
def ignore(
    waiting_id: str = typer.Argument(..., metavar="ID", help="A waiting payment, or a waiting return like R5."),
    why: str = NeededWhyOption,
) -> None:
    """Sets aside what is no subscriber's money: a transfer of the owner, interest."""
    is_return, number = _waiting_id(waiting_id)

    async def work(context: Context, session: AsyncSession) -> str:
        setting_aside = ignore_return if is_return else payments.ignore
        await setting_aside(session, number, why=why, actor=context.actor, now=context.clock.now())
        return f"{waiting_id} is set aside."

    _write(work)


@app.command("return")
def return_(
    payment_id: Id,
    movement: str = typer.Option("", metavar="R…", help="The waiting return; needed when several are of that amount."),
    on: str = DayOption,
    why: str = WhyOption,
) -> None:
    """Says that the bank took a payment back: what it paid is open again.

    Without --movement it is the waiting return of the same amount; with --on there is none, and it is written down.
    """
    is_return, number = _waiting_id(movement) if movement else (True, None)
    if not is_return:
        raise NotAllowed(f"{movement} is no return.", "A return is written like R5; see `hradlo payments unmatched`.")

    async def work(context: Context, session: AsyncSession) -> str:
        await take_back(
            session,
            payment_id,
            return_id=number,
            on=given(iso_date, on, "--on"),
            why=why,
            actor=context.actor,
            now=context.clock.now(),
        )
        return f"Payment {payment_id} is taken back; what it paid is open again."

    _write(work)


@app.command()
def record(contract: str, amount: str, on: str = DayOption, why: str = WhyOption) -> None:
    """Writes down cash paid at the desk: today, or on the day given."""

    async def work(context: Context, session: AsyncSession) -> str:
        now = context.clock.now()
        today = context.today
        day = given(iso_date, on, "--on") or today
        if day > today:
            raise NotAllowed(f"{day} has not come yet.", "Write down what was paid, not what will be.")
        found = await payments.record(
            session, contract, needed(Money.parse, amount, "AMOUNT"), on=day, why=why, actor=context.actor, now=now
        )
        return f"Contract {contract} paid {amount}: {found.why}."

    _write(work)


def _write(work: Any) -> None:
    """Runs a command's work in one transaction, and tells the engine."""

    async def in_transaction(context: Context, store: Store) -> str:
        async with store.transaction() as session:
            said: str = await work(context, session)
        return said

    said = run(in_transaction)
    current.ring()
    typer.echo(said)


def _waiting_id(text: str) -> tuple[bool, int]:
    """Whether `R5` or `5`, and the number."""
    digits = text.removeprefix("R").removeprefix("r")
    if not digits.isascii() or not digits.isdigit():
        raise NotAllowed(f"{text!r} is no id.", "`hradlo payments unmatched` lists them: 17 is a payment, R5 a return.")
    return digits != text, id_(int(digits))
