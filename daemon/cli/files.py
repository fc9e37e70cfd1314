"""Commands that bring facts in from files: import customers|services|invoices, payments import|unmatched|assign."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import typer

from billing.customers.operations import hash_passwords, import_customers
from billing.customers.rules import read_customers
from billing.importing import Report
from billing.invoicing.operations import import_invoices
from billing.invoicing.rules import read_invoices
from billing.payments import operations as payments
from billing.payments.banks.detect import Format, read
from billing.payments.importing import ImportReport, import_statements
from billing.services.operations import import_services
from billing.services.rules import read_services
from billing.store.engine import Store
from config.errors import InputRejected, NotAllowed, Problem
from daemon.cli.context import Context, JsonOption, current, out, run
from daemon.terminal import table

imports = typer.Typer(help="Customers, services and invoices from CSV files: all or nothing, and repeatable.")
bank = typer.Typer(help="Payments from bank statements.")

FileArgument = typer.Argument(..., metavar="FILE", exists=False)


def register(app: typer.Typer) -> None:
    app.add_typer(imports, name="import")
    app.add_typer(bank, name="payments")


# ── import ──────────────────────────────────────────────────────────────────────────────────────────────────────


@imports.command()
def customers(file: Path = FileArgument) -> None:
    """customer_number,name,email,phone,street,city,postal_code,language,password"""
    sheet = read_customers(_bytes(file), file.name)

    async def work(context: Context, store: Store) -> Report:
        async with store.reading() as session:
            hashes = await hash_passwords(session, sheet)
        async with store.transaction() as session:
            return await import_customers(session, sheet, hashes, actor=context.actor, now=context.clock.now())

    _import(work, "customers")


@imports.command()
def services(file: Path = FileArgument) -> None:
    """contract_number,customer_number,kind,product,price,starts_on,addresses"""
    sheet = read_services(_bytes(file), file.name)

    async def work(context: Context, store: Store) -> Report:
        async with store.transaction() as session:
            return await import_services(session, sheet, actor=context.actor, now=context.clock.now())

    _import(work, "services")


@imports.command()
def invoices(file: Path = FileArgument) -> None:
    """number,contract_number,issued_on,due_on,total,open"""
    sheet = read_invoices(_bytes(file), file.name)

    async def work(context: Context, store: Store) -> Report:
        async with store.transaction() as session:
            return await import_invoices(session, sheet, actor=context.actor, now=context.clock.now())

    _import(work, "invoices")


def _import(work: Callable[[Context, Store], Coroutine[Any, Any, Report]], what: str) -> None:
    report = run(work)
    current.ring()
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"{what}: {report.added} added, {report.changed} changed, {report.unchanged} unchanged.")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputRejected(f"{file} can't be read.", [Problem(str(file), error.strerror or "not readable")]) from error


# ── payments ────────────────────────────────────────────────────────────────────────────────────────────────────


@bank.command("import")
def import_file(
    file: Path = FileArgument,
    format: Format = typer.Option("auto", help="auto tells by the content."),  # noqa: A002
    json: bool = JsonOption,
) -> None:
    """Imports a bank statement and matches its payments; the same file twice adds nothing."""
    statements = read(_bytes(file), format)

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
        out({name: getattr(report, name) for name in ("new", "known", "matched", "waiting", "debits_ignored")})
        return
    typer.echo(
        f"{report.new} new payments ({report.received}), {report.known} known already. "
        f"{report.matched} matched, {report.waiting} wait for a person, {report.credited} kept as credit."
    )
    for returned in report.returned:
        typer.echo(f"returned by the bank, look at it: {returned}")
    if report.waiting:
        typer.echo("See them: hradlo payments unmatched")


@bank.command()
def unmatched(json: bool = JsonOption) -> None:
    """Payments that match nothing, and why."""

    async def work(context: Context, store: Store) -> list[dict[str, object]]:
        async with store.reading() as session:
            return [
                {
                    "id": payment.id,
                    "booked_on": payment.booked_on,
                    "amount": payment.amount,
                    "variable_symbol": payment.variable_symbol,
                    "specific_symbol": payment.specific_symbol,
                    "counter_account": payment.counter_account,
                    "message": payment.message,
                    "why": payment.why,
                }
                for payment in await payments.unmatched(session)
            ]

    rows = run(work)
    if json:
        out(rows)
    else:
        columns = ("id", "booked", "amount", "VS", "SS", "from", "message", "why")
        table("Waiting for a person", columns, [list(row.values()) for row in rows])


@bank.command()
def assign(
    payment_id: int,
    invoice: str = typer.Argument("", help="The invoice to pay first; the rest goes to the oldest."),
    contract: str = typer.Option("", help="Instead of an invoice: the contract that it belongs to."),
) -> None:
    """Says whose a waiting payment is."""
    if bool(invoice) == bool(contract):
        raise NotAllowed("Name either an invoice or a contract.", "For example: hradlo payments assign 17 26000042")

    async def work(context: Context, store: Store) -> str:
        async with store.transaction() as session:
            found = await payments.assign(
                session,
                payment_id,
                invoice_number=invoice,
                contract_number=contract,
                actor=context.actor,
                now=context.clock.now(),
            )
        return found.why

    why = run(work)
    current.ring()
    typer.echo(f"Payment {payment_id} is matched: {why}.")
