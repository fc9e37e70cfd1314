"""Mails to the admin: what is held, at once, and the report of each day. Plain words, in the outbox like all mails.

Without `mail.admin` nobody is told by mail, and `hradlo status` says so.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from html import escape

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dunning.brake import HoldReason
from billing.store import outbox
from config.settings import Settings
from enforcement.brake import Proposal
from enforcement.state import LineState

NAMED_MAX = 100
"""So many contracts are named; `hradlo brake show` has all."""


async def held_mail(
    session: AsyncSession,
    proposals: Sequence[Proposal],
    reasons: Collection[HoldReason],
    checksum: str,
    settings: Settings,
    now: datetime,
) -> None:
    """Restrictions are held since now: why, whose, and what to do."""
    whys = sorted({each.why for each in reasons})
    lines = [
        "Hradlo holds new restrictions: nobody is noticed or suspended before you have looked.",
        "Whoever pays gets the line back all the same, at once.",
        "",
        *(f"- {each.words}" for each in reasons),
        "",
        *proposals_in_words(proposals),
        "",
        "Look at it:     hradlo brake show",
        f'Let it happen:  hradlo brake release {checksum} --why "…"   (within two hours it does)',
        "What else can be done stands in docs/brake.md.",
    ]
    key = f"brake:{now.isoformat()}:{','.join(whys)}"
    await _put(session, "brake", key, f"Hradlo holds restrictions: {', '.join(whys)}", lines, settings, now)


def proposals_in_words(proposals: Sequence[Proposal]) -> Iterable[str]:
    """Who would be restricted, the suspensions first."""
    if not proposals:
        yield "Nobody would be restricted now."
        return
    for line, words in ((LineState.SUSPENDED, "suspended"), (LineState.NOTICE, "shown the notice")):
        count = sum(each.line is line for each in proposals)
        if count:
            yield f"{count} would be {words}."
    ordered = sorted(proposals, key=lambda each: (-each.line, each.contract))
    for each in ordered[:NAMED_MAX]:
        yield f"  contract {each.contract}: {each.line}, owes {each.debt} ({each.why})"
    if len(ordered) > NAMED_MAX:
        yield f"  … and {len(ordered) - NAMED_MAX} more"


async def report_mail(
    session: AsyncSession, day: str, subject: str, lines: Sequence[str], settings: Settings, now: datetime
) -> None:
    """The report of a day, once."""
    await _put(session, "report", f"report:{day}", subject, lines, settings, now)


async def _put(
    session: AsyncSession,
    kind: str,
    key: str,
    subject: str,
    lines: Sequence[str],
    settings: Settings,
    now: datetime,
) -> None:
    if not settings.mail.admin:
        return
    text = "\n".join(lines) + "\n"
    draft = outbox.Draft(
        dedup_key=key[:200],
        contract_id=None,
        kind=kind,
        recipient=settings.mail.admin,
        subject=subject,
        text=text,
        html=f'<!DOCTYPE html><html lang="en"><body><pre>{escape(text)}</pre></body></html>',
    )
    await outbox.put(session, [draft], now, domain=outbox.sender_domain(settings.mail.sender))
