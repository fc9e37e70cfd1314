"""Where the subscribers of each site ask the notice server.

Private ranges of two sites may overlap, so a source address alone says nothing: who is asking is the address *and*
the site, and the site is told by the socket that the question came in on, never by anything in the question.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from config.settings import Settings


@dataclass(frozen=True, slots=True)
class Reception:
    """One site's way to the notice server."""

    site: str
    url: str
    """As its subscribers reach it."""
    listen: Sequence[str]
    """Endpoints, `ADDRESS:PORT`; no other site's."""


def receptions(settings: Settings) -> list[Reception]:
    """The gateway's own one first, then each router's."""
    own = Reception(settings.enforcement.site, settings.notice.url, settings.notice.listen)
    places = [(router.site, f"{router.notice_address}:{router.notice_port}") for router in settings.routeros]
    return [own, *(Reception(site, f"http://{place}", (place,)) for site, place in places)]
