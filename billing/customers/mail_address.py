"""What may stand in a mail's headers and in the envelope: nothing that a server could take for a command."""

import re
import unicodedata

ADDRESS_LENGTH_MAX = 254
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]")
_LOCAL_LENGTH_MAX = 64


def sendable(address: str) -> str | None:
    """The address as it goes over the wire, a domain with diacritics in its ASCII form; None when it is none.

    Quoted local parts, comments and address literals are legal and never a subscriber's: they are refused, and
    so is a list of addresses.
    """
    local, at, domain = address.strip(" ").rpartition("@")
    if not at or len(local) > _LOCAL_LENGTH_MAX or not _LOCAL.fullmatch(local):
        return None
    try:
        # The codec is slow, and of a name that is ASCII already it changes nothing.
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    found = f"{local}@{ascii_domain}"
    return found if _DOMAIN.fullmatch(ascii_domain) and len(found) <= ADDRESS_LENGTH_MAX else None


def one_line(text: str) -> str:
    """The text without line ends, control and direction marks, so that it stays in its place.

    NO-BREAK SPACE stays: amounts are written with it.
    """
    kept = (" " if _is_control(character) else character for character in text)
    return " ".join(part for part in "".join(kept).split(" ") if part)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs")
