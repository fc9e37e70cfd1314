"""A proof as PDF, in the ISP's own language: for a file, a lawyer, a court. Nothing is looked up or decided here."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import typst

from billing.dunning.evidence import Proof
from billing.invoicing.documents.typesetting import FONTS
from billing.money import Money
from config.i18n import Translator, translator
from config.settings import Settings

TEMPLATE = Path(__file__).parent / "templates" / "proof.typ"


def proof_pdf(proof: Proof, settings: Settings) -> bytes:
    """The same to the byte for the same proof."""
    compiler = typst.Compiler(
        input=str(TEMPLATE), root=str(TEMPLATE.parent), font_paths=[str(FONTS)], ignore_system_fonts=True
    )
    made = compiler.compile(
        format="pdf",
        sys_inputs={"page": json.dumps(content(proof, settings)), "colour": settings.portal.colour},
        timestamp=int(proof.acknowledged_at.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


def content(proof: Proof, settings: Settings) -> dict[str, Any]:
    """Every text of the page."""
    _ = translator(settings.isp.language)
    zone, link = settings.zone, proof.journal
    facts = [
        (_("Contract"), proof.contract),
        (_("Customer"), proof.customer),
        (_("Notice"), str(proof.notice)),
        (_("Notice opened"), _.datetime(proof.opened_at, zone)),
        (_("Acknowledged"), _.datetime(proof.acknowledged_at, zone)),
        (_("From the address"), proof.source_address),
        (_("With the browser"), proof.user_agent),
    ]
    chain = [
        (_("Entry of the journal"), str(link.id)),
        (_("Written"), f"{link.at:%Y-%m-%d %H:%M:%S} UTC"),
        (_("Hash of the entry before"), link.previous_hash),
        (_("Content of the entry"), link.content),
        (_("Hash of the entry"), link.hash),
        (_("SHA-256 of the text shown"), proof.text_sha256),
        (_("Last entry at this export"), f"{link.head_id}: {link.head_hash}"),
    ]
    explained = _(
        "The hash of an entry is the SHA-256 of the hash of the entry before and of its own content, so no entry can "
        "be changed, put in or left out afterwards without changing all that follow. The whole chain was verified "
        "for this export."
    )
    return {
        "language": settings.isp.language,
        "title": _("Proof of an acknowledgement"),
        "brand": settings.isp.name,
        "facts": [fact for fact in facts if fact[1]],
        "invoices": [(each.number, _day(each.due_on, _), _money(each.open, settings)) for each in proof.invoices],
        "showings": [(_.datetime(each.at, zone), each.source_address, each.user_agent) for each in proof.shown],
        "text": proof.text,
        "chain": chain,
        "explained": explained,
        "words": {
            "invoices": _("Invoices that were shown"),
            "number": _("Number"),
            "due": _("Due date"),
            "open": _("Open then"),
            "showings": _("When the page was shown"),
            "text": _("What was shown, word for word"),
            "chain": _("How it can be checked"),
            "page": _("Page"),
        },
    }


def _day(iso: str, _: Translator) -> str:
    return _.date(date.fromisoformat(iso))


def _money(amount: str, settings: Settings) -> str:
    return translator(settings.isp.language).money(Money.parse(amount).minor, settings.isp.currency)
