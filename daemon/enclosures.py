"""What goes with a mail about a document: the PDF, the ISDOC, and the words, made when the mail's turn has come.

A billing run can't afford a hundred thousand PDFs in its transactions, and need not: an issued document never
changes, so what is made from it later is the same.
"""

from dataclasses import dataclass

from billing.invoicing import mails
from billing.invoicing.documents.document import Document
from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.reading import document_numbered
from billing.invoicing.documents.rendering import Renderer
from billing.store import outbox
from billing.store.engine import Store
from billing.store.tables import Mail
from config.i18n import N_, translator
from config.settings import Settings

_NAMES = {"invoice": N_("invoice-{number}"), "credit_note": N_("credit-note-{number}")}


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that goes with a mail."""

    name: str
    content: bytes
    subtype: str
    """After ``application/``."""


async def enclosures(store: Store, mail: Mail, settings: Settings, renderer: Renderer) -> list[Enclosure]:
    """The files of a mail, and its words where it has none yet; raises `HradloError` when they can't be made."""
    if not mail.attaches:
        return []
    async with store.reading() as session:
        document = await document_numbered(session, mail.attaches)
    pdf = await renderer.pdf(document)
    if not mail.text:
        await _write(store, mail, document, settings)
    name = translator(document.language)(_NAMES[document.kind], number=document.number)
    return [Enclosure(f"{name}.pdf", pdf, "pdf"), Enclosure(f"{name}.isdoc", isdoc(document), "x-isdoc")]


async def _write(store: Store, mail: Mail, document: Document, settings: Settings) -> None:
    """Once, and kept while the mail waits: a second try says the same, whatever was paid meanwhile."""
    async with store.transaction() as session:
        said = await mails.compose(session, document, settings)
        await outbox.write_down(session, mail.id, text=said.text, html=said.html, qr_payment=said.qr_payment)
    mail.text, mail.html, mail.qr_payment = said.text, said.html, said.qr_payment
