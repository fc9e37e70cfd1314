"""The head of a request, from bytes. Pure, and stricter than HTTP: what is odd is refused, never guessed at.

Every answer ends its connection and nothing stands behind this server, so no second parser can read the same
bytes in another way; strictness keeps it so.
"""

import re
from dataclasses import dataclass

from portal.notice.requests import Request

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 4 * 1024
HEADERS_MAX = 100

_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) ([!-~]{1,8000}) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_LENGTH = re.compile(r"[0-9]{1,10}")
_ONCE = ("host", "content-length", "origin", "content-type", "user-agent")


@dataclass(frozen=True, slots=True)
class Malformed(Exception):
    """A request that is refused as it is."""

    status: int
    reason: str


def parse_head(head: bytes) -> Request:
    """The request of a head without its final empty line; raises `Malformed`, and nothing else."""
    first, *lines = head.decode("latin-1").split("\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise Malformed(400, "Bad Request")
    if len(lines) > HEADERS_MAX:
        raise Malformed(431, "Request Header Fields Too Large")
    return Request(line[1], line[2], _headers(lines))


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in lines:
        match = _HEADER.fullmatch(text)
        if match is None:
            raise Malformed(400, "Bad Request")
        name = match[1].lower()
        if name in headers and name in _ONCE:
            raise Malformed(400, "Bad Request")
        headers[name] = match[2].rstrip()
    return headers


def body_length(request: Request) -> int:
    """The bytes that follow the head; raises `Malformed` for a body that this server does not take."""
    if "transfer-encoding" in request.headers:
        raise Malformed(411, "Length Required")
    if "content-encoding" in request.headers:  # no browser compresses a form
        raise Malformed(415, "Unsupported Media Type")
    text = request.headers.get("content-length", "0")
    if not _LENGTH.fullmatch(text):
        raise Malformed(400, "Bad Request")
    if int(text) > BODY_BYTES_MAX:
        raise Malformed(413, "Content Too Large")
    return int(text)
