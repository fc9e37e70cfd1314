"""A real SMTP server on loopback that keeps what it takes and answers as it is told."""

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TAKEN = "250 taken"
DROP = "drop"


@dataclass
class MailServer:
    """What arrived, and what is answered next; an answer may be a function that is awaited at that moment."""

    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    """Every mail whose text arrived, whatever was answered."""
    connections: int = 0
    logins: list[tuple[str, str]] = field(default_factory=list)
    answers_to_data: deque[str | Callable[[], Awaitable[str]]] = field(default_factory=deque)
    answers_to_recipient: deque[str] = field(default_factory=deque)
    answers_to_sender: deque[str] = field(default_factory=deque)
    login_answer: str = ""
    """Refuses every login with this."""

    @property
    def messages(self) -> list[EmailMessage]:
        # keeps the server's type: what the policy reads are EmailMessages
        return [message_from_bytes(e.original_content or b"", policy=default) for e in self.envelopes]  # type: ignore[misc]

    @property
    def message_ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.messages]

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers_to_sender.popleft() if self.answers_to_sender else "250 yes"
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answers_to_recipient.popleft() if self.answers_to_recipient else "250 yes"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        answer = self.answers_to_data.popleft() if self.answers_to_data else TAKEN
        if not isinstance(answer, str):
            answer = await answer()
        if answer == DROP:
            transport: Any = server.transport
            transport.abort()
        return answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=not self.login_answer, handled=False, message=self.login_answer or None)


@asynccontextmanager
async def smtp_server(
    loop: Any, *, tls: ssl.SSLContext | None = None, security: str = "none", wants_login: bool = False
) -> AsyncIterator[MailServer]:
    """The server, until the block ends; `security` as in the settings."""
    mail_server = MailServer()

    def connection() -> SMTP:
        return SMTP(
            mail_server,
            loop=loop,
            hostname="mx.example",
            tls_context=tls if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=mail_server.authenticate if wants_login else None,
            auth_required=wants_login,
            auth_require_tls=security == "starttls",
        )

    listener = await loop.create_server(connection, "127.0.0.1", 0, ssl=tls if security == "tls" else None)
    mail_server.port = listener.sockets[0].getsockname()[1]
    try:
        yield mail_server
    finally:
        listener.close()
