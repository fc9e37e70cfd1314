"""What the notice server signs: the page that was wanted, and a notice that was shown. Pure.

Nothing is kept between two requests; instead, a token carries what must come back unchanged, under an HMAC with a
key of its own purpose, so that a token of one kind is never one of the other kind. The source address (and, for
the wanted page, the contract) is signed but not carried: it is put in anew from the socket when the token is
checked, so a token works only where it was given out.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

WANTED_MINUTES = 60
WANTED_LENGTH_MAX = 1000
NONCE_BYTES = 16
_MAC_BYTES = 32
_TOKEN_LENGTH_MAX = 2000
_INSTANT_BYTES = 8
_ID_BYTES = 8
# Visible ASCII without what a browser, an HTML page or a header could read in another way.
_PLAIN_URL = re.compile(r"http://[A-Za-z0-9.\-:\[\]]+(?:[/?][!$-;=?-\[\]_a-z~]*)?")


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """What an acknowledgement refers to: this notice, in this language, with these words."""

    notice_id: int
    language: str
    text_sha256: str


class Tokens:
    """Signs and verifies with keys derived from the installation's one secret: of each purpose, and of each site."""

    def __init__(self, signing_key: bytes, own_hosts: Iterable[str], site: str) -> None:
        place = site.encode("ascii")
        self._wanted_key = hmac.digest(signing_key, b"hradlo wanted page at " + place, "sha256")
        self._shown_key = hmac.digest(signing_key, b"hradlo shown notice at " + place, "sha256")
        self._own_hosts = frozenset(host.lower().rstrip(".") for host in own_hosts)

    def sign_wanted(self, url: str, source_address: str, contract_id: int, now: datetime) -> str:
        """A token for the page that a subscriber wanted; empty for one that nobody is sent back to."""
        if not self.is_returnable(url):
            return ""
        body = _instant(now) + url.encode("ascii")
        return _encode(_mac(self._wanted_key, body, source_address, contract_id) + body)

    def wanted(self, token: str, source_address: str, contract_id: int, now: datetime) -> str | None:
        """The page that a token names, if it was given to this address of this contract within the hour."""
        mac, body = _decode(token)
        if not hmac.compare_digest(mac, _mac(self._wanted_key, body, source_address, contract_id)):
            return None
        if not _is_fresh(body[:_INSTANT_BYTES], now, WANTED_MINUTES):
            return None
        url = body[_INSTANT_BYTES:].decode("ascii", "replace")
        return url if self.is_returnable(url) else None

    def is_returnable(self, url: str) -> bool:
        """Plain http (nothing else was intercepted), no user, no trick characters, none of our own hosts."""
        if len(url) > WANTED_LENGTH_MAX or not _PLAIN_URL.fullmatch(url):
            return False
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            return False
        return bool(host) and "@" not in parts.netloc and (host or "").rstrip(".") not in self._own_hosts

    def sign_shown(self, shown: ShownNotice, source_address: str, nonce: bytes, now: datetime) -> str:
        """A one-time token for the form of a notice page; `nonce` is fresh randomness."""
        body = b"".join(
            (
                _instant(now),
                shown.notice_id.to_bytes(_ID_BYTES),
                bytes.fromhex(shown.text_sha256),
                nonce,
                shown.language.encode("ascii"),
            )
        )
        return _encode(_mac(self._shown_key, body, source_address) + body)

    def shown(self, token: str, source_address: str) -> tuple[ShownNotice, datetime] | None:
        """What was shown to this address, and when; None for a token that was not made here for it."""
        mac, body = _decode(token)
        if not hmac.compare_digest(mac, _mac(self._shown_key, body, source_address)):
            return None
        rest = body[_INSTANT_BYTES:]
        text_end = _ID_BYTES + hashlib.sha256().digest_size
        shown = ShownNotice(
            notice_id=int.from_bytes(rest[:_ID_BYTES]),
            language=rest[text_end + NONCE_BYTES :].decode("ascii"),
            text_sha256=rest[_ID_BYTES:text_end].hex(),
        )
        return shown, _issued_at(body[:_INSTANT_BYTES])


def is_recent(issued_at: datetime, now: datetime, minutes: int) -> bool:
    """Issued no longer ago than that, and not in the future: a clock that was set back makes a token stale."""
    return timedelta(0) <= now.replace(microsecond=0) - issued_at <= timedelta(minutes=minutes)


def _is_fresh(packed_instant: bytes, now: datetime, minutes: int) -> bool:
    return is_recent(_issued_at(packed_instant), now, minutes)


def _instant(at: datetime) -> bytes:
    return int(at.timestamp()).to_bytes(_INSTANT_BYTES)


def _issued_at(packed_instant: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(packed_instant), UTC)


def _mac(key: bytes, body: bytes, source_address: str, contract_id: int = 0) -> bytes:
    return hmac.digest(key, b"%s\0%d\0%s" % (source_address.encode("ascii", "replace"), contract_id, body), "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(token: str) -> tuple[bytes, bytes]:
    """(mac, body); of a text that is no token, a mac that fits nothing."""
    if len(token) > _TOKEN_LENGTH_MAX:
        return b"", b""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b"", b""
    if _encode(data) != token:  # base64 has several spellings of the same bytes: one is ours
        return b"", b""
    return data[:_MAC_BYTES], data[_MAC_BYTES:]
