""" "I have read this": the one thing that changes anything here.

It counts only if it is a POST from our own page, with the token of a notice that was shown to this very address at
this site, no longer ago than `acknowledge_minutes`; if the address of the site that the request came in from belongs
to the notice's contract at this moment; and if the page would say the same words about the same invoices now. All
that is asked again inside of the transaction that writes it. Nothing a header says about where it came from can help;
it can only spoil it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession
from structlog import get_logger

from billing.dunning import notices
from billing.services.operations import contract_of
from billing.store import journal
from billing.store.clock_guard import require_plausible
from config.i18n import LANGUAGES
from portal.client_address import speaks_for_others, user_agent_of
from portal.notice.desk import Desk, peer_of
from portal.notice.pages import CHANGED, EXPIRED, Asking, Page
from portal.notice.requests import Request
from portal.notice.tokens import ShownNotice, is_recent

OPEN_SECONDS_MAX = 1.5
"""So long the answer waits for the line, so that the browser does not run into the redirect again."""
_FORM_FIELDS_MAX = 4
_FORM_TYPE = "application/x-www-form-urlencoded"

log = get_logger(__name__)


class Refused(Exception):
    """The acknowledgement does not count; the reason is for the log, not for the page."""


class ReadAgain(Exception):
    """It was shown to the right one, but must be read once more."""

    def __init__(self, why: str, page: Page, view: notices.NoticeView) -> None:
        super().__init__(why)
        self.page = page
        self.view = view


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, and where to go on."""

    contract_id: int
    notice_id: int
    is_new: bool
    asking: Asking


def spoiled_by(headers: Mapping[str, str], origin: str) -> str:
    """What in the head of the request makes it not count; empty when nothing does."""
    if speaks_for_others(headers):
        return "a forwarding header"
    if headers.get("Origin", origin) != origin:
        return "another origin"
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return "another site"
    if Request("POST", "/", {name.lower(): value for name, value in headers.items()}).is_prefetch:
        return "a prefetch"
    return ""


async def receive(desk: Desk, request: web.Request) -> Outcome:
    """Writes an acknowledgement; raises `Refused` or `ReadAgain` when it does not count."""
    address = peer_of(request)
    if why := spoiled_by(request.headers, desk.origin):
        raise Refused(why)
    form = await _form(desk, request)
    token, wanted_token = form.get("token", ""), form.get("wanted", "")
    known = desk.tokens.shown(token, address)
    if known is None:
        raise Refused("a token that was not made for this address")
    shown, issued_at = known
    if shown.language not in LANGUAGES:
        raise Refused("a token of another version")
    now = desk.clock.now()
    async with desk.store.transaction() as session:
        await require_plausible(session, now)
        await journal.lock(session)  # nobody pays, moves or answers between what is read here and what is written
        view, asking = await _view(desk, session, address, shown, wanted_token)
        if view.acknowledged_at is not None and view.notice_id == shown.notice_id:
            return Outcome(view.contract_id, shown.notice_id, False, asking)
        page = desk.pages.of(view, asking, now)
        if not is_recent(issued_at, now, desk.settings.notice.acknowledge_minutes):
            raise ReadAgain("too old", desk.pages.of(view, asking, now, EXPIRED), view)
        if view.notice_id != shown.notice_id or page.text_sha256 != shown.text_sha256:
            raise ReadAgain("changed", desk.pages.of(view, asking, now, CHANGED), view)
        is_new = await notices.acknowledge(
            session,
            view=view,
            site=desk.site,
            source_address=address,
            user_agent=user_agent_of(request.headers),
            language=asking.language,
            text=page.text,
            token=token,
            now=now,
        )
    return Outcome(view.contract_id, shown.notice_id, is_new, asking)


async def _view(
    desk: Desk, session: AsyncSession, address: str, shown: ShownNotice, wanted_token: str
) -> tuple[notices.NoticeView, Asking]:
    """What is true now for whoever has the address now."""
    now = desk.clock.now()
    contract_id = await contract_of(session, desk.site, address)
    if contract_id is None:
        raise Refused("an address that is nobody's")
    language = next(code for code in LANGUAGES if code == shown.language)
    asking = desk.wanted(Asking(language, desk.base), wanted_token, address, contract_id, now)
    return await notices.view(session, contract_id, desk.policy, now, desk.site), asking


async def _form(desk: Desk, request: web.Request) -> dict[str, str]:
    """The fields of the body, each once; raises `HTTPBadRequest` for a body that is no such form."""
    if request.content_type != _FORM_TYPE:
        raise web.HTTPBadRequest
    try:
        async with asyncio.timeout(desk.settings.notice.headers_timeout_seconds):
            body = await request.read()
        fields = parse_qs(body.decode("ascii"), max_num_fields=_FORM_FIELDS_MAX)
    except (TimeoutError, ValueError) as error:
        raise web.HTTPBadRequest from error
    return {name: values[0] for name, values in fields.items() if len(values) == 1}


async def acknowledge(desk: Desk, request: web.Request) -> Outcome:
    """`receive`, and what follows from it: a log line, a ring, and the wait until the line is open."""
    address = peer_of(request)
    try:
        outcome = await receive(desk, request)
    except (Refused, ReadAgain) as refusal:
        desk.counters.acknowledgements_refused += 1
        log.info("acknowledgement.refused", site=desk.site, source_address=address, why=str(refusal))
        raise
    if not outcome.is_new:
        return outcome
    desk.counters.acknowledgements += 1
    desk.ring()
    # The engine may be down: the page must not hang.
    is_open = await desk.openings.wait(outcome.contract_id, OPEN_SECONDS_MAX)
    log.info(
        "acknowledgement.written",
        contract_id=outcome.contract_id,
        notice_id=outcome.notice_id,
        site=desk.site,
        source_address=address,
        language=outcome.asking.language,
        is_open=is_open,
    )
    return outcome


async def is_open(desk: Desk, contract_id: int) -> bool:
    async with desk.store.reading() as session:
        return await notices.line_of(session, contract_id, desk.site) == "open"
