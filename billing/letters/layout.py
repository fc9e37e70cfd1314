"""Letters laid out as text and HTML, by our templates or by an admin's own.

Of the files that may lay out a mail of one kind, the first that is there counts, for text and HTML each:

    KIND.html       in `mail.templates`: for this kind alone, e.g. invoice.html
    letter.html     in `mail.templates`: for all kinds
    letter.html     ours; an own template can build on it: {% extends "builtin/letter.html" %}

An own template runs in a sandbox. Whatever goes wrong in it must hold up no mail: then ours is taken, and the log
says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from billing.customers.mail_address import one_line, sendable
from billing.letters.letter import Addressee, Letter, OpenInvoice, shown
from billing.store.outbox import Draft
from config.settings import Settings

LETTER = "letter"
SUFFIXES = ("txt", "html")
KINDS = (
    "reminder",
    "notice",
    "suspended",
    "restored",
    "invoice",
    "credit_note",
    "payment_received",
    "voip_low_credit",
    "voip_statement",
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What a mail says, ready to be sent."""

    text: str
    html: str
    qr_payment: str


def lay_out(
    kind: str, letter: Letter, addressee: Addressee, invoices: Sequence[OpenInvoice], settings: Settings
) -> LaidOut:
    """Both parts of a letter."""
    names = shown(letter, addressee, invoices, settings)
    text, html = (_rendered(kind, suffix, names, settings.mail.templates) for suffix in SUFFIXES)
    return LaidOut(text, html, names["order"].qr)


def draft(
    kind: str,
    dedup_key: str,
    letter: Letter,
    addressee: Addressee,
    invoices: Sequence[OpenInvoice],
    settings: Settings,
) -> Draft | None:
    """A letter as a mail for the outbox; None for whom there is no address that a mail can be sent to."""
    recipient = sendable(addressee.email)
    if recipient is None:
        return None
    laid_out = lay_out(kind, letter, addressee, invoices, settings)
    return Draft(
        dedup_key=dedup_key,
        contract_id=addressee.contract_id,
        kind=kind,
        recipient=recipient,
        subject=one_line(letter.subject),
        text=laid_out.text,
        html=laid_out.html,
        qr_payment=laid_out.qr_payment,
    )


def own_file(directory: Path, kind: str, suffix: str) -> str | None:
    """The name of an admin's own file for a mail; None when there is none."""
    names = (f"{kind}.{suffix}", f"{LETTER}.{suffix}")
    return next((name for name in names if (directory / name).is_file()), None)


def _rendered(kind: str, suffix: str, names: Mapping[str, Any], directory: Path | None) -> str:
    # Here, because who only decides or looks (`hradlo plan`, `brake show`) writes no letter and needs no Jinja.
    from billing.letters.templating import builtin_environment, own_environment

    own = own_file(directory, kind, suffix) if directory else None
    if directory and own:
        try:
            return own_environment(directory).get_template(own).render(names)
        except Exception as error:  # whatever a template may do wrong
            log.error("own mail template failed; ours is used", file=str(directory / own), error=str(error))
    return builtin_environment().get_template(f"{LETTER}.{suffix}").render(names)
