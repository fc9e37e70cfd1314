"""The doctor: looks at everything that has to be right on this machine, and says what to do where it is not."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.reading import parked
from billing.payments.statements import missing_statements
from billing.services.bindings import bound_services
from billing.services.sites import sites
from billing.store.clock_guard import require_plausible
from billing.store.engine import Store
from config.clock import Clock
from config.counting import counted
from config.demands import doubts
from config.errors import ClockBehind, DriverError, HradloError
from config.setting_types import MAIN_SITE
from config.settings import Settings
from daemon.binding import unbound_site
from daemon.drivers import open_drivers
from daemon.engine_lock import engine_state
from daemon.status import brake_state
from enforcement.driver import Driver
from enforcement.routeros.driver import RouterOsDriver
from enforcement.routeros.examination import Remark

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 3
UNREADABLE = (HradloError, DBAPIError, OSError)
"""What a database that is away, or none, raises: one finding says so, and the others go on."""
NAMED_MAX = 10
"""So many contracts are named."""
BUILT_YEAR = 2026


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_good: bool
    found: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Every examination, in the order in which their failures should be mended; raises nothing of its own."""
    findings = [Finding("settings", True, "read and checked"), await _clock(settings, clock)]
    examinations: list[Callable[[Settings], Awaitable[list[Finding]]]] = [
        _database,
        _statements,
        _engine,
        _brake,
        _parked,
        _bindings,
        _payable,
        _network,
        partial(_other_sites, now=clock.now()),
        _interfaces,
        _notice_server,
        _mail,
    ]
    for examination in examinations:
        findings += await examination(settings)
    return findings


async def _clock(settings: Settings, clock: Clock) -> Finding:
    now = clock.now()
    if not BUILT_YEAR <= now.year <= BUILT_YEAR + 20:
        return Finding("clock", False, str(now), "Set the clock; see timedatectl.")
    store = Store.open(settings.database_url)
    try:
        async with store.reading() as session:
            await require_plausible(session, now)
    except ClockBehind as error:
        return Finding("clock", False, error.message, error.remedy)
    except UNREADABLE:
        pass  # what is wrong with the database is the next finding
    finally:
        await store.close()
    return Finding("clock", True, f"{now.astimezone(settings.zone):%Y-%m-%d %H:%M:%S %Z}")


async def _database(settings: Settings) -> list[Finding]:
    store = Store.open(settings.database_url)
    try:
        await store.check()
    except HradloError as error:
        return [Finding("database", False, error.message, error.remedy)]
    finally:
        await store.close()
    return [Finding("database", True, "open and up to date")]


