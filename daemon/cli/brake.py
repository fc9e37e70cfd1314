"""Commands about the brake: brake show, brake release, brake hold; and undo."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import typer

from billing.dunning import brake
from billing.dunning.brake import HoldReason, RunSummary
from billing.dunning.undoing import Undone
from billing.dunning.undoing import undo as undo_run
from billing.importing import iso_date
from billing.money import Money
from billing.store import journal
from billing.store.engine import Store
from config.counting import counted
from config.errors import NotAllowed
from config.settings import Settings
from daemon.braking import Verdict
from daemon.braking import release as release_held
from daemon.cli.context import Context, JsonOption, current, out, run
from daemon.cli.typed import given, id_
from daemon.deciding import Decider, Known
from daemon.engine_lock import engine_state
from daemon.terminal import table
from daemon.witness import Witness
from enforcement.brake import LASTS_THROUGH_A_RELEASE, Proposal, Why
from enforcement.state import LineState

app = typer.Typer(help="What stops a mistake from cutting off many.", no_args_is_help=True)

UNDO_DAYS = 7
RELEASE_TRIES = 5
"""The journal may go on between the look and the release; then it is looked again, whether it is still the same."""
BETTER_IMPORT = frozenset({Why.STALE, Why.GAP, Why.THIN})
"""Who releases these restricts people of whom nobody knows whether they paid."""
RequiredWhy = typer.Option(..., "--why", help="The reason; it stands in the journal.")


@dataclass(frozen=True, slots=True)
class _State:
    """What there is to see."""

    verdict: Verdict
    runs: list[RunSummary]


async def _look(context: Context, store: Store) -> Known:
    witness = Witness(context.settings.daemon.state_directory, context.clock)
    return await Decider(context.settings, store, context.clock, (), witness).would_know()


@app.command()
def show(json: bool = JsonOption) -> None:
    """What is held, whose, how much and why; with the checksum that releases it, and the last runs."""

    async def work(context: Context, store: Store) -> _State:
        verdict = (await _look(context, store)).verdict
        async with store.reading() as session:
            return _State(verdict, await brake.last_runs(session))

    found = run(work)
    if json:
        out({**held_as_json(found.verdict), "runs": [each.as_json() for each in found.runs]})
        return
    if found.runs:
        headings = ("run", "when", "notices", "suspensions", "undone")
        table("The last runs", headings, [_run_row(each, current.settings) for each in found.runs])
    if found.verdict.held_proposals:
        columns = ("contract", "line", "debt", "why")
        rows = [(each.contract, str(each.line), each.debt, each.why) for each in found.verdict.held_proposals]
        table("Held", columns, rows)
        typer.echo(_sums(found.verdict.held_proposals))
    # After the names, however many there are: what is read last is what is done about.
    if not found.verdict.reasons:
        typer.echo("Nothing is held: restrictions happen within the limits of [brake].")
    print_reasons(found.verdict)
    for advice in _what_next(found.verdict, current.settings):
        typer.echo(advice)


def _sums(held: Sequence[Proposal]) -> str:
    """So many, and how much it is about."""
    kinds = Counter(each.line for each in held)
    notices, suspensions = (kinds[line] for line in (LineState.NOTICE, LineState.SUSPENDED))
    debt = Money.total(Money.parse(each.debt) for each in held)
    words = f"{counted(notices, 'notice')} and {counted(suspensions, 'suspension')}, owing {debt} in all"
    return f"{counted(len(held), 'contract')}: {words}."


def _run_row(each: RunSummary, settings: Settings) -> tuple[str, ...]:
    at = each.at.astimezone(settings.zone)
    return (
        str(each.run),
        f"{at:%Y-%m-%d %H:%M}",
        str(each.notices),
        str(each.suspensions),
        "yes" if each.undone_at else "",
    )


def _what_next(verdict: Verdict, settings: Settings) -> Iterator[str]:
    """What a person should do about it, what is better than a release first."""
    if not verdict.reasons:
        return
    whys = {reason.why for reason in verdict.reasons}
    if whys & BETTER_IMPORT:
        yield "First import what the bank has to say: hradlo payments import FILE. Who paid since may be among them."
    if Why.RESTORED in whys:
        yield "First import every statement and the invoices since the backup was made: docs/runbook.md says how."
    if Why.CLOCK in whys:
        yield "First set the clock (timedatectl), and look again ten minutes later. Who releases says that it is right."
    if settings.enforcement.mode == "monitor":
        yield 'To enforce: set [enforcement] mode = "enforce" and restart; then look here again (docs/brake.md).'
    elif not verdict.held_proposals and whys <= LASTS_THROUGH_A_RELEASE:
        yield "Nobody would be restricted now, so there is nothing to release."
    else:
        yield f'Let it happen: hradlo brake release {verdict.checksum} --why "…"'


def held_as_json(verdict: Verdict) -> dict[str, Any]:
    """What the brake says, for programs."""
    return {
        "state": "held" if verdict.reasons else "go",
        "checksum": verdict.checksum if verdict.reasons else "",
        "reasons": [{"reason": reason.why.value, "words": reason.words} for reason in verdict.reasons],
        "contracts": [
            {"contract": each.contract, "line": str(each.line), "debt": each.debt, "why": each.why}
            for each in verdict.held_proposals
        ],
    }


def print_reasons(verdict: Verdict) -> None:
    """Why something is held, one reason a line."""
    for reason in verdict.reasons:
        typer.echo(f"held: {reason}")


def print_held(verdict: Verdict) -> None:
    """Why something is held, and how many wait for it, for who did not ask about the brake."""
    print_reasons(verdict)
    if verdict.held_proposals:
        held = counted(len(verdict.held_proposals), "contract")
        typer.echo(f"{held} would be restricted, if it were not held: hradlo brake show")


@app.command()
def release(checksum: str, why: str = RequiredWhy) -> None:
    """Lets happen what `brake show` showed with this checksum, within two hours; refused if it is another by now."""
    count = run(lambda context, store: _release(context, store, checksum, why))
    current.ring()
    typer.echo(f"Released: {counted(count, 'contract')} may be restricted within two hours, at decent hours.")
    _say_who_does_it()


async def _release(context: Context, store: Store, checksum: str, why: str) -> int:
    if context.settings.enforcement.mode == "monitor":
        raise NotAllowed("Hradlo only monitors here.", 'Set [enforcement] mode = "enforce" first.')
    for _ in range(RELEASE_TRIES):
        known = await _look(context, store)
        verdict = known.verdict
        if not verdict.reasons or verdict.checksum != checksum.strip():
            raise await _no_release(context, store, verdict, checksum.strip())
        if await release_held(
            store,
            context.settings,
            context.clock,
            verdict,
            actor=context.actor,
            why=why,
            seen_up_to=known.cursor,
        ):
            return len(verdict.held_proposals)
    raise NotAllowed("Facts changed all the while, so nothing was released.", "An import may run: try again after it.")


async def _no_release(context: Context, store: Store, verdict: Verdict, checksum: str) -> NotAllowed:
    """Why what is held is not released by this checksum."""
    async with store.reading() as session:
        earlier = await brake.release_of(session, checksum)
    if earlier is not None:
        at = earlier.at.astimezone(context.settings.zone)
        words = f"{checksum} was released already, at {at:%Y-%m-%d %H:%M} by {earlier.actor}. Nothing was changed."
        return NotAllowed(words, "What is held now: hradlo brake show.")
    if not verdict.reasons:
        return NotAllowed("Nothing is held.", "What is decided happens within the limits of [brake].")
    return NotAllowed(f"What is held is not {checksum}: facts or reasons changed since.", "Look: hradlo brake show.")


@app.command()
def hold(why: str = RequiredWhy) -> None:
    """Stops every new restriction at once, until somebody releases it."""

    async def work(context: Context, store: Store) -> None:
        reason = HoldReason(Why.MANUAL.value, "", f"{context.actor} stopped it: {why}")
        async with store.transaction() as session:
            await journal.lock(session)
            await brake.begin_hold(session, reason, actor=context.actor, now=context.clock.now(), why=why)

    run(work)
    current.ring()
    typer.echo("Nobody is newly noticed or suspended from now on. Restores go on. See: hradlo brake show")


def undo(
    run_id: int = typer.Argument(..., callback=id_, metavar="RUN", help="Its number, from `hradlo brake show`."),
    until: str = typer.Option("", help=f"The last day that is protected; without it, {UNDO_DAYS} days from today."),
    why: str = RequiredWhy,
) -> None:
    """Gives everybody whom a run restricted the line back, and protects them for some days."""
    until_on = given(iso_date, until, "--until")
    done = run(lambda context, store: _undo(context, store, run_id, until_on, why))
    current.ring()
    contracts = counted(len(done.contracts), f"contract of run {run_id} is", f"contracts of run {run_id} are")
    typer.echo(f"{contracts} protected up to and including {done.until_on}.")
    _say_who_does_it()


def _say_who_does_it() -> None:
    """What was written changes no line before an engine looks."""
    if engine_state(current.settings.daemon.runtime_directory) == "stopped":
        typer.echo("No engine runs here, so nothing changes on this gateway yet: systemctl start hradlo")


async def _undo(context: Context, store: Store, run_id: int, until_on: date | None, why: str) -> Undone:
    now = context.clock.now()
    today = context.today
    last_on = until_on or today + timedelta(days=UNDO_DAYS)
    async with store.transaction() as session:
        return await undo_run(session, run_id, until_on=last_on, actor=context.actor, why=why, today=today, now=now)
