"""Times as RouterOS reads and prints them: ``1w2d03:04:05``, ``10m``, ``3600``; printed as ``1w2d3h4m5s``."""

import re
from datetime import datetime, timedelta

from tests.routeros.refusal import Refused

LONGEST = timedelta(weeks=35, days=3, hours=13, minutes=13, seconds=56)
"""The longest timeout of an address list entry (manual, "Address lists")."""
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_FORM = re.compile(r"((?:\d+[wdhms])*)(?:(\d+):(\d+)(?::(\d+))?)?")


def parse_duration(text: str, argument: str = "timeout") -> timedelta:
    """Raises `Refused` in the router's words."""
    if text.isdigit():
        return timedelta(seconds=int(text))
    match = _FORM.fullmatch(text)
    if not text or match is None:
        raise Refused(f"invalid time value for argument {argument}", 1)
    units, hours, minutes, seconds = match.groups()
    parts = {_UNITS[unit]: float(number) for number, unit in re.findall(r"(\d+)([wdhms])", units)}
    clock = timedelta(hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return timedelta(**parts) + clock


def duration_text(duration: timedelta) -> str:
    """Whole seconds, rounded up: what still lasts is never printed as nothing."""
    seconds = -int(-duration.total_seconds() // 1)
    text = ""
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def instant_text(instant: datetime, *, is_iso: bool) -> str:
    """A date and time as the version prints it."""
    if is_iso:
        return instant.strftime("%Y-%m-%d %H:%M:%S")
    return instant.strftime("%b/%d/%Y %H:%M:%S").lower()
