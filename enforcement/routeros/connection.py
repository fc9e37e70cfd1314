"""One connection to a router, by routeros-api: TLS, login, many commands under way at once. Blocks; one thread.

The library's pool is not used: it would send the password before a pinned certificate can be compared, leaves the
socket open after a failed login, and keeps a broken connection for a good one. Its login, its sentences, its tags
and its parsing are.

Nothing here may tell the password: the library puts it into the text of a failed login's exception, and Python
chains exceptions. So errors leave as values (`Lost`), made outside of any `except` block.
"""

import hmac
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from routeros_api.api import RouterOsApi
from routeros_api.api_communicator import ApiCommunicator
from routeros_api.api_communicator.base import ApiCommunicatorBase
from routeros_api.exceptions import RouterOsApiCommunicationError, RouterOsApiConnectionClosedError
from routeros_api.query import IsEqualQuery

from enforcement.routeros.commands import Command, Result, Row
from enforcement.routeros.wire import Farewell, Wire

WINDOW = 16
"""Commands under way at once: more helps little, and some versions stop answering at 25."""
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""A busy router may be silent so long before the first row of a large list."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Access:
    """How a router is reached."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 8729
    authority: Path | None = None
    """PEM certificates that the router's must lead to."""
    fingerprint: str = ""
    """SHA-256 of the router's own certificate, 64 hex digits."""
    is_encrypted: bool = True
    """False only for a router that was simulated on this machine."""


class Lost(Exception):
    """There is no connection, or no longer: why, in words that hold no secret."""

    def __init__(self, reason: str, *, is_login: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_login = is_login


class Connection:
    """A logged-in connection; after `Lost` it is closed and of no more use."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._socket: socket.socket | None = None
        self._wire: Wire | None = None
        self._library: ApiCommunicatorBase | None = None

    # Opening and closing

    def open(self) -> None:
        """Connects and logs in; raises `Lost`."""
        self._guarded(self._connect)
        self._guarded(self._log_in, is_login=True)

    def cut(self) -> None:
        """Ends it at once; from any thread, and whatever waits in `recv` wakes up."""
        connected = self._socket
        if connected is not None:
            with suppress(OSError):
                # not the method of SSLSocket: that would take its state away under the waiting thread
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._socket is not None:
            self.cut()
            with suppress(OSError):
                self._socket.close()

    def _connect(self) -> None:
        access = self._access
        plain = socket.create_connection((access.host, access.port), timeout=CONNECT_SECONDS)
        self._socket = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if access.is_encrypted:
            self._socket = encrypted = _encrypted(plain, access)
            encrypted.do_handshake()
            _compare_fingerprint(encrypted, access.fingerprint)
        self._wire = Wire(self._socket)

    def _log_in(self) -> None:
        assert self._socket is not None
        api = RouterOsApi(ApiCommunicator(self._wire))
        # True: the md5 challenge is gone since 6.45.1; where a router still asks for it, the library follows
        api.login(self._access.user, self._access.password, plaintext_login=True)
        self._socket.settimeout(SILENCE_SECONDS)
        self._library = ApiCommunicatorBase(self._wire)

    # Commands

    def run(self, commands: Sequence[Command]) -> list[Result]:
        """Carries out commands, up to `WINDOW` at once: in any order, and a refused one stops no other."""
        return self._guarded(lambda: list(self._run(commands)))

    def read(self, path: str, properties: Sequence[str], queries: Sequence[tuple[str, str]]) -> Result:
        """All rows of a menu that have these values."""
        return self._guarded(lambda: self._read(path, properties, queries))

    def _run(self, commands: Sequence[Command]) -> Iterator[Result]:
        assert self._library is not None
        under_way: deque[bytes] = deque()
        for command in commands:
            if len(under_way) == WINDOW:
                yield self._answer(under_way.popleft())
            arguments = {name.encode(): value.encode() for name, value in command.arguments.items()}
            under_way.append(self._library.send(f"{command.path}/".encode(), command.verb.encode(), arguments))
        while under_way:
            yield self._answer(under_way.popleft())

    def _read(self, path: str, properties: Sequence[str], queries: Sequence[tuple[str, str]]) -> Result:
        assert self._library is not None
        arguments = {b".proplist": ",".join(properties).encode()} if properties else {}
        asked = [IsEqualQuery(name, value) for name, value in queries]
        return self._answer(self._library.send(f"{path}/".encode(), b"print", arguments, additional_queries=asked))

    def _answer(self, tag: bytes) -> Result:
        assert self._library is not None
        assert self._wire is not None
        coming = self._library.response_buffor[tag]
        try:
            answer = self._library.receive(tag)
        except RouterOsApiCommunicationError:
            return Result(tuple(_text(row) for row in coming), traps=tuple(self._wire.traps.pop(tag)))
        rows = tuple(_text(row) for row in answer)
        return Result(rows, _text(answer.done_message).get("ret", ""))

    # Errors

    def _guarded(self, work: Callable[[], Answer], *, is_login: bool = False) -> Answer:
        """The work's answer, or `Lost` and a closed connection: after any error its state is unknown."""
        try:
            return work()
        except Exception as error:
            lost = Lost(_reason(error), is_login=is_login and isinstance(error, RouterOsApiCommunicationError))
        self.close()
        raise lost  # outside of `except`: nothing is chained to it


def _text(row: dict[bytes, bytes]) -> Row:
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in row.items()}


def _encrypted(connected: socket.socket, access: Access) -> ssl.SSLSocket:
    """Before the handshake, so that a router that stalls in the middle of it can be cut off."""
    return _context(access).wrap_socket(connected, server_hostname=access.host, do_handshake_on_connect=False)


def _context(access: Access) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if access.authority is not None:
        context.load_verify_locations(cafile=access.authority)
    elif access.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate itself is compared, before the password is sent
    else:
        context.load_default_certs()
    return context


def _compare_fingerprint(connected: ssl.SSLSocket, expected: str) -> None:
    found = sha256(connected.getpeercert(binary_form=True) or b"").hexdigest()
    if expected and not hmac.compare_digest(found, expected):
        raise Lost(f"its certificate is another one than the pinned: it has the fingerprint {found}")


def _reason(error: Exception) -> str:
    """Why, in words of ours: an exception's own text may hold anything, a password too."""
    match error:
        case Lost():
            return error.reason
        case Farewell():
            return f"it ended the conversation: {error}"
        case RouterOsApiCommunicationError():
            return f"it refused the login: {error.original_message.decode(errors='replace')}"
        case RouterOsApiConnectionClosedError():
            return "it closed the connection"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason}"
        case TimeoutError():
            return "it does not answer"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return f"it was not understood ({type(error).__name__})"
