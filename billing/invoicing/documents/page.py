"""What stands on the page: every text of a document, in the buyer's language, ready to be laid out. Pure.

`content` gives what JSON can hold; `templates/document.typ` only puts it into its place.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from babel.numbers import format_decimal

from billing.customers.mail_address import one_line
from billing.dunning.payment_order import grouped_iban, local_account
from billing.invoicing.documents.document import EXEMPT, Document, Line, Party, VatGroup
from billing.money import MINOR_PER_UNIT, ZERO, Money
from billing.payments.spayd import qr_svg, spayd
from config.i18n import Translator, translator

Content = dict[str, Any]
Facts = list[tuple[str, str]]


def content(document: Document) -> Content:
    """Everything that the page says."""
    _ = translator(document.language)
    heading, subheading = _headings(_, document)
    return {
        "language": _.language,
        "title": f"{heading} {document.number}",
        "author": document.seller.name,
        "description": subheading,
        "keywords": [document.number, document.contract_number],
        "brand": document.seller.name,
        "number": document.number,
        "heading": f"{heading} {document.number}",
        "subheading": subheading,
        "words": {
            "seller": _("Seller"),
            "buyer": _("Customer"),
            "qr": _("QR payment"),
            "page": _("page"),
        },
        "seller": _party(_, document.seller),
        "buyer": _party(_, document.buyer),
        "correction": _correction(_, document),
        "dates": _dates(_, document),
        "payment": _payment(_, document),
        "columns": _columns(_, document),
        "lines": [_line(_, line, document) for line in document.lines],
        "vat_columns": [_("VAT rate"), _("Tax base"), _("VAT"), _("With VAT")],
        "vat": [_vat_row(_, group) for group in document.vat_groups] if document.is_taxed else [],
        "sums": _sums(_, document),
        "total": _total(_, document),
        "settled": _settled(_, document),
        "remark": "" if document.is_taxed else _("The seller is not registered for VAT."),
        "footer": _footer(document.seller),
    }


def payment_code(document: Document) -> str:
    """The text of the QR payment; empty when there is nothing to pay, or nowhere to pay it to."""
    if not document.is_payable:
        return ""
    return spayd(
        iban=document.iban,
        amount=document.to_pay,
        currency=document.currency,
        variable_symbol=document.contract_number,
        specific_symbol=document.number,
        message=f"{document.seller.name} {document.number}",
    )


def _headings(_: Translator, document: Document) -> tuple[str, str]:
    if document.kind == "credit_note":
        return (_("Credit note"), _("corrective tax document") if document.is_taxed else _("corrective document"))
    return (_("Invoice"), _("tax document") if document.is_taxed else _("not a tax document"))


def _party(_: Translator, party: Party) -> Mapping[str, object]:
    facts: Facts = [
        (_("Company ID"), party.company_id),
        (_("VAT ID"), party.vat_id),
        (_("Customer number"), party.number),
    ]
    address = (party.street, f"{party.postal_code} {party.city}", party.country if party.country != "CZ" else "")
    return {
        "name": one_line(party.name),
        "address": [one_line(line) for line in address if line.strip()],
        "facts": _present(facts),
    }


def _correction(_: Translator, document: Document) -> Facts:
    if document.kind != "credit_note":
        return []
    facts = [(_("Corrects invoice"), document.corrects_number), (_("Reason"), one_line(document.why))]
    return [(f"{name}:", value) for name, value in facts if value]


def _dates(_: Translator, document: Document) -> Facts:
    facts = [(_("Issued on"), _.date(document.issued_on))]
    if document.is_taxed:
        facts.append((_("Date of taxable supply"), _.date(document.supplied_on)))
    if document.kind == "invoice":
        facts.append((_("Due date"), _.date(document.due_on)))
    facts.append((_("Contract"), document.contract_number))
    return facts


def _payment(_: Translator, document: Document) -> Mapping[str, object]:
    asks = document.to_pay > ZERO
    caption, amount, note = _("Amount to pay"), document.to_pay, "" if asks else _("Nothing is to be paid.")
    if document.settled and not asks:
        note = _("Your credit has paid it. Nothing is left to pay.")
    if document.kind == "credit_note":
        caption, amount = _("Total in your favour"), -document.total
        note = _("You owe us that much less. What is left of it pays your next invoices.")
    code = payment_code(document)
    return {
        "caption": caption,
        "amount": _money(_, amount, document.currency),
        "until": _("by {day}", day=_unbroken(_.date(document.due_on))) if asks else "",
        "note": note,
        "facts": _account(_, document) if asks else [],
        "qr": qr_svg(code) if code else "",
    }


def _account(_: Translator, document: Document) -> Facts:
    return _present(
        [
            (_("Account number"), local_account(document.iban)),
            (_("Variable symbol"), document.contract_number),
            (_("Specific symbol"), document.number),
            ("IBAN", grouped_iban(document.iban).replace(" ", "\N{NO-BREAK SPACE}")),
            ("BIC", document.bic),
        ]
    )


def _columns(_: Translator, document: Document) -> list[str]:
    if not document.is_taxed:
        return [_("Item"), _("Quantity"), _("Unit price"), _("Total")]
    return [
        _("Item"),
        _("Quantity"),
        _("Unit price without VAT"),
        _("VAT rate"),
        _("Tax base"),
        _("Total with VAT"),
    ]


def _line(_: Translator, line: Line, document: Document) -> Mapping[str, object]:
    cells = [str(line.quantity), _amount(_, _unit_price(line, document))]
    if document.is_taxed:
        cells += [_rate(_, line.vat_category, line.vat_basis_points), _amount(_, line.base)]
    return {
        "text": one_line(line.text),
        "details": _details(_, line),
        "cells": [*cells, _amount(_, line.total)],
    }


def _unit_price(line: Line, document: Document) -> Money:
    """Without VAT, as the law wants it (zákon o DPH § 29), where there is any; to the haléř."""
    if not document.is_taxed:
        return line.unit_price
    exact = Decimal(line.base.minor) / line.quantity
    return Money(int(exact.quantize(Decimal(1), ROUND_HALF_UP)))


def _details(_: Translator, line: Line) -> list[str]:
    period = _unbroken(f"{_.date(line.from_on)} – {_.date(line.until_on)}") if line.from_on and line.until_on else ""
    serials = line.serial_number.split()
    named = _.plural("Serial number: {numbers}", "Serial numbers: {numbers}", len(serials), numbers=", ".join(serials))
    return [*filter(None, [period]), *([named] if serials else [])]


def _vat_row(_: Translator, group: VatGroup) -> list[str]:
    amounts = (group.base, group.vat, group.base + group.vat)
    return [_rate(_, group.vat_category, group.vat_basis_points), *(_amount(_, amount) for amount in amounts)]


def _sums(_: Translator, document: Document) -> Facts:
    if not document.is_taxed:
        return []
    return [(_("Tax base"), _amount(_, document.base)), (_("VAT"), _amount(_, document.vat))]


def _total(_: Translator, document: Document) -> tuple[str, str]:
    name = _("Total with VAT") if document.is_taxed else _("Total")
    return name, _money(_, document.total, document.currency)


def _settled(_: Translator, document: Document) -> Facts:
    """What is not to be paid any more, and what is."""
    if not document.settled:
        return []
    return [
        (_("Paid from your credit"), _money(_, -document.settled, document.currency)),
        (_("Amount to pay"), _money(_, document.to_pay, document.currency)),
    ]


def _footer(seller: Party) -> list[str]:
    contact = " · ".join(filter(None, (one_line(seller.phone), one_line(seller.email))))
    return [line for line in (one_line(seller.note), contact) if line]


def _rate(_: Translator, category: str, basis_points: int) -> str:
    if category == EXEMPT and basis_points == 0:
        return _("exempt")
    percent = format_decimal(Decimal(basis_points) / 100, "#,##0.##", locale=_.language)
    return f"{percent}\N{NO-BREAK SPACE}%" if _.language == "cs" else f"{percent}%"


def _amount(_: Translator, amount: Money) -> str:
    """Without its currency, as a column of a table shows it."""
    return _with_minus(format_decimal(Decimal(amount.minor) / MINOR_PER_UNIT, "#,##0.00", locale=_.language))


def _money(_: Translator, amount: Money, currency: str) -> str:
    return _unbroken(_with_minus(_.money(amount.minor, currency)))


def _with_minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _present(facts: Sequence[tuple[str, str]]) -> Facts:
    return [(name, one_line(value)) for name, value in facts if value]


def _unbroken(text: str) -> str:
    return text.replace(" ", "\N{NO-BREAK SPACE}")
