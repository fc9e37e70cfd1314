"""Starts and stops the web role's listeners: the notice server, and where they are set up the captive API, the
customer portal and what a telephone exchange asks.

Sockets come from systemd, so that a restart refuses nobody, or are opened here. Those opened here have
`SO_REUSEPORT`: more processes may listen beside this one.
"""

import asyncio
import logging
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.reading import documents
from billing.invoicing.documents.rendering import Renderer
from billing.store.engine import Store
from config.clock import Clock
from config.errors import HradloError
from config.settings import Settings
from portal.captive_api import make_captive_app
from portal.customer.app import make_portal_app
from portal.customer.office import Office
from portal.exchange.app import make_exchange_app
from portal.gate import Gate
from portal.limits import ConnectionLimit, Rate, RequestLimit
from portal.notice.app import make_notice_app
from portal.notice.counters import Counters
from portal.notice.desk import make_tokens, own_hosts
from portal.notice.directory import Directory
from portal.notice.door import Doorkeeper, DoorRules, SignWanted
from portal.notice.head import HEAD_BYTES_MAX
from portal.notice.reception import Reception, receptions
from portal.routing import by_host
from portal.voip.app import make_voip_app
from portal.voip.booth import Booth

_BACKLOG = 2048
_DESCRIPTORS_RESERVED = 100
"""For the database, logs and listeners."""
_SHUTDOWN_SECONDS = 5.0
_ZONE_KEEPALIVE_SECONDS = 20.0
_ZONES_PART = 8
"""Of all connections, the portal with the VoIP zone may have one in so many, and the exchange, too."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A running web role."""

    counters: Counters
    directory: Directory
    addresses: tuple[tuple[str, int], ...]
    """Where it listens: the notice server's sockets first, then the captive API's, the portal's, the exchange's."""


@asynccontextmanager
async def serve(
    settings: Settings,
    store: Store,
    clock: Clock,
    ring: Callable[[], None],
    sockets: Sequence[socket.socket] | None = None,
) -> AsyncIterator[Serving]:
    """Serves until the block ends; `sockets` were passed in by systemd, and are told apart by their ports. What has
    none is opened here.

    At the end it accepts no more, ends connections without a request, and lets the others finish.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_no_rubbish)
    ways = receptions(settings)
    counters, directory = Counters(), Directory(store, [way.site for way in ways])
    await directory.refresh()
    rules = [_rules(settings, way, clock, directory) for way in ways]
    plain, encrypted, of_portal, of_exchange = _sorted_sockets(settings, ways, sockets or ())
    async with AsyncExitStack() as stack:
        for way, rules_there, listening in zip(ways, rules, plain, strict=True):
            notice = make_notice_app(settings, way, store, clock, ring, counters)
            await stack.enter_async_context(_listening(notice, rules_there, counters, listening))
        if encrypted:
            captive = make_captive_app(settings, store, clock, ring, counters)
            captive_rules = rules[0].for_captive_api()
            tls = _tls(settings.captive_api.certificate, settings.captive_api.key, "captive_api")
            await stack.enter_async_context(_listening(captive, captive_rules, counters, encrypted, tls))
        if of_portal:
            renderer = await stack.enter_async_context(Renderer.of(settings))
            office = Office(settings, store, clock, ring, documents=_documents(store, renderer))
            zones = make_zones_app(office, Booth(settings, store, clock, ring) if settings.voip.url else None)
            proxies = [str(address) for address in settings.portal.trusted_proxies]
            await stack.enter_async_context(_serving_zone(zones, of_portal, proxies, _portal_tls(settings)))
        if of_exchange:
            exchange = make_exchange_app(settings, store, clock, ring)
            proxies = [str(address) for address in settings.voip.exchange_addresses]
            await stack.enter_async_context(_serving_zone(exchange, of_exchange, proxies))
        every = (*chain.from_iterable(plain), *encrypted, *of_portal, *of_exchange)
        addresses = tuple(item.getsockname()[:2] for item in every)
        async with asyncio.TaskGroup() as group:
            group.create_task(directory.keep_fresh())
            try:
                yield Serving(counters, directory, addresses)
            finally:
                directory.stop()


def make_zones_app(office: Office, booth: Booth | None) -> web.Application:
    """The customer portal; and where there is one the VoIP zone, on the same sockets under a host name of its own."""
    portal = make_portal_app(office)
    return by_host({booth.host: make_voip_app(booth)}, portal) if booth else portal


@asynccontextmanager
async def _listening(
    app: web.Application,
    rules: DoorRules,
    counters: Counters,
    sockets: Sequence[socket.socket],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=rules.timeout_seconds,
        lingering_time=0,
        max_line_size=HEAD_BYTES_MAX,  # the door has looked: two opinions would be one too many
        max_field_size=HEAD_BYTES_MAX,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    keeper = Doorkeeper(rules, cast(web.Server, runner.server), counters)
    patience_seconds = rules.timeout_seconds if tls else None
    servers = [
        await loop.create_server(keeper, sock=item, ssl=tls, backlog=_BACKLOG, ssl_handshake_timeout=patience_seconds)
        for item in sockets
    ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        keeper.close()
        await runner.cleanup()


def _rules(settings: Settings, way: Reception, clock: Clock, directory: Directory) -> DoorRules:
    notice = settings.notice
    return DoorRules(
        notice_url=way.url,
        own_hosts=own_hosts(way.url),
        sign_wanted=_wanted_signer(settings, way.site, clock, directory),
        requests=RequestLimit(Rate.per_minute(notice.requests_per_minute)),
        connections=ConnectionLimit(notice.connections_per_address),
        timeout_seconds=notice.headers_timeout_seconds,
        total_max=(_connections_max() - 2 * _connections_max() // _ZONES_PART) // len(receptions(settings)),
    )


def _wanted_signer(settings: Settings, site: str, clock: Clock, directory: Directory) -> SignWanted:
    tokens = make_tokens(settings, site)

    def sign(url: str, address: str) -> str:
        contract_id = directory.find(site, address)
        return "" if contract_id is None else tokens.sign_wanted(url, address, contract_id, clock.now())

    return sign


def _connections_max() -> int:
    return _raised_descriptor_limit() - _DESCRIPTORS_RESERVED


def _raised_descriptor_limit() -> int:
    """As many descriptors as the machine lets this process have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard > 0 else 1 << 20


