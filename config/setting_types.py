"""What a setting may be, beyond numbers and text: zones, accounts, addresses."""

import re
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, PlainValidator, StringConstraints
from schwifty import IBAN

MAIN_SITE = "main"
"""The site of an ISP that has only one."""
SITE_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,39}$"


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is not a time zone: write it like Europe/Prague")
    return name


def _valid_iban(text: str) -> str:
    try:
        return str(IBAN(text)) if text else ""
    except ValueError as error:
        raise ValueError(f"is not a valid IBAN ({error})") from error


def _plain_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address like http://10.0.0.1:8080 without a query")
    return text.rstrip("/")


def _endpoint(text: str) -> str:
    """`host:port` of a listening socket; IPv6 in brackets."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) < 65536:
        raise ValueError("must be ADDRESS:PORT, for example 0.0.0.0:8080 or [::]:8080")
    ip_address(host.strip("[]"))
    return text


def _vat_rate(text: str) -> str:
    """``standard 2027-01-01 22``: category, first day, per cent."""
    match text.split():
        case [_, day, percent] if re.fullmatch(r"[0-9]{1,2}([.][0-9]{1,2})?", percent):
            date.fromisoformat(day)
            return text
    raise ValueError('must be a category, its first day and per cent, like "standard 2027-01-01 22"')


def _fingerprint(text: str) -> str:
    """SHA-256 as openssl and RouterOS print it, with or without colons."""
    digits = text.replace(":", "").lower()
    if text and not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("must be a SHA-256 fingerprint: 64 hex digits, with or without colons")
    return digits


def _address(value: object) -> IPv4Address | IPv6Address:
    return ip_address(str(value))


def _v4_address(value: object) -> IPv4Address:
    return IPv4Address(str(value))


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Iban = Annotated[str, AfterValidator(_valid_iban)]
Url = Annotated[str, AfterValidator(_plain_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Address = Annotated[IPv4Address | IPv6Address, PlainValidator(_address)]
V4Address = Annotated[IPv4Address, PlainValidator(_v4_address)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
VatRate = Annotated[str, AfterValidator(_vat_rate)]
Site = Annotated[str, StringConstraints(pattern=SITE_PATTERN)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
