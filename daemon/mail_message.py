"""Mail rows made into messages: text and HTML side by side, the QR payment as a picture in the HTML, files after it.

Everything comes from the row and what it encloses, boundaries and date too, so a second try sends the same bytes as
the first.
"""

import hashlib
import re
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from billing.customers.mail_address import one_line, sendable
from billing.payments.spayd import qr_png
from billing.store.tables import Mail
from config.errors import Problem, SettingsError
from daemon.enclosures import Enclosure

# a name may hold a comma without quotes, as in "Firm, s.r.o.", which no library takes
_NAMED = re.compile(r'"?([^"<>]*)"? *<([^<>]*)>')


def sender_of(text: str) -> Address:
    """The sender of a text like ``My ISP, s.r.o. <billing@isp.example>``; raises `SettingsError`."""
    match = _NAMED.fullmatch(one_line(text))
    name, spec = match.groups() if match else ("", text)
    address = sendable(spec)
    if address is None:
        problem = Problem("[mail] sender", f"{text!r} is no address: write it like My ISP <billing@isp.example>")
        raise SettingsError("Mail can't be sent.", [problem])
    return Address(display_name=name.strip(), addr_spec=address)


def build(mail: Mail, sender: Address, enclosed: Sequence[Enclosure] = ()) -> EmailMessage:
    """The message of a row, the same to the byte whenever it is built.

    Raises `ValueError` when the row holds what may not stand in a header.
    """
    recipient = sendable(mail.recipient)
    if recipient is None:
        raise ValueError(f"{mail.recipient!r} is no address that mail can be sent to")
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(addr_spec=recipient)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # quoted-printable: every server takes seven bits, and a person can still read the source
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    if mail.qr_payment:
        _attach_picture(message, mail.qr_payment)
    for file in enclosed:
        message.add_attachment(file.content, "application", file.subtype, filename=file.name)
    _fix_boundaries(message, mail.message_id)
    return message


def _attach_picture(message: EmailMessage, qr_payment: str) -> None:
    html = message.get_payload()[-1]  # type: ignore[index]
    assert isinstance(html, EmailMessage)
    html.add_related(qr_png(qr_payment), "image", "png", cid="<qr>", disposition="inline", filename="qr.png")


def _fix_boundaries(message: EmailMessage, message_id: str) -> None:
    """The library draws them by lot. ``=_`` stands in no quoted-printable and no base64 text."""
    for level, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{level}_{hashlib.sha256(message_id.encode()).hexdigest()[:40]}")
