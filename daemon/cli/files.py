"""Commands that bring facts in from files: import customers|services|invoices|credits."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers import rules as customers_file
from billing.customers.operations import hash_passwords, import_customers
from billing.importing import Report, Sheet
from billing.invoicing import rules as invoices_file
from billing.invoicing.operations import import_invoices
from billing.mapping import Kind, Translation, in_their_words, read_mapping, translate
from billing.payments import opening as credits_file
from billing.payments.opening import import_credits
from billing.services import rules as services_file
from billing.services.operations import import_services
from billing.store.engine import Store
from config.errors import InputRejected, Problem
from daemon.binding import unbound_site
from daemon.cli.context import Context, JsonOption, current, out, run
from daemon.terminal import table

app = typer.Typer(help="Customers, services, invoices and credit from CSV files: all or nothing, and repeatable.")

ROWS_SHOWN = 5

FileArgument = typer.Argument(..., metavar="FILE", exists=False)
MappingOption = typer.Option(None, "--mapping", metavar="TOML", help="How another program's export is made into this.")
DryRunOption = typer.Option(False, "--dry-run", help="Say what it would do, and write nothing.")

Work = Callable[[Context, AsyncSession], Awaitable[Report]]


@dataclass(frozen=True)
class _Call:
    """One import as it was asked for."""

    kind: Kind
    file: Path
    mapping: Translation | None
    is_dry: bool
    is_json: bool


@app.command()
def customers(
    file: Path = FileArgument,
    mapping: Path | None = MappingOption,
    dry_run: bool = DryRunOption,
    json: bool = JsonOption,
) -> None:
    """customer_number,name,email,phone,street,city,postal_code,language,password[,company_id,vat_id]"""
    translation = _mapping(mapping, "customers", customers_file.COLUMNS, customers_file.OPTIONAL_COLUMNS)
    call = _Call("customers", file, translation, dry_run, json)
    sheet = _sheet(call, customers_file.read_customers)
    hashes: dict[str, str] = {}

    async def hash_them(context: Context, store: Store) -> None:
        async with store.reading() as session:
            hashes.update(await hash_passwords(session, sheet))

    async def work(context: Context, session: AsyncSession) -> Report:
        actor, now, language = context.actor, context.clock.now(), context.settings.isp.language
        return await import_customers(session, sheet, hashes, actor=actor, now=now, language=language)

    if not dry_run:  # hashing takes its time, and shows nothing
        run(hash_them)
    _import(call, sheet, work)


@app.command()
def services(
    file: Path = FileArgument,
    mapping: Path | None = MappingOption,
    dry_run: bool = DryRunOption,
    json: bool = JsonOption,
) -> None:
    """contract_number,customer_number,kind,product,price,starts_on,addresses[,billed_until_on,period_months,ends_on,site]"""
    translation = _mapping(mapping, "services", services_file.COLUMNS, services_file.OPTIONAL_COLUMNS)
    call = _Call("services", file, translation, dry_run, json)
    sheet = _sheet(call, services_file.read_services)

    async def work(context: Context, session: AsyncSession) -> Report:
        settings, now = context.settings, context.clock.now()
        home, unbound = settings.enforcement.site, unbound_site(settings)
        actor, today = context.actor, context.today
        return await import_services(
            session, sheet, actor=actor, today=today, now=now, home_site=home, unbound_site=unbound
        )

    _import(call, sheet, work)


@app.command()
def invoices(
    file: Path = FileArgument,
    mapping: Path | None = MappingOption,
    dry_run: bool = DryRunOption,
    json: bool = JsonOption,
) -> None:
    """number,contract_number,issued_on,due_on,total,open"""
    call = _Call("invoices", file, _mapping(mapping, "invoices", invoices_file.COLUMNS), dry_run, json)
    sheet = _sheet(call, invoices_file.read_invoices)

    async def work(context: Context, session: AsyncSession) -> Report:
        return await import_invoices(session, sheet, actor=context.actor, today=context.today, now=context.clock.now())

    _import(call, sheet, work)


@app.command("credits")
def credits_(
    file: Path = FileArgument,
    mapping: Path | None = MappingOption,
    dry_run: bool = DryRunOption,
    json: bool = JsonOption,
) -> None:
    """contract_number,amount,on"""
    call = _Call("credits", file, _mapping(mapping, "credits", credits_file.COLUMNS), dry_run, json)
    sheet = _sheet(call, credits_file.read_credits)

    async def work(context: Context, session: AsyncSession) -> Report:
        return await import_credits(session, sheet, actor=context.actor, today=context.today, now=context.clock.now())

    _import(call, sheet, work)


def _mapping(file: Path | None, kind: Kind, columns: Sequence[str], optional: Sequence[str] = ()) -> Translation | None:
    return read_mapping(file_bytes(file), file.name, kind, columns, optional) if file else None


def _sheet(call: _Call, reader: Callable[[bytes, str], Sheet[Any]]) -> Sheet[Any]:
    data = file_bytes(call.file)
    if call.mapping is not None:
        data = translate(data, call.file.name, call.mapping)
    try:
        return reader(data, call.file.name)
    except InputRejected as error:
        raise _in_their_words(error, call) from error


def _import(call: _Call, sheet: Sheet[Any], work: Work) -> None:
    async def in_transaction(context: Context, store: Store) -> Report:
        async with store.transaction() as session:
            report = await work(context, session)
            if call.is_dry:
                await session.rollback()
        return report

    try:
        report = run(in_transaction)
    except InputRejected as error:
        raise _in_their_words(error, call) from error
    if not call.is_dry:
        current.ring()
    if call.is_json:
        counts = {"added": report.added, "changed": report.changed, "unchanged": report.unchanged}
        out(counts | {"is_dry_run": call.is_dry, "warnings": [str(warning) for warning in report.warnings]})
    else:
        _print(call, sheet, report)


def _in_their_words(error: InputRejected, call: _Call) -> InputRejected:
    return in_their_words(error, call.file.name, call.mapping) if call.mapping else error


def _print(call: _Call, sheet: Sheet[Any], report: Report) -> None:
    if call.is_dry and sheet.rows:
        names = [each.name for each in fields(sheet.rows[0]) if each.repr]  # a password shows itself nowhere
        rows = [[_shown(getattr(row, name)) for name in names] for row in sheet.rows[:ROWS_SHOWN]]
        table(f"The first rows of {call.file.name}", names, rows)
    for warning in report.warnings:
        typer.echo(f"warning: {warning}")
    counts = f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged."
    typer.echo(f"{call.kind}: {counts}{' This was a dry run: nothing was written.' if call.is_dry else ''}")


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def file_bytes(file: Path, size_bytes_max: int | None = None) -> bytes:
    """The whole file, of a too long one a byte too many; what can't be read is a message."""
    try:
        with file.open("rb") as opened:
            return opened.read(-1 if size_bytes_max is None else size_bytes_max + 1)
    except OSError as error:
        raise InputRejected(f"{file} can't be read.", [Problem(str(file), error.strerror or "not readable")]) from error
