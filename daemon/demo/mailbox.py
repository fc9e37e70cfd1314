"""The demo's mail server: takes what Hradlo's mailer sends, over real SMTP on loopback, and keeps it to be read.

As little of RFC 5321 as an honest client needs; it delivers nothing to anybody.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

MESSAGE_BYTES_MAX = 1_000_000
_REPLIES = {"EHLO": "250 demo", "HELO": "250 demo", "MAIL": "250 ok", "RSET": "250 ok", "NOOP": "250 ok"}


@dataclass(frozen=True, slots=True)
class Received:
    """One mail, as its recipient would see it."""

    id: int
    recipient: str
    subject: str
    date: str
    text: str
    html: str
    """Pictures are inside, as data."""


@dataclass
class Mailbox:
    """Everything that arrived, in order."""

    received: list[Received] = field(default_factory=list)
    port: int = 0

    def to(self, recipient: str) -> list[Received]:
        return [mail for mail in self.received if mail.recipient == recipient]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One SMTP conversation."""
        recipient = ""
        try:
            writer.write(b"220 demo ESMTP\r\n")
            while line := (await reader.readline()).decode("ascii", "replace").strip():
                verb = line[:4].upper()
                if verb == "RCPT":
                    recipient = line.partition("<")[2].partition(">")[0]
                    writer.write(b"250 ok\r\n")
                elif verb == "DATA":
                    writer.write(b"354 go on\r\n")
                    self._keep(recipient, await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(b"250 kept\r\n")
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(_REPLIES.get(verb, "502 not here").encode() + b"\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone: what it sent whole is kept
        finally:
            writer.close()

    def _keep(self, recipient: str, data: bytes) -> None:
        plain = data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        message = message_from_bytes(plain, policy=policy.default)
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        self.received.append(
            Received(
                id=len(self.received) + 1,
                recipient=recipient,
                subject=str(message["Subject"]),
                date=str(message["Date"]),
                text=text.get_content() if text else "",
                html=_with_pictures(html.get_content() if html else "", message),
            )
        )


def _with_pictures(html: str, message: EmailMessage) -> str:
    """Puts attached pictures into the page, where it names them."""
    for part in message.walk():
        name = str(part["Content-ID"] or "").strip("<>")
        if name:
            data = base64.b64encode(cast(bytes, part.get_payload(decode=True))).decode()
            html = html.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{data}")
    return html


@asynccontextmanager
async def open_mailbox() -> AsyncIterator[Mailbox]:
    """A mailbox that listens on a free port of 127.0.0.1."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.take, "127.0.0.1", 0, limit=MESSAGE_BYTES_MAX)
    mailbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mailbox
