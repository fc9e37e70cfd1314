"""One call, written by every exchange: what the parsers must all read alike."""

import json as json_module
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from billing.voip.calls.record import CallRecord

PRAGUE = ZoneInfo("Europe/Prague")
STARTED = datetime(2026, 11, 28, 13, 15, 21, tzinfo=UTC)
ANSWERED = CallRecord(
    source="asterisk",
    uid="",
    call_id="1795871721.42",
    caller="228880001",
    called="602123456",
    started_at=STARTED,
    answered_at=STARTED + timedelta(seconds=9),
    ended_at=STARTED + timedelta(seconds=70),
    billed_seconds=61,
    disposition="answered",
)
UNANSWERED = replace(ANSWERED, answered_at=None, billed_seconds=0, disposition="unanswered")

_ASTERISK = {"answered": "ANSWERED", "unanswered": "NO ANSWER", "busy": "BUSY", "failed": "FAILED"}
_FREESWITCH = {
    "answered": "NORMAL_CLEARING",
    "unanswered": "NO_ANSWER",
    "busy": "USER_BUSY",
    "failed": "NO_ROUTE_DESTINATION",
}
Writer = Callable[[Iterable[CallRecord]], bytes]


def asterisk(calls: Iterable[CallRecord], *, with_ids: bool = True) -> bytes:
    """Master.csv."""
    lines = []
    for call in calls:
        texts = ["", call.caller, call.called, "phones", f'"""Jan ""Ř"" Novák"" <{call.caller}>"', "PJSIP/1-00000001"]
        texts += ["PJSIP/trunk-00000002", "Dial", '"PJSIP/602123456@trunk,60,L(3600000)"']
        texts += [_local(call.started_at), _local(call.answered_at), _local(call.ended_at)]
        texts += [str(_seconds(call)), str(call.billed_seconds), _ASTERISK[call.disposition], "DOCUMENTATION"]
        texts += [call.call_id, "note"] if with_ids else []
        lines.append(",".join(text if text.startswith('"') else f'"{text}"' for text in texts))
    return "".join(f"{line}\n" for line in lines).encode()


def freeswitch_csv(calls: Iterable[CallRecord]) -> bytes:
    """The template `example`."""
    lines = []
    for call in calls:
        texts = ["Jan Novák", call.caller, call.called, "default", _local(call.started_at), _local(call.answered_at)]
        texts += [_local(call.ended_at), str(_seconds(call)), str(call.billed_seconds), _FREESWITCH[call.disposition]]
        texts += [call.call_id, "", "", "PCMA", "PCMA"]
        lines.append(",".join(f'"{text}"' for text in texts))
    return "".join(f"{line}\n" for line in lines).encode()


def freeswitch_json(calls: Iterable[CallRecord]) -> bytes:
    """One object after the other, as the files of one call each, put together."""
    return b"\n".join(json_module.dumps(leg(call)).encode() for call in calls)


def leg(call: CallRecord) -> dict[str, object]:
    """What mod_json_cdr writes of a call, as far as anybody reads it."""
    variables = {
        "uuid": call.call_id.replace("@", "%40"),
        "start_epoch": _epoch(call.started_at),
        "answer_epoch": _epoch(call.answered_at),
        "end_epoch": _epoch(call.ended_at),
        "start_stamp": _local(call.started_at).replace(" ", "%20"),
        "billsec": str(call.billed_seconds),
        "hangup_cause": _FREESWITCH[call.disposition],
    }
    profile = {"caller_id_name": "Jan", "caller_id_number": call.caller, "destination_number": call.called}
    return {"core-uuid": "x", "variables": variables, "callflow": [{"caller_profile": profile}]}


def kamailio(calls: Iterable[CallRecord]) -> bytes:
    """What our own configuration writes."""
    lines = []
    for call in calls:
        start, answered = call.answered_at or call.ended_at, f"{_epoch(call.answered_at)}.250000"
        texts = [_epoch(start), _epoch(call.ended_at), f"{call.billed_seconds}.250000", call.call_id, call.caller]
        texts += [call.called, f"{_epoch(call.started_at)}.000000", answered if call.answered_at else ""]
        lines.append("|".join(texts))
    return "".join(f"{line}\n" for line in lines).encode()


WRITERS: dict[str, Writer] = {
    "asterisk": asterisk,
    "freeswitch csv": freeswitch_csv,
    "freeswitch json": freeswitch_json,
    "kamailio": kamailio,
}


def _local(at: datetime | None) -> str:
    return f"{at.astimezone(PRAGUE):%Y-%m-%d %H:%M:%S}" if at else ""


def _epoch(at: datetime | None) -> str:
    return str(int(at.timestamp())) if at else "0"


def _seconds(call: CallRecord) -> int:
    return int((call.ended_at - call.started_at).total_seconds())


@st.composite
def calls(draw: st.DrawFn) -> CallRecord:
    """Any call of a few hours in any year; both nights in which clocks change are among them."""
    epoch = st.integers(1_600_000_000, 1_900_000_000) | st.integers(1792886400 - 7200, 1792886400 + 7200)
    started_at = datetime.fromtimestamp(draw(epoch), UTC)
    rings, talks = draw(st.integers(0, 100)), draw(st.integers(0, 20_000))
    answered_at = started_at + timedelta(seconds=rings) if draw(st.booleans()) else None
    disposition = "answered" if answered_at else draw(st.sampled_from(["unanswered", "busy", "failed"]))
    number = st.text("0123456789+*#", max_size=15)
    return CallRecord(
        source="asterisk",
        uid="",
        call_id=f"{int(started_at.timestamp())}.{draw(st.integers(0, 99999))}",
        caller=draw(number),
        called=draw(number),
        started_at=started_at,
        answered_at=answered_at,
        ended_at=started_at + timedelta(seconds=rings + (talks if answered_at else 0)),
        billed_seconds=talks if answered_at else 0,
        disposition=disposition,  # type: ignore[arg-type]
    )
