"""Times as RouterOS prints them: ``1w2d3h4m5s``, ``00:05:10``, ``1d02:03:04``. Pure."""

import re

_UNIT_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_FORM = re.compile(r"((?:\d+(?:ms|[wdhms]))*)(?:(\d+):(\d+):(\d+)(?:\.\d+)?)?")


def seconds_of(text: str) -> int | None:
    """None when there is no time in it (``never``, nothing)."""
    match = _FORM.fullmatch(text)
    if match is None or not text:
        return None
    units, *clock = match.groups()
    seconds = sum(int(number) * _UNIT_SECONDS[unit] for number, unit in re.findall(r"(\d+)([wdhms])(?!s)", units))
    return seconds + sum(int(part or 0) * size for part, size in zip(clock, (3600, 60, 1), strict=True))
