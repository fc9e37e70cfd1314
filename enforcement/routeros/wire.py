"""routeros-api's framing over a socket of ours: where most of the library's defects are made good.

* It writes every word by itself, which Nagle's algorithm and delayed acknowledgements turn into 22 commands a
  second. Here sentences are gathered until an answer is waited for, and the socket has TCP_NODELAY.
* It reads each length byte by byte from the socket. Here the socket is read in large pieces, and words from them.
* It writes ``=comment`` for an empty value; the router expects ``=comment=``.
* It takes a real `!fatal` (a bare reason) for a malformed sentence, and knows no way out of it.
* It keeps the last of several traps without its category, and fails on one without a message.

Blocks; lives in one thread.
"""

import socket
from collections import defaultdict

from routeros_api.base_api import Connection, encode_length
from routeros_api.exceptions import RouterOsApiConnectionClosedError

from enforcement.routeros.commands import Trap

_READ_BYTES = 1 << 16
_TAG = b".tag="


class Farewell(Exception):
    """The router ended the conversation (`!fatal`), with its reason."""


class Wire(Connection):  # type: ignore[misc]
    """Sentences to and from a router, as lists of words."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__(self)  # the library asks its "socket" to `receive`; that is this object
        self._connected = connected
        self._unsent = bytearray()
        self._cut: OSError | None = None
        """Why nothing can be sent any more."""
        self._received = b""
        self._position = 0
        self.traps: defaultdict[bytes, list[Trap]] = defaultdict(list)
        """By tag, all of them."""

    def send_sentence(self, words: list[bytes]) -> None:
        """Keeps the sentence until an answer is waited for."""
        for word in words:
            whole = word + b"=" if word.startswith(b"=") and b"=" not in word[1:] else word
            self._unsent += encode_length(len(whole)) + whole
        self._unsent += b"\0"

    def receive_sentence(self) -> list[bytes]:
        words = list(iter(self._word, b""))
        if not words:
            return words
        kind, told = words[0], words[1:]
        tag = next((word for word in told if word.startswith(_TAG)), b"")
        given = [word for word in told if word.startswith(b"=") and b"=" in word[2:]]
        if kind == b"!fatal":
            raise Farewell(b" ".join(word for word in told if word != tag).decode(errors="replace"))
        if kind == b"!trap":
            given = [self._remember(tag, given)]
        return [kind, *given, *([tag] if tag else [])]

    def _word(self) -> bytes:
        """The next word. One that is here already, and short as nearly all, without the library's many steps."""
        start = self._position + 1
        if start <= len(self._received):
            length = self._received[start - 1]
            if length < 0x80 and start + length <= len(self._received):
                self._position = start + length
                return self._received[start : start + length]
        word: bytes = self.receive_word()
        return word

    def receive(self, length: int) -> bytes:
        """Up to so many bytes; what waits to be sent goes out before this waits."""
        if self._position == len(self._received):
            self.flush()
            self._received, self._position = self._connected.recv(_READ_BYTES), 0
            if not self._received:
                raise self._cut or RouterOsApiConnectionClosedError
        start = self._position
        self._position = min(start + length, len(self._received))
        return self._received[start : self._position]

    def flush(self) -> None:
        """Sends what was gathered. To a router that has left, nothing: what it said before is still to be read."""
        if self._unsent:
            unsent, self._unsent = self._unsent, bytearray()
            try:
                self._connected.sendall(unsent)
            except (BrokenPipeError, ConnectionResetError) as error:
                self._cut = error

    def _remember(self, tag: bytes, given: list[bytes]) -> bytes:
        """Keeps a trap whole; the library is shown a message in any case."""
        named = dict(word[1:].split(b"=", 1) for word in given)
        message = named.get(b"message", b"no reason given").decode(errors="replace")
        self.traps[tag.removeprefix(_TAG)].append(Trap(message, named.get(b"category", b"").decode(errors="replace")))
        return b"=message=" + message.encode()
