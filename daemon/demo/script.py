"""What happens in the demo by itself as its clock moves: invoices are issued, people pay, people read the notice.

Everything is an import of a file or a request of a browser; the script only knows when. It is made from the habits
in `people.py`, so the weeks before the visitor comes and the weeks after are of one piece.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time

from daemon.demo.people import BEGINS_AT, ZONE, Bill, Subscriber

_ISSUED = time(7, 0)
_BANK_OPENS = time(6, 30)


@dataclass(slots=True)
class Moment:
    """What happens at one instant."""

    at: datetime
    issues_on: date | None = None
    payers: list[tuple[Subscriber, Bill]] = field(default_factory=list)
    reader: Subscriber | None = None


class Script:
    """The moments to come, in their order."""

    def __init__(self, people: Iterable[Subscriber]) -> None:
        self._moments = sorted(_moments(people), key=lambda moment: moment.at, reverse=True)

    @property
    def next_at(self) -> datetime | None:
        return self._moments[-1].at if self._moments else None

    def take_due(self, now: datetime) -> Iterable[Moment]:
        """Takes the moments that have come, the oldest first."""
        while self._moments and self._moments[-1].at <= now:
            yield self._moments.pop()


def _moments(people: Iterable[Subscriber]) -> Iterable[Moment]:
    issues: set[date] = set()
    payments: dict[date, list[tuple[Subscriber, Bill]]] = defaultdict(list)
    for person in people:
        for bill in person.bills:
            issues.add(bill.issued_on)
            if bill.pays_on:
                payments[bill.pays_on].append((person, bill))
            if bill.acknowledges_at:
                yield Moment(bill.acknowledges_at, reader=person)
    yield from (Moment(max(_local(day, _ISSUED), BEGINS_AT), issues_on=day) for day in issues)
    yield from (Moment(_local(day, _BANK_OPENS), payers=payers) for day, payers in payments.items())


def _local(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, ZONE)
