"""Words and sentences of the binary API (MikroTik manual, "API": Protocol).

A word is a length and that many bytes; a sentence is words, ended by a word of length zero.
"""

from collections.abc import Iterable

WORD_MAX_BYTES = 64 * 1024 * 1024
"""Our own bound, so that a length out of rubbish doesn't fill the memory."""


class WireError(Exception):
    """The bytes cannot be read on: a control byte, or more than is allowed."""


def encode_length(length: int) -> bytes:
    """The prefix of a word of this many bytes; e.g. 200 is ``80 c8``."""
    if length < 0x80:
        return bytes((length,))
    for size, limit, mark in ((2, 0x4000, 0x8000), (3, 0x20_0000, 0xC0_0000), (4, 0x1000_0000, 0xE000_0000)):
        if length < limit:
            return (length | mark).to_bytes(size, "big")
    if length > 0xFFFF_FFFF:
        raise ValueError("no word is as long as this")
    return b"\xf0" + length.to_bytes(4, "big")


def encode(words: Iterable[bytes]) -> bytes:
    """One sentence, ready to be sent."""
    parts: list[bytes] = []
    for word in words:
        parts.append(encode_length(len(word)))
        parts.append(word)
    parts.append(b"\0")
    return b"".join(parts)


def _length_size(first: int) -> int:
    """How many bytes a length has that begins with this one."""
    for size, limit in ((1, 0x80), (2, 0xC0), (3, 0xE0), (4, 0xF0), (5, 0xF8)):
        if first < limit:
            return size
    raise WireError(f"reserved control byte {first:#x}")


def _decode_length(prefix: bytes) -> int:
    if len(prefix) == 5:
        return int.from_bytes(prefix[1:], "big")
    marks = {1: 0, 2: 0x8000, 3: 0xC0_0000, 4: 0xE000_0000}
    return int.from_bytes(prefix, "big") ^ marks[len(prefix)]


class Decoder:
    """Makes sentences of bytes that arrive in any pieces."""

    def __init__(self, sentence_max_bytes: int = WORD_MAX_BYTES) -> None:
        self.sentence_max_bytes = sentence_max_bytes
        self._buffer = bytearray()
        self._words: list[bytes] = []
        self._sentence_bytes = 0

    def feed(self, data: bytes) -> list[list[bytes]]:
        """The sentences that these bytes complete; empty ones are left out. Raises `WireError`."""
        self._buffer += data
        sentences: list[list[bytes]] = []
        position = 0
        while (word := self._word_at(position)) is not None:
            content, position = word
            if content:
                self._words.append(content)
            elif self._words:
                sentences.append(self._words)
                self._words = []
            if not content:
                self._sentence_bytes = 0
        del self._buffer[:position]
        return sentences

    def _word_at(self, position: int) -> tuple[bytes, int] | None:
        """The word there and where the next one begins; None when it isn't whole yet."""
        buffer = self._buffer
        if position >= len(buffer):
            return None
        begins_at = position + _length_size(buffer[position])
        if begins_at > len(buffer):
            return None
        length = _decode_length(bytes(buffer[position:begins_at]))
        if self._sentence_bytes + length > self.sentence_max_bytes:
            raise WireError("sentence too long")
        if begins_at + length > len(buffer):
            return None
        self._sentence_bytes += length
        return bytes(buffer[begins_at : begins_at + length]), begins_at + length
