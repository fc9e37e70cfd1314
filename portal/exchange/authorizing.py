"""`POST /voip/authorize`: may this call begin, and for how long?

    {"caller": "228880001", "called": "+420602123456", "call_id": "…"}
    {"allowed": true, "max_seconds": 3598, "reason": "credit"}

The same `call_id` gets the same answer, so that an exchange may ask again; another call must have another one. An
answer of 200 is the decision, and anything else means no. Emergency numbers are told before the database is asked.
"""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from billing.voip import numbers
from billing.voip.holds import CALL_ID_LENGTH_MAX, EMERGENCY, Verdict
from config.errors import InputRejected, Problem
from portal.exchange.desk import DESK

QUESTION_BYTES_MAX = 16 * 1024
_NUMBER_LENGTH_MAX = 256


@dataclass(frozen=True, slots=True)
class Question:
    """Who calls, whom, and what the exchange calls the call."""

    caller: str
    called: str
    call_id: str


def question(data: bytes) -> Question:
    """The question in a request's body; raises `InputRejected`. Pure."""
    if len(data) > QUESTION_BYTES_MAX:
        raise _rejected("body", f"is longer than {QUESTION_BYTES_MAX} bytes")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise _rejected("body", "is no JSON in UTF-8") from None
    if not isinstance(told, dict):
        raise _rejected("body", "is no JSON object")
    called = _text(told, "called", _NUMBER_LENGTH_MAX)
    return Question(_text(told, "caller", _NUMBER_LENGTH_MAX), called, _text(told, "call_id", CALL_ID_LENGTH_MAX))


def _text(told: dict[str, Any], name: str, length_max: int) -> str:
    text = told.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= length_max or not text.isprintable():
        raise _rejected(name, f"must be text of 1 to {length_max} printable characters")
    return text


def _rejected(place: str, message: str) -> InputRejected:
    return InputRejected("The question was not understood.", [Problem(place, message)])


def is_about_help(data: bytes, country: str) -> bool:
    """Whether a question that lacks anything else is about an emergency number. Never raises."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return False
    called = told.get("called") if isinstance(told, dict) else None
    return isinstance(called, str) and len(called) <= _NUMBER_LENGTH_MAX and numbers.is_emergency(called, country)


async def authorize_call(request: web.Request) -> web.StreamResponse:
    """Answers the exchange."""
    desk = request.app[DESK]
    data = await request.read()
    if is_about_help(data, desk.settings.isp.country):
        return _answer(EMERGENCY)
    try:
        asked = question(data)
    except InputRejected as error:
        problems = [str(problem) for problem in error.problems]
        refusal = {"allowed": False, "max_seconds": None, "reason": "bad_request", "problems": problems}
        return web.json_response(refusal, status=HTTPStatus.BAD_REQUEST)
    verdict = desk.questions.ask(caller=asked.caller, called=asked.called, call_id=asked.call_id)
    return _answer(await desk.in_time(verdict))


def _answer(verdict: Verdict) -> web.Response:
    return web.json_response(
        {"allowed": verdict.allowed, "max_seconds": verdict.max_seconds, "reason": str(verdict.reason)}
    )