async def _asked(settings: Settings, question: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer | None:
    """What the database answers; None where it can't be read, of which `_database` tells."""
    store = Store.open(settings.database_url)
    try:
        await store.check()
        async with store.reading() as session:
            return await question(session)
    except UNREADABLE:
        return None
    finally:
        await store.close()


async def _statements(settings: Settings) -> list[Finding]:
    """Statements of a bank that were never imported may hold payments that somebody is suspended for."""
    missing = await _asked(settings, missing_statements)
    if missing is None:
        return []
    if not missing:
        return [Finding("bank statements", True, "follow each other without a gap")]
    return [Finding("bank statements", False, each, "hradlo payments import FILE") for each in missing]


async def _engine(settings: Settings) -> list[Finding]:
    state = engine_state(settings.daemon.runtime_directory)
    remedies = {"running": "", "unknown": "Run this as root."}
    remedy = remedies.get(state, "systemctl start hradlo; lines stay as they are meanwhile.")
    return [Finding("engine", state == "running", state, remedy)]


async def _brake(settings: Settings) -> list[Finding]:
    """Whether restrictions are held, and whether this gateway can remember what it saw."""
    folder = settings.daemon.state_directory
    findings = []
    if not os.access(folder, os.W_OK):
        remedy = "Make it, for the engine's user: a restored database is noticed by what is kept there."
        findings.append(Finding("state directory", False, f"{folder} can't be written", remedy))
    state = await _asked(settings, brake_state)
    if state is None:
        return findings
    remedy = "" if state == "go" else "hradlo brake show; docs/brake.md explains each reason."
    findings.append(Finding("brake", state == "go", state, remedy))
    return findings


async def _parked(settings: Settings) -> list[Finding]:
    """Contracts about which nothing stricter is decided before a person has looked."""
    found = await _asked(settings, parked)
    if found is None:
        return []
    findings = [
        Finding(f"contract {number}", False, f"parked: {why}", f"See hradlo show {number}, and mend the facts.")
        for number, why in found[:NAMED_MAX]
    ]
    if rest := found[NAMED_MAX:]:
        words = f"parked, too: {', '.join(number for number, _ in rest[: NAMED_MAX * 10])}"
        findings.append(Finding(counted(len(rest), "more contract"), False, words, "hradlo show CONTRACT says why."))
    return findings or [Finding("contracts", True, "none is parked for absurd facts")]


async def _bindings(settings: Settings) -> list[Finding]:
    """Services that nobody can find: this gateway itself does not know who has which address now."""
    site = unbound_site(settings)
    found = await _asked(settings, lambda session: bound_services(session, site)) if site else None
    if not found:
        return []
    names = ", ".join(f"{name} (contract {number})" for number, name in found[:NAMED_MAX])
    more = f" and {len(found) - NAMED_MAX} more" if len(found) > NAMED_MAX else ""
    words = f"never restricted, because no router of this site says who has which address: {names}{more}"
    remedy = "Write their addresses, or the site of a router of [[routeros]], into services.csv, and import it."
    return [Finding(f"bindings at site {site}", False, words, remedy)]


async def _payable(settings: Settings) -> list[Finding]:
    """Whoever reads the notice must be able to pay from it."""
    found = [Finding(doubt.place, False, doubt.message, doubt.remedy) for doubt in doubts(settings)]
    return found or [Finding("paying", True, "the notice names an account, and a suspended line reaches it")]


async def _network(settings: Settings) -> list[Finding]:
    name = f"driver {settings.enforcement.driver}"
    if settings.enforcement.driver == "dryrun":
        return [Finding(name, True, "a network in memory only, for a trial on a desk")]
    try:
        async with open_drivers(settings) as drivers:
            found = await asyncio.gather(*(_site(name, site, driver) for site, driver in drivers.items()))
            return list(chain.from_iterable(found))
    except HradloError as error:
        return [Finding(name, False, error.message, error.remedy)]


async def _site(name: str, site: str, driver: Driver) -> list[Finding]:
    what = name if site == MAIN_SITE else f"{name}, site {site}"
    try:
        if isinstance(driver, RouterOsDriver):
            return [_of_router(site, remark) for remark in await driver.examine()]
        observed = await driver.observe()
    except DriverError as error:
        return [Finding(what, False, error.message, error.remedy)]
    if not observed.is_installed:
        return [Finding(what, False, "Hradlo's rules are not installed", "A running engine installs them by itself.")]
    return [Finding(what, True, counted(len(observed.lines), "restricted address", "restricted addresses"))]


def _of_router(site: str, remark: Remark) -> Finding:
    return Finding(f"router {site}: {remark.what}", remark.is_good, remark.found, remark.remedy)


async def _other_sites(settings: Settings, now: datetime) -> list[Finding]:
    """What engines elsewhere last said of theirs; this machine's own were just looked at."""
    own = {settings.enforcement.site, *(router.site for router in settings.routeros)}
    known = await _asked(settings, lambda session: sites(session, now)) or ()
    others = [site for site in known if site.site not in own]
    remedy = "Is an engine with this site running? Else correct the column site in services.csv."
    return [
        Finding(f"site {each.site}", each.state == "enforced", each.state, "" if each.state == "enforced" else remedy)
        for each in others
    ]


async def _interfaces(settings: Settings) -> list[Finding]:
    present = {name for _, name in socket.if_nameindex()}
    findings = []
    for name in settings.enforcement.subscriber_interfaces:
        is_there = not name.endswith("*") and name in present
        if name.endswith("*"):  # ppp*: those that come and go with their subscribers
            is_there = any(one.startswith(name[:-1]) for one in present)
        words, remedy = ("there", "") if is_there else ("not there", "See `ip link`.")
        findings.append(Finding(f"interface {name}", is_there, words, remedy))
    for name in settings.enforcement.subscriber_interfaces:
        findings += _reverse_path_filter(name)
    return findings


def _reverse_path_filter(interface: str) -> list[Finding]:
    """A spoofed source address must not acknowledge for somebody else (RFC 8952)."""
    values = [_sysctl(f"net/ipv4/conf/{name}/rp_filter") for name in ("all", interface)]
    if None in values:
        return []
    strict = max(int(value or 0) for value in values) == 1
    remedy = "" if strict else f"sysctl -w net.ipv4.conf.{interface}.rp_filter=1, so that nobody can fake an address."
    return [Finding(f"reverse path filter {interface}", strict, "strict" if strict else "not strict", remedy)]


def _sysctl(name: str) -> str | None:
    try:
        return (Path("/proc/sys") / name).read_text(encoding="ascii").strip()
    except OSError:
        return None


async def _notice_server(settings: Settings) -> list[Finding]:
    parts = urlsplit(settings.notice.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    reason = await _unreachable(parts.hostname or "", port)
    remedy = "Start hradlo-web, and let an input firewall accept this port from subscribers." if reason else ""
    return [Finding("notice server", not reason, reason or f"answers at {settings.notice.url}", remedy)]


async def _mail(settings: Settings) -> list[Finding]:
    if not settings.mail.host:
        return [Finding("mail", False, "no [mail] host: mails are kept, not sent", "Set [mail] host and sender.")]
    reason = await _unreachable(settings.mail.host, settings.mail.port)
    remedy = "Check [mail] host and port, and that this machine may connect there." if reason else ""
    return [Finding("mail", not reason, reason or f"{settings.mail.host} answers", remedy)]


async def _unreachable(host: str, port: int) -> str:
    """Why nobody answers there; empty when somebody does."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"{host} port {port} does not answer within {PATIENCE_SECONDS} s"
    except (OSError, UnicodeError) as error:  # UnicodeError: a host that can be no name, such as a..b
        return f"{host} port {port}: {getattr(error, 'strerror', None) or error}"
    writer.close()
    return ""
