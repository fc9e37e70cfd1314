"""Numbers for Prometheus, at `[metrics] listen` of the web role; docs/monitoring.md explains each.

Most are read from the database when somebody asks, so they are right after any restart. What only the engine knows
(whether a site is reached, how many rounds failed) it writes into a file of its runtime directory, because it has no
TCP listener; the web role hands that file on. What only the web role knows are the notice server's counters.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning import brake
from billing.dunning.reading import IS_PARKED
from billing.dunning.tables import Line, Standing
from billing.payments.tables import BankStatement, Payment
from billing.store import outbox
from billing.store.engine import Store
from billing.store.tables import Mail
from config.clock import Clock
from config.settings import Settings
from daemon.reaction_times import CAUSES, seconds_to_open
from daemon.site import Site
from portal.notice.counters import Counters

ENGINE_FILE = "engine.prom"
PUBLISH_EVERY_SECONDS = 15
log = structlog.get_logger()


class _Families(Collector):
    """Families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def as_text(families: Iterable[Metric]) -> bytes:
    """The families as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Families(families))
    return generate_latest(registry)


# ── what the engine knows ───────────────────────────────────────────────────────────────────────────────────────────


def of_engine(sites: Collection[Site], now: datetime) -> Iterator[Metric]:
    """How the engine's sites are."""
    reached = GaugeMetricFamily("hradlo_site_reached", "1 when the site answered the last time.", labels=["site"])
    rounds = CounterMetricFamily("hradlo_rounds", "Rounds at a site.", labels=["site", "outcome"])
    foreign = CounterMetricFamily("hradlo_foreign_changes", "Times somebody else touched our rules.", labels=["site"])
    changed = CounterMetricFamily("hradlo_addresses_changed", "Addresses written to the network.", labels=["site"])
    for site in sites:
        reached.add_metric([site.name], 0.0 if site.trouble else 1.0)
        rounds.add_metric([site.name, "done"], site.rounds_done)
        rounds.add_metric([site.name, "failed"], site.rounds_failed)
        foreign.add_metric([site.name], site.foreign_changes)
        changed.add_metric([site.name], site.addresses_changed)
    yield from (reached, rounds, foreign, changed)
    yield GaugeMetricFamily("hradlo_engine_written_timestamp_seconds", "When the engine said this.", now.timestamp())


async def keep_publishing(runtime_directory: Path, sites: Collection[Site], clock: Clock) -> None:
    """Publishes the engine's numbers now and then, until it is cancelled."""
    while True:
        try:
            await publish(runtime_directory, sites, clock.now())
        except OSError as error:
            log.error("metrics not written", error=str(error))
        await asyncio.sleep(PUBLISH_EVERY_SECONDS)


async def publish(runtime_directory: Path, sites: Collection[Site], now: datetime) -> None:
    """Writes the engine's numbers into its file."""
    text = as_text(of_engine(sites, now))
    await asyncio.to_thread(_write_whole, runtime_directory / ENGINE_FILE, text)


