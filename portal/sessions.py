"""What log-ins of every zone share: a session begins and ends, and when a new password is taken."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.logins import end_session
from billing.customers.passwords import password_problem, verify_password
from config.i18n import N_
from portal.forms import keep, see
from portal.zone import VISITOR, ZONE


async def enter(
    request: web.Request, path: str, open_session: Callable[[AsyncSession], Awaitable[str]]
) -> web.StreamResponse:
    """On to a page with a new session, whatever cookie the browser brought; `open_session` returns its token."""
    zone = request.app[ZONE]
    async with zone.store.transaction() as session:
        if VISITOR in request:  # whoever was logged in here before is not any more
            await end_session(session, request[VISITOR].session_id, zone.now())
        token = await open_session(session)
    response = see(path)
    keep(response, zone.session_cookie, token)
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    zone = request.app[ZONE]
    async with zone.store.transaction() as session:
        await end_session(session, request[VISITOR].session_id, zone.now())
    response = see("/login?done=out")
    keep(response, zone.session_cookie, "", max_age_seconds=0)
    return response


async def change_problem(old: str, new: str, password_hash: str) -> str:
    """Why the new password is not taken, in words to be translated; empty when it is. It needs the old one."""
    if not await asyncio.to_thread(verify_password, old, password_hash):
        return N_("The old password is not right.")
    if wrong := password_problem(new):
        return wrong
    return N_("The new password is the old one.") if old == new else ""
