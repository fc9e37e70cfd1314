"""Who is asking: the peer address of the socket, and nothing else.

A TCP handshake proves the way back to that address; a header proves nothing. So what a request *says* about its
origin is never read, and a request that says anything at all may not acknowledge: it came through something that
speaks for others, or it was forged.
"""

import ipaddress
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence

from billing.customers.mail_address import one_line

FORWARDING_HEADERS = frozenset(
    {
        "client-ip", "cf-connecting-ip", "fastly-client-ip", "forwarded", "forwarded-for", "remote-addr",
        "true-client-ip", "via", "x-client-ip", "x-cluster-client-ip",
        "x-forwarded", "x-forwarded-by", "x-forwarded-for",
        "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-server", "x-original-forwarded-for",
        "x-originating-ip", "x-real-ip", "x-remote-addr", "x-remote-ip",
    }
)  # fmt: skip
"""Headers by which a proxy, or a liar, names another client. Lower case."""

_V4_MAPPED = "::ffff:"
_SUBSCRIBER_BYTES_V6 = 8  # RFC 8952: an IPv6 subscriber is a /64, not one of its many addresses


def source_address(peername: object) -> str | None:
    """The canonical text of a socket's peer address; None when it has none (the connection is gone)."""
    if not isinstance(peername, tuple) or not peername:
        return None
    text = str(peername[0])
    if ":" not in text:
        return text
    if text.startswith(_V4_MAPPED) and "." in text:
        return text[len(_V4_MAPPED) :]
    address = ipaddress.IPv6Address(text.partition("%")[0])
    return str(address.ipv4_mapped or address)


def packed(address: str) -> bytes:
    """4 or 16 bytes of an address that `source_address` gave."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def limit_key(address: str) -> str | bytes:
    """What is counted as one source: an IPv4 address, or an IPv6 /64."""
    return packed(address)[:_SUBSCRIBER_BYTES_V6] if ":" in address else address


def user_agent_of(headers: Mapping[str, str]) -> str:
    """What the browser calls itself, to be kept: bytes that are no text, and what moves a cursor, become spaces."""
    return one_line(headers.get("User-Agent", ""))


def speaks_for_others(header_names: Iterable[str]) -> bool:
    """Whether any header claims that somebody else is asking."""
    return any(name.lower() in FORWARDING_HEADERS for name in header_names)


def address_behind(peer: str, forwarded_for: Sequence[str], proxies: Collection[str]) -> str:
    """Who asks a page that may stand behind a reverse proxy (the customer portal; never the notice server).

    Each proxy appends the address that it saw, so from the right the first one that is no proxy of ours is the
    asker's; what stands further left was said by the asker. Something that is no address there means that the
    proxy is to blame, and it is taken for the asker itself.
    """
    if peer not in proxies:
        return peer
    named = [part.strip() for value in forwarded_for for part in value.split(",")]
    for text in reversed(named):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return peer
        address = source_address((text,)) or peer
        if address not in proxies:
            return address
    return peer
