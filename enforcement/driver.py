"""What every way of enforcing must be able to do. `nftables/`, `routeros/` and `dryrun` are the three.

The contract, held by one test suite for all drivers (`tests/enforcement/test_driver_contract.py`):

* `observe` reads, and never writes.
* `apply(plan)` leaves the network so that `observe` shows the plan carried out. On a kernel it is all of it or nothing.
  A router knows no transaction: there, every step is right by itself, what opens a line goes first, no address is
  without its restriction on the way between two, and what an error left half done is shown by the next `observe` and
  mended by the next plan. So after an error nothing may be taken for known.
* Only what carries Hradlo's own mark is ever written; what others made is not touched.
* Closing a driver changes nothing on the network.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

from enforcement.state import Address, Applied, Counted, LineState, Observed, Plan


class Driver(Protocol):
    """One way of enforcing line states at one site: a gateway, or a router."""

    name: str

    async def observe(self) -> Observed:
        """The present state; raises `DriverError` (without the right to read it, `MissingRights`)."""
        ...

    async def look_at(self, addresses: Collection[Address]) -> dict[Address, LineState]:
        """The present state of a few addresses, without reading everything."""
        ...

    async def apply(self, plan: Plan) -> Applied:
        """Carries the plan out; raises `DriverError` when it can't, and then only `observe` knows what was done."""
        ...

    async def bindings(self) -> Mapping[str, frozenset[Address]]:
        """Who has which address now: ``dhcp:AA:BB:CC:DD:EE:FF`` and ``ppp:name``; empty where nobody knows."""
        ...

    async def count(self, addresses: Collection[Address]) -> Counted:
        """What each of these addresses transferred so far; from now on these are counted, and no others."""
        ...

    async def foreign_change(self) -> None:
        """Returns when somebody else touched what is ours (or may have): observe again then."""
        ...

    async def close(self) -> None:
        """Lets go of sockets and processes; the network stays as it is."""
        ...
