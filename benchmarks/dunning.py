"""How long it takes to decide about 100,000 contracts."""

import random
import time
from datetime import UTC, datetime, timedelta

from benchmarks.table import Row
from billing.dunning.facts import Facts, InvoiceFact, NoticeFact, Stage
from billing.dunning.policy import Policy
from billing.dunning.rules import after, decide
from billing.money import Money

CONTRACTS = 100_000
GOAL_SECONDS = 1.0
ROUNDS = 5
NOW = datetime(2026, 5, 20, 9, 13, tzinfo=UTC)
PRICE = Money(599_00)


def contract(number: int, chance: random.Random) -> Facts:
    """A contract with one to three unpaid monthly invoices; four in five subscribers read their notice."""
    newest_on = NOW.date() - timedelta(days=chance.randrange(-14, 45))
    due = [newest_on - timedelta(days=30 * age) for age in range(chance.choice((1, 1, 2, 3)))]
    invoices = tuple(
        InvoiceFact(3 * number + i, f"{3 * number + i + 1}", due_on - timedelta(days=14), due_on, PRICE, PRICE)
        for i, due_on in enumerate(due)
    )
    facts = Facts(number, str(number + 1), invoices=invoices)
    noticed_at = datetime(due[-1].year, due[-1].month, due[-1].day, 6, tzinfo=UTC) + timedelta(days=14)
    if noticed_at > NOW:
        return facts
    read_at = min(NOW, noticed_at + timedelta(hours=chance.randrange(200))) if chance.random() < 0.8 else None
    notice = NoticeFact(number, noticed_at, None, read_at, frozenset(invoice.id for invoice in invoices))
    return Facts(number, str(number + 1), Stage.NOTICE, invoices=invoices, notice=notice)


def seconds_to_decide(everybody: list[Facts], policy: Policy) -> float:
    """Of the processor, so that a busy machine tells the same."""
    began = time.process_time()
    for facts in everybody:
        decide(facts, policy, NOW)
    return time.process_time() - began


def run(scale: float = 1.0) -> list[Row]:
    chance, policy = random.Random(1), Policy()
    fresh = [contract(number, chance) for number in range(max(10, int(CONTRACTS * scale)))]
    everybody = [after(facts, decide(facts, policy, NOW), NOW) for facts in fresh]
    seconds = min(seconds_to_decide(everybody, policy) for _ in range(ROUNDS))
    name = f"decide about {len(fresh):,} contracts in mixed stages"
    return [Row(name, seconds, "s", goal=f"≤ {GOAL_SECONDS:g} s", is_met=seconds <= GOAL_SECONDS)]
