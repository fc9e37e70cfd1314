"""FreeSWITCH's JSON (mod_json_cdr): one object a leg, a file each, or many one after the other or in a list.

    {"variables": {"uuid", "start_epoch", "answer_epoch", "end_epoch", "billsec", "hangup_cause", …},
     "callflow": [{"caller_profile": {"caller_id_number", "destination_number", "originator"?, …}}, …]}

Values are text, percent-encoded inside `variables`; instants are seconds since 1970 in UTC, "0" for what never was.
The newest stretch of the call flow stands first and counts, as in the CSV. The second leg of a call (its profile
names an originator) is no call of its own and is left out.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from billing.voip.calls.freeswitch_csv import disposition
from billing.voip.calls.record import (
    ID_CHARACTERS_MAX,
    CallRecord,
    Reading,
    Unreadable,
    agreeing,
    identity,
    number,
    seconds,
)
from config.errors import Problem

TABLES_MAX = 2_000_000
"""A leg has some thirty; so many would fill the memory before they are looked at."""
_EPOCH_DIGITS_MAX = 10


def parse(data: bytes) -> Reading:
    """The records of all objects, and the problems of those that are none."""
    records, problems = [], []
    try:
        for place, leg in _legs(data):
            try:
                record = _record(leg)
            except Unreadable as error:
                problems.append(Problem(place, str(error)))
            else:
                records += [record] if record else []
    except Unreadable as error:
        problems.append(Problem("file", str(error)))
    return Reading(tuple(records), tuple(problems))


def _legs(data: bytes) -> Iterator[tuple[str, Any]]:
    """Every object with its place; raises `Unreadable` where the JSON ends to be any."""
    if data.count(b"{") + data.count(b"[") > TABLES_MAX:
        raise Unreadable("has more objects and lists than any export")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 at byte {error.start + 1}") from None
    decoder, at, count, line = json.JSONDecoder(), 0, 0, 1
    while at < len(text):
        if text[at] in " \t\r\n":
            line += text[at] == "\n"
            at += 1
            continue
        try:
            value, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise Unreadable(f"is no JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
        except (RecursionError, ValueError):
            raise Unreadable(f"holds values behind line {line} that are no call record's") from None
        for leg in value if isinstance(value, list) else [value]:
            count += 1
            yield f"record {count}, line {line}", leg
        line += text.count("\n", at, end)
        at = end


def _record(leg: Any) -> CallRecord | None:
    variables = leg.get("variables") if isinstance(leg, dict) else None
    if not isinstance(variables, dict):
        raise Unreadable("has no object 'variables'")
    profile = _profile(leg.get("callflow"))
    if "originator" in profile:
        return None
    answered_at = _instant(variables, "answer_epoch")
    started_at, ended_at = _instant(variables, "start_epoch"), _instant(variables, "end_epoch")
    if started_at is None or ended_at is None:
        raise Unreadable("its start_epoch or end_epoch is missing")
    uuid = identity(_variable(variables, "uuid"))
    return agreeing(
        CallRecord(
            source="freeswitch",
            uid=uuid,
            call_id=uuid,
            caller=number(_text(profile, "caller_id_number")),
            called=number(_text(profile, "destination_number")),
            started_at=started_at,
            answered_at=answered_at,
            ended_at=ended_at,
            billed_seconds=seconds(_variable(variables, "billsec"), "billsec"),
            disposition=disposition(_variable(variables, "hangup_cause"), was_answered=answered_at is not None),
        )
    )


def _profile(callflow: Any) -> dict[str, Any]:
    newest = callflow[0] if isinstance(callflow, list) and callflow else callflow
    profile = newest.get("caller_profile") if isinstance(newest, dict) else None
    if not isinstance(profile, dict):
        raise Unreadable("has no callflow with a caller_profile")
    return profile


def _variable(variables: dict[str, Any], name: str) -> str:
    return unquote(_text(variables, name))


def _text(table: dict[str, Any], name: str) -> str:
    value = table.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else "out of range"
    if not isinstance(value, str):
        raise Unreadable(f"its {name} is no text")
    return value[: 4 * ID_CHARACTERS_MAX].encode("utf-8", "replace").decode()


def _instant(variables: dict[str, Any], name: str) -> datetime | None:
    text = _variable(variables, name)
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _EPOCH_DIGITS_MAX):
        raise Unreadable(f"its {name} {text[:40]!r} is no number of seconds since 1970")
    return datetime.fromtimestamp(int(text), UTC)
