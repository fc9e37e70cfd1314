"""Style, script and the ISP's logo: three files that browsers may keep, as their address changes with them."""

import asyncio

from aiohttp import web

from portal.pages import STATIC
from portal.zone import ZONE

_KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
_TYPES = {"portal.css": "text/css", "portal.js": "text/javascript"}
LOGO_BYTES_MAX = 200_000


async def static(request: web.Request) -> web.StreamResponse:
    zone, name = request.app[ZONE], request.match_info["name"]
    if name == "brand.css":
        return web.Response(text=zone.pages.brand_css, content_type="text/css", charset="utf-8", headers=_KEPT)
    if name == "logo" and zone.settings.portal.logo:
        body = await asyncio.to_thread(zone.settings.portal.logo.read_bytes)
        content_type = "image/svg+xml" if body.lstrip().startswith((b"<svg", b"<?xml")) else "image/png"
        return web.Response(body=body[:LOGO_BYTES_MAX], content_type=content_type, headers=_KEPT)
    if name not in _TYPES:
        raise web.HTTPNotFound
    body = await asyncio.to_thread((STATIC / name).read_bytes)
    return web.Response(body=body, content_type=_TYPES[name], charset="utf-8", headers=_KEPT)