def _sorted_sockets(
    settings: Settings, ways: Sequence[Reception], passed: Sequence[socket.socket]
) -> tuple[list[list[socket.socket]], list[socket.socket], list[socket.socket], list[socket.socket]]:
    """(for the notice server, by site; for the captive API, for the portal, for the exchange)

    What was passed in and has nobody's port is for the notice of the gateway's own site, `ways[0]`.
    """
    encrypted = _on_ports_of(settings.captive_api.listen, passed)
    of_portal = _on_ports_of(settings.portal.listen, passed)
    of_exchange = _on_ports_of(settings.voip.exchange_listen, passed)
    of_routers = [_on_ports_of(way.listen, passed) for way in ways[1:]]
    elsewhere = (*encrypted, *of_portal, *of_exchange, *chain.from_iterable(of_routers))
    own = [item for item in passed if item not in elsewhere]
    return (
        [
            there or [_open(endpoint) for endpoint in way.listen]
            for way, there in zip(ways, (own, *of_routers), strict=True)
        ],
        encrypted or [_open(endpoint) for endpoint in settings.captive_api.listen],
        of_portal or [_open(endpoint) for endpoint in settings.portal.listen],
        of_exchange or [_open(endpoint) for endpoint in settings.voip.exchange_listen],
    )


def _on_ports_of(endpoints: Sequence[str], passed: Sequence[socket.socket]) -> list[socket.socket]:
    ports = {int(endpoint.rpartition(":")[2]) for endpoint in endpoints}
    return [item for item in passed if item.getsockname()[1] in ports]


def _documents(store: Store, renderer: Renderer) -> Callable[[int, str], Awaitable[tuple[bytes, str]]]:
    """Makes the PDF and the ISDOC of an issued document for the portal."""

    async def made(invoice_id: int, kind: str) -> tuple[bytes, str]:
        async with store.reading() as session:
            (document,) = await documents(session, [invoice_id])
        if kind == "isdoc":
            return await asyncio.to_thread(isdoc, document), "application/x-isdoc"
        return await renderer.pdf(document), "application/pdf"

    return made


@asynccontextmanager
async def _serving_zone(
    app: web.Application, sockets: Sequence[socket.socket], proxies: Sequence[str], tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """A zone (`zone.py`): by its own certificate, or in plain HTTP for a proxy that has one; or the exchange's side."""
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=_ZONE_KEEPALIVE_SECONDS,
        auto_decompress=False,  # nothing that we take is compressed: no bomb, and no codec's own errors
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    gate = Gate(cast(web.Server, runner.server), frozenset(proxies), _connections_max() // _ZONES_PART)
    servers = [
        await loop.create_server(
            gate, sock=item, ssl=tls, backlog=_BACKLOG, ssl_handshake_timeout=_ZONE_KEEPALIVE_SECONDS if tls else None
        )
        for item in sockets
    ]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        await runner.cleanup()


def _is_no_rubbish(record: logging.LogRecord) -> bool:
    """What is no HTTP is a stranger's doing, answered with 400: a traceback for each would let them fill the disk."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _open(endpoint: str) -> socket.socket:
    """A listening socket's socket; raises `HradloError` when the address can't be had."""
    host, _, port = endpoint.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        opened.bind((host, int(port)))
    except OSError as error:
        opened.close()
        raise HradloError(
            f"Can't listen on {endpoint}: {error.strerror}.", "Is another program there? See [notice] listen."
        ) from error
    opened.setblocking(False)
    return opened


def _portal_tls(settings: Settings) -> ssl.SSLContext | None:
    portal = settings.portal
    return _tls(portal.certificate, portal.key, "portal") if portal.certificate and portal.key else None


def _tls(certificate: Path | None, key: Path | None, section: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(certificate), str(key))
    except (OSError, ssl.SSLError) as error:
        raise HradloError(
            f"The certificate {certificate} can't be used: {error}.",
            f"It must be a PEM chain with its key, see [{section}].",
        ) from error
    return context
