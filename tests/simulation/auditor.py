"""The auditor: knows the rules and what really happened, reads the database and the routers, and shares no code with
what it judges.

The rules, by the numbers that `Violation` names:

 1  the ledger sums to zero, and agrees with documents and payments
 2  a payment of a bank's file is there exactly once, with its amount, matched or listed as waiting
 3  nobody is suspended without a notice, its acknowledgement (or the mail, where the settings say so), the whole grace,
    and a permitted hour
 4  nobody without an overdue debt stays restricted when a round has reached the router
 5  a hold, an exemption or a promise is never overridden
 6  the network is as decided when a round has reached the router; never stricter, when the brake froze it
 7  new restrictions in 24 hours stay within the limit, those aside that a person released
 8  a mail arrives once, or again under the same Message-ID and to the byte the same when the sender could not know
 9  the journal is an unbroken chain, and explains every stage, line, notice and payment
10  entries of others on a router are never touched
11  every service is invoiced from its first day to its last one without a gap and without an overlap, and in time
"""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import holidays

from billing.payments import invariants
from billing.store import journal
from enforcement.state import Address, LineState
from tests.simulation.bank import BankFile
from tests.simulation.people import BILLED_UNTIL_ON

if TYPE_CHECKING:
    from tests.simulation.world import World

LINE_OF_STAGE = {"notice": LineState.NOTICE, "suspended": LineState.SUSPENDED}
SHIELDS = frozenset({"promise.made", "contract.held", "contract.exempted"})
DAY = timedelta(hours=24)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
RELEASE_VALID = timedelta(hours=2)
_OVERDUE = "SELECT COALESCE(sum(open), 0) FROM invoice WHERE contract_id = ? AND open > 0 AND due_on < ?"


class Violation(Exception):
    """A rule is broken."""

    def __init__(self, rule: int, words: str) -> None:
        super().__init__(f"rule {rule}: {words}")
        self.rule = rule

    def at(self, seed: int, day: int, step: int, moment: datetime) -> "Violation":
        """The same, with the place and how to get there again."""
        place = f"seed {seed}, day {day}, step {step}, {moment:%Y-%m-%d %H:%M} UTC"
        self.args = (f"{self.args[0]}\n  {place}\n  again: make simulation SEED={seed}",)
        return self


