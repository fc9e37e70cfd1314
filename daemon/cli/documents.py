"""The command about one issued document: invoice."""

from pathlib import Path

import typer

from billing.invoicing.documents.document import Document
from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.reading import document_numbered
from billing.invoicing.documents.rendering import Renderer
from billing.store.engine import Store
from config.i18n import translator
from daemon.cli.context import Context, JsonOption, out, run
from daemon.terminal import table

PDF_HELP = "Write the PDF there; - is standard output."
ISDOC_HELP = "Write the ISDOC file there; - is standard output."


def invoice(
    number: str = typer.Argument(help="The number of an invoice or a credit note that Hradlo issued."),
    pdf: Path | None = typer.Option(None, "--pdf", metavar="FILE", help=PDF_HELP),
    isdoc_file: Path | None = typer.Option(None, "--isdoc", metavar="FILE", help=ISDOC_HELP),
    json: bool = JsonOption,
) -> None:
    """Shows an issued document, or writes it as PDF and ISDOC."""

    async def work(context: Context, store: Store) -> tuple[Document, bytes]:
        async with store.reading() as session:
            document = await document_numbered(session, number)
        if pdf is None:
            return document, b""
        async with Renderer.of(context.settings) as renderer:
            return document, await renderer.pdf(document)

    document, made = run(work)
    if pdf is not None:
        _write(pdf, made)
    if isdoc_file is not None:
        _write(isdoc_file, isdoc(document))
    if pdf is None and isdoc_file is None:
        _show(document, json)


def _write(path: Path, content: bytes) -> None:
    """`OSError` becomes a message at the end of the program."""
    if str(path) == "-":
        typer.get_binary_stream("stdout").write(content)
        return
    path.write_bytes(content)
    typer.echo(f"Wrote {path}.", err=True)


def _show(document: Document, as_json: bool) -> None:
    money = translator("en").money
    lines = [
        {
            "text": line.text,
            "from_on": line.from_on,
            "until_on": line.until_on,
            "quantity": line.quantity,
            "total": str(line.total),
            "serial_number": line.serial_number,
        }
        for line in document.lines
    ]
    if as_json:
        out(
            {
                "kind": document.kind,
                "number": document.number,
                "contract": document.contract_number,
                "buyer": document.buyer.name,
                "issued_on": document.issued_on,
                "supplied_on": document.supplied_on,
                "due_on": document.due_on,
                "base": str(document.base),
                "vat": str(document.vat),
                "total": str(document.total),
                "corrects": document.corrects_number,
                "why": document.why,
                "lines": lines,
            }
        )
        return
    title = f"{document.kind.replace('_', ' ').capitalize()} {document.number} for {document.buyer.name}"
    rows = [
        [line["text"], line["from_on"] or "", line["until_on"] or "", line["quantity"], line["total"]] for line in lines
    ]
    table(title, ("item", "from", "until", "quantity", "total"), rows)
    total = money(document.total.minor, document.currency)
    typer.echo(
        f"Issued {document.issued_on}, due {document.due_on}, total {total}, contract {document.contract_number}."
    )
    if document.corrects_number:
        typer.echo(f"Corrects {document.corrects_number}: {document.why}")