def _write_whole(path: Path, text: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(text)
    unfinished.chmod(0o640)
    unfinished.rename(path)


# ── what the database knows ─────────────────────────────────────────────────────────────────────────────────────────


async def of_database(session: AsyncSession, now: datetime) -> list[Metric]:
    """Stages, lines, what waits, how old the news of the bank are, and how fast lines came back today."""
    holds = await brake.open_holds(session)
    held = GaugeMetricFamily("hradlo_brake_held", "1 for each reason for which restrictions are held.", labels=["why"])
    for why in sorted({each.why for each in holds}):
        held.add_metric([why], 1)
    return [
        await _grouped(session, "hradlo_contracts", "Contracts by stage; those that are clear are not counted.",
                       "stage", Standing.stage),
        await _lines(session),
        held,
        _gauge("hradlo_contracts_parked", "Contracts whose facts are absurd.",
               await session.scalar(select(func.count()).where(IS_PARKED)) or 0),
        _gauge("hradlo_payments_waiting", "Payments that wait for a person.",
               await session.scalar(select(func.count()).where(Payment.state == "waiting")) or 0),
        *await _mails(session, now),
        _gauge("hradlo_bank_import_age_seconds", "Since the last bank statement was imported; no sample without one.",
               _age(await session.scalar(select(func.max(BankStatement.imported_at))), now)),
        *[await _opened(session, kind, now) for kind in CAUSES],
    ]  # fmt: skip


def _gauge(name: str, words: str, value: float | None) -> Metric:
    return GaugeMetricFamily(name, words, value)


def _age(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


async def _grouped(session: AsyncSession, name: str, words: str, label: str, column: object) -> Metric:
    found = GaugeMetricFamily(name, words, labels=[label])
    rows = await session.execute(select(column, func.count()).group_by(column))  # type: ignore[call-overload]
    for value, count in rows:
        found.add_metric([str(value)], count)
    return found


async def _lines(session: AsyncSession) -> Metric:
    found = GaugeMetricFamily("hradlo_lines_restricted", "Lines that the network was made to restrict.",
                              labels=["site", "state", "why"])  # fmt: skip
    why = func.coalesce(Standing.why, "")
    query = select(Line.site, Line.state, why, func.count()).outerjoin(
        Standing, Standing.contract_id == Line.contract_id
    )
    for site, state, reason, count in await session.execute(query.group_by(Line.site, Line.state, why)):
        found.add_metric([site, state, reason], count)
    return found


async def _mails(session: AsyncSession, now: datetime) -> list[Metric]:
    oldest_at = await session.scalar(select(func.min(Mail.created_at)).where(outbox.IS_WAITING))
    failed = await session.scalar(select(func.count()).where(outbox.IS_FAILED))
    waiting = await session.scalar(select(func.count()).where(outbox.IS_WAITING))
    return [
        _gauge("hradlo_mails_waiting", "Mails in the outbox.", waiting or 0),
        _gauge("hradlo_mail_oldest_seconds", "How long the oldest of them waits.", _age(oldest_at, now) or 0.0),
        _gauge("hradlo_mails_failed", "Mails that were refused for good, and that nobody has looked at.", failed or 0),
    ]


async def _opened(session: AsyncSession, kind: str, now: datetime) -> Metric:
    """From what a subscriber did to the open line, over the last day."""
    seconds = sorted(await seconds_to_open(session, kind, now))
    found = SummaryMetricFamily(
        f"hradlo_{kind}_to_open_seconds",
        f"From {kind} to open line, over the last 24 hours.",
        len(seconds),
        sum(seconds),
    )
    for quantile in (0.5, 0.99):
        if seconds:
            value = seconds[min(len(seconds) - 1, int(quantile * len(seconds)))]
            found.add_sample(found.name, {"quantile": str(quantile)}, value)
    return found


# ── what the web role knows, and where it is asked ──────────────────────────────────────────────────────────────────


def of_notice_server(counters: Counters) -> Iterator[Metric]:
    """What the notice server did since its process began."""
    for each in fields(counters):
        yield CounterMetricFamily(f"hradlo_notice_{each.name}", f"Of the notice server: {each.name.replace('_', ' ')}.",
                                  getattr(counters, each.name))  # fmt: skip


async def everything(settings: Settings, store: Store, counters: Counters, now: datetime) -> bytes:
    """The whole answer; without a database, what is known without it."""
    text = as_text(of_notice_server(counters))
    try:
        async with store.reading() as session:
            found = await of_database(session, now)
        reached = 1.0
    except (DBAPIError, OSError) as error:
        log.error("metrics without the database", error=str(error))
        found, reached = [], 0.0
    text += as_text([*found, _gauge("hradlo_database_reached", "1 when the database answers.", reached)])
    file = settings.daemon.runtime_directory / ENGINE_FILE
    return text + (await asyncio.to_thread(file.read_bytes) if file.exists() else b"")


@asynccontextmanager
async def serving(settings: Settings, store: Store, clock: Clock, counters: Counters) -> AsyncIterator[None]:
    """Answers `/metrics` at `[metrics] listen` until the block ends."""

    async def answer(request: web.Request) -> web.Response:
        body = await everything(settings, store, counters, clock.now())
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75.0)
    await runner.setup()
    try:
        for endpoint in settings.metrics.listen:
            host, _, port = endpoint.rpartition(":")
            await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield
    finally:
        await runner.cleanup()