@dataclass
class Truth:
    """What really happened, as those know who did it."""

    now: datetime = LONG_AGO
    """The real time of the step."""
    imported: set[str] = field(default_factory=set)
    """Tags of payments in files that were imported."""
    acknowledged: dict[int, datetime] = field(default_factory=dict)
    """Notice -> when somebody first tried to confirm it, by the real clock."""
    behind_at: dict[int, timedelta] = field(default_factory=dict)
    """Notice -> by how much the clock was behind then."""
    shields: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Contract -> hold, exempt, promise (its last day)."""
    uncertain: set[str] = field(default_factory=set)
    """Contracts whose command was cut short, and is to be repeated."""
    billed_until_on: date = date.min
    """The day of the last billing run that was lived through."""
    released: list[tuple[datetime, frozenset[int]]] = field(default_factory=list)
    clock_is_wrong_by: timedelta = timedelta(0)
    has_looked: bool = False
    is_frozen: bool = False
    reached: frozenset[str] = frozenset()

    def begin(self, now: datetime) -> None:
        self.now = now
        self.has_looked, self.reached = False, frozenset()

    def refused(self, file: BankFile) -> None:
        if file.is_whole:
            raise Violation(2, f"the good file {file.name} was refused")

    def tries_to_acknowledge(self, notice_id: int, now: datetime) -> None:
        if notice_id not in self.acknowledged:
            self.acknowledged[notice_id] = now
            self.behind_at[notice_id] = max(-self.clock_is_wrong_by, timedelta(0))

    def releases(self, contract_ids: set[int], now: datetime) -> None:
        self.released.append((now, frozenset(contract_ids)))

    @contextmanager
    def changing_shield(self, number: str, kind: str, until_on: date) -> Iterator[None]:
        self.uncertain.add(number)
        yield
        self.uncertain.discard(number)
        of_contract = self.shields.setdefault(number, {})
        if kind == "release":
            of_contract.clear()
        else:
            of_contract[kind] = until_on if kind == "promise" else True

    def shield(self, number: str, today: date) -> str:
        """What protects a contract; empty when nothing does, or nobody knows."""
        if number in self.uncertain:
            return ""
        of_contract = self.shields.get(number, {})
        if "promise" in of_contract and today > of_contract["promise"]:
            return next((kind for kind in ("hold", "exempt") if kind in of_contract), "")
        return next(iter(of_contract), "")


class Auditor:
    """`look` after every step; `look_closely` at the end of a day."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._database: sqlite3.Connection | None = None
        self._head = 0
        self.journal_hash = "0" * 64
        self._stages: dict[int, str] = {}
        self._lines: dict[tuple[int, str], str] = {}
        self._notices: dict[int, tuple[int, datetime]] = {}
        """Contract -> its open notice, and since when."""
        self._mailed_at: dict[int, datetime] = {}
        self._restricted: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
        """Line -> when whose line was newly restricted without a release."""
        self._noted_payments: set[int] = set()
        self._shields_to_come: Counter[int] = Counter()
        """By contract, further down in the entries that are just read."""
        self._holidays = holidays.country_holidays("CZ")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, query: str, *values: Any) -> list[Any]:
        if self._database is None:
            self._database = sqlite3.connect(f"file:{self._world.database}?mode=ro", uri=True)
        return self._database.execute(query, values).fetchall()

    def open_invoices(self, number: str) -> list[tuple[str, date, int]]:
        query = (
            "SELECT i.number, i.due_on, i.open FROM invoice i JOIN contract c ON c.id = i.contract_id"
            " WHERE c.number = ? AND i.open > 0 ORDER BY i.due_on, i.id"
        )
        return [(row[0], date.fromisoformat(row[1]), row[2]) for row in self.rows(query, number)]

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    # ── after every step ────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> None:
        self._check_sum()
        self._read_journal()
        self._check_records()
        self._check_payments()
        self._check_periods()
        self._check_mails()
        for site, router in self._world.routers.items():
            if router.touched_foreign:
                raise Violation(10, f"{site}: {router.touched_foreign[0]} is somebody else's entry")
            if self._world.truth.has_looked and site in self._world.truth.reached:
                self._check_site(site, router.lines)

    async def look_closely(self) -> None:
        """What takes longer: all invariants of the books, and the journal from its beginning by its own check."""
        async with self._world.store.reading() as session:
            if problems := await invariants.verify(session):
                raise Violation(1, str(problems[0]))
            if self._world.counts.days % 28 == 1:
                await journal.verify(session)

    def _check_periods(self) -> None:
        query = (
            "SELECT service_id, from_on, until_on FROM invoice_line"
            " WHERE service_id IS NOT NULL ORDER BY service_id, from_on"
        )
        billed_until_on = {service_id: BILLED_UNTIL_ON for (service_id,) in self.rows("SELECT id FROM service")}
        for service_id, from_on, until_on in self.rows(query):
            expected = billed_until_on[service_id] + timedelta(days=1)
            if date.fromisoformat(from_on) != expected:
                raise Violation(
                    11, f"service {service_id} is invoiced from {from_on}, and {expected} would be its turn"
                )
            billed_until_on[service_id] = date.fromisoformat(until_on)
        for service_id, last_on in billed_until_on.items():
            if last_on < self._world.truth.billed_until_on:
                raise Violation(11, f"service {service_id} is invoiced until {last_on} only")

    def _check_sum(self) -> None:
        (total,) = self.rows("SELECT COALESCE(sum(amount), 0) FROM posting")[0]
        if total:
            raise Violation(1, f"all postings sum to {total}")

    # ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────

    def _read_journal(self) -> None:
        query = "SELECT id, at, actor, action, contract_id, detail, why, hash FROM journal WHERE id > ? ORDER BY id"
        entries = self.rows(query, self._head)
        for entry in entries:
            self._follow_chain(*entry)
        first_of_moment: dict[tuple[int, datetime], str] = {}
        last_of_moment: dict[tuple[int, datetime], str] = {}
        self._shields_to_come = Counter(entry[4] for entry in entries if entry[3] in SHIELDS)
        for _, at, _, action, contract_id, detail, _, _ in entries:
            self._shields_to_come[contract_id] -= action in SHIELDS
            self._replay(_instant(at), action, contract_id, json.loads(detail))
            if action == "stage.changed":
                first_of_moment.setdefault((contract_id, _instant(at)), json.loads(detail)["before"])
                last_of_moment[contract_id, _instant(at)] = json.loads(detail)["after"]
        for (contract_id, at), after in last_of_moment.items():
            # who paid in part of a suspension and is in notice for the rest has a better line than before
            if _line_of(after) > _line_of(first_of_moment[contract_id, at]):
                self._check_volume(at, contract_id, after)

    def _follow_chain(
        self, entry_id: int, at: str, actor: str, action: str, contract_id: int | None, detail: str, why: str, own: str
    ) -> None:
        row = {
            "id": entry_id, "at": _instant(at).isoformat(), "actor": actor, "action": action,
            "contract_id": contract_id, "detail": detail, "why": why,
        }  # fmt: skip
        content = json.dumps(row, sort_keys=True, separators=(",", ":"))
        expected = hashlib.sha256((self.journal_hash + content).encode()).hexdigest()
        if own != expected or entry_id != self._head + 1:
            raise Violation(9, f"journal entry {entry_id} does not follow from entry {self._head}")
        self._head, self.journal_hash = entry_id, own

    def _replay(self, at: datetime, action: str, contract_id: int, detail: dict[str, Any]) -> None:
        counts = self._world.counts
        if action == "stage.changed":
            before = self._stages.get(contract_id, "clear")
            if detail["before"] != before:
                raise Violation(9, f"contract {contract_id} goes from {detail['before']}, but was {before}")
            self._stages[contract_id] = detail["after"]
            counts.notices += detail["after"] == "notice"
            if detail["after"] == "suspended":
                counts.suspensions += 1
                self._check_suspension(at, contract_id)
        elif action == "line.changed":
            key = contract_id, detail.get("site", "main")
            if self._lines.get(key, "open") != detail["before"]:
                raise Violation(9, f"line {key} goes from {detail['before']}, but was {self._lines.get(key)}")
            counts.restored += detail["after"] == "open" and detail["before"] == "suspended"
            self._lines[key] = detail["after"]
        elif action == "notice.opened":
            self._notices[contract_id] = int(detail["notice"]), at
        elif action == "notice.closed":
            self._notices.pop(contract_id, None)
        elif action == "notice.mailed":
            self._mailed_at[int(detail["notice"])] = self._world.truth.now
        elif action.startswith("payment."):
            self._noted_payments.add(int(detail["payment_id"]))

    def _check_records(self) -> None:
        """The tables say what the journal says."""
        stages = {row[0]: row[1] for row in self.rows("SELECT contract_id, stage FROM standing")}
        replayed = {key: stage for key, stage in self._stages.items() if stage != "clear"}
        if {key: stage for key, stage in stages.items() if stage != "clear"} != replayed:
            raise Violation(9, f"stages are {stages}, but the journal leads to {replayed}")
        lines = {(row[0], row[1]): row[2] for row in self.rows("SELECT contract_id, site, state FROM line")}
        if lines != (replayed_lines := {key: line for key, line in self._lines.items() if line != "open"}):
            raise Violation(9, f"lines are {lines}, but the journal leads to {replayed_lines}")
        notices = {row[0]: row[1] for row in self.rows("SELECT contract_id, id FROM notice WHERE closed_at IS NULL")}
        if notices != (replayed_notices := {key: notice for key, (notice, _) in self._notices.items()}):
            raise Violation(9, f"open notices are {notices}, but the journal leads to {replayed_notices}")

    # ── suspensions ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_suspension(self, at: datetime, contract_id: int) -> None:
        world = self._world
        (number,) = self.rows("SELECT number FROM contract WHERE id = ?", contract_id)[0]
        local = at.astimezone(world.settings.zone)
        if local.weekday() >= 5 or local.date() in self._holidays or not time(8) <= local.time() < time(16):
            raise Violation(3, f"contract {number} was suspended on {local:%A %Y-%m-%d at %H:%M}")
        shield = world.truth.shield(number, local.date())
        if shield and not self._shields_to_come[contract_id]:
            raise Violation(5, f"contract {number} was suspended in spite of its {shield}")
        if contract_id not in self._notices:
            raise Violation(3, f"contract {number} was suspended without a notice")
        notice_id, _ = self._notices[contract_id]
        told_at, days = self._told_at(notice_id), world.settings.dunning.grace_days
        if told_at is None and world.settings.dunning.suspend_unacknowledged_days:
            told_at, days = self._mailed_at.get(notice_id), world.settings.dunning.suspend_unacknowledged_days
        if told_at is None:
            raise Violation(3, f"contract {number} was suspended without an acknowledgement of notice {notice_id}")
        # a clock that was set by less than a day is believed after ten minutes: nobody can do better
        excused = self._believed_error() + world.truth.behind_at.get(notice_id, timedelta(0))
        if world.truth.now - told_at < timedelta(days=days) - excused:
            raise Violation(3, f"contract {number} was suspended {world.truth.now - told_at} after it was told")

    def _believed_error(self) -> timedelta:
        wrong = self._world.truth.clock_is_wrong_by
        return wrong if timedelta(0) < wrong <= DAY else timedelta(0)

    def _told_at(self, notice_id: int) -> datetime | None:
        recorded = self.rows("SELECT id FROM acknowledgement WHERE notice_id = ?", notice_id)
        return self._world.truth.acknowledged.get(notice_id) if recorded else None

    def _check_volume(self, at: datetime, contract_id: int, line: str) -> None:
        truth = self._world.truth
        if any(
            released_at <= at < released_at + RELEASE_VALID and contract_id in ids
            for released_at, ids in truth.released
        ):
            return
        earlier = self._restricted[line]
        earlier.append((at, contract_id))
        brake = self._world.settings.brake
        limit = brake.suspensions_per_day if line == "suspended" else brake.notices_per_day
        lately = {each for moment, each in earlier if at - DAY < moment <= at}
        if len(lately) > limit:
            raise Violation(7, f"{len(lately)} lines became {line} in 24 hours, and {limit} are allowed")

    # ── money and mail ──────────────────────────────────────────────────────────────────────────────────────────

    def _check_payments(self) -> None:
        world = self._world
        found: Counter[str] = Counter()
        query = "SELECT id, amount, counter_account, state, contract_id, account FROM payment"
        for payment_id, amount, tag, state, contract_id, account in self.rows(query):
            if payment_id not in self._noted_payments:
                raise Violation(9, f"payment {payment_id} is not in the journal")
            if (state == "matched") != (contract_id is not None) and state != "returned":
                raise Violation(2, f"payment {payment_id} is {state}, and of contract {contract_id}")
            if account == "cash":
                continue
            found[tag] += 1
            if world.bank.amounts[tag].minor != amount:
                raise Violation(2, f"payment {tag} is of {amount}, and {world.bank.amounts[tag]} was paid")
        if twice := [tag for tag, count in found.items() if count > 1]:
            raise Violation(2, f"payment {twice[0]} is there {found[twice[0]]} times")
        if lost := world.truth.imported - found.keys():
            raise Violation(2, f"payment {min(lost)} was in a file that was imported, and is lost")

    def _check_mails(self) -> None:
        post = self._world.post
        self._world.counts.mails = post.copies.total()
        for message_id, copies in post.copies.items():
            if copies > 1 + post.excused[message_id]:
                raise Violation(8, f"mail {message_id} arrived {copies} times")
            if len(post.contents[message_id]) > 1:
                raise Violation(8, f"mail {message_id} came with different contents")

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_site(self, site: str, lines: dict[Address, LineState]) -> None:
        world = self._world
        query = (
            "SELECT a.network, c.id, c.number, s.stage FROM service_address a JOIN service v ON v.id = a.service_id"
            " JOIN contract c ON c.id = v.contract_id LEFT JOIN standing s ON s.contract_id = c.id WHERE a.site = ?"
        )
        today = world.clock.now().astimezone(world.settings.zone).date()
        owners = {Address.parse(row[0]): row[1:] for row in self.rows(query, site)}
        for address, line in lines.items():
            if address not in owners:
                raise Violation(6, f"{site}: {address} is {line}, and nobody's")
            contract_id, number, stage = owners[address]
            decided = _line_of(stage)
            if line > decided or (line < decided and not world.truth.is_frozen):
                raise Violation(6, f"{site}: {address} of contract {number} is {line}, decided is {decided}")
            if not self.rows(_OVERDUE, contract_id, str(today))[0][0]:
                raise Violation(4, f"{site}: {address} of contract {number} is {line}, and nothing is overdue")
            if shield := world.truth.shield(number, today):
                raise Violation(5, f"{site}: {address} of contract {number} is {line} in spite of its {shield}")
        if world.truth.is_frozen:
            return
        for address, (_, number, stage) in owners.items():
            if stage in LINE_OF_STAGE and address not in lines:
                raise Violation(6, f"{site}: {address} of contract {number} is open, decided is {stage}")


def _line_of(stage: str) -> LineState:
    return LINE_OF_STAGE.get(stage, LineState.OPEN)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
