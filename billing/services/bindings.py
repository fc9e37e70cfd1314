"""Addresses that come and go: services that are known by a DHCP client's MAC or by a PPP user's name.

Such a service has a *binding* (``dhcp:AA:BB:CC:DD:EE:FF``, ``ppp:jana``) instead of an address. Who has which address
now is known by the router alone. `settle` writes that down as addresses like any others, so that everybody who asks
whose an address is gets the answer of now; when a binding ends, its address is nobody's at once.

Nobody is ever restricted for somebody else: an address that two services seem to have, or that a file gave to
somebody, is not taken from a router.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract
from billing.importing import in_chunks
from billing.services.rules import Claim, overlaps
from billing.services.tables import Service, ServiceAddress, ServiceBinding
from billing.store import journal

Seen = Mapping[str, Collection[str]]
"""Binding -> the networks that it has now."""
_Place = tuple[str, str]
"""A binding and a network."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settling changed."""

    last_entry_id: int = 0
    """In the journal; 0 when nothing was changed."""
    refused: tuple[str, ...] = ()
    """Addresses that were not taken, in words."""


async def bindings_at(session: AsyncSession, site: str) -> frozenset[str]:
    """What a site's router must be asked for; usually nothing."""
    return frozenset(await session.scalars(select(ServiceBinding.name).where(ServiceBinding.site == site)))


async def bound_services(session: AsyncSession, site: str) -> list[tuple[str, str]]:
    """Contract number and binding of all that are known by one at a site, in the order of the contracts."""
    query = (
        select(Contract.number, ServiceBinding.name)
        .join(Service, Service.id == ServiceBinding.service_id)
        .join(Contract, Contract.id == Service.contract_id)
        .where(ServiceBinding.site == site)
        .order_by(Contract.number, ServiceBinding.name)
    )
    return [(number, name) for number, name in await session.execute(query)]


async def bound_contracts(
    session: AsyncSession, site: str, contract_ids: Collection[int] | None = None
) -> frozenset[int]:
    """Contracts that are known by a binding at a site, of some or of all, whether they are there now or not."""
    query = (
        select(Service.contract_id)
        .join(ServiceBinding, ServiceBinding.service_id == Service.id)
        .where(ServiceBinding.site == site)
    )
    if contract_ids is None:
        return frozenset(await session.scalars(query))
    found: set[int] = set()
    for chunk in in_chunks(list(contract_ids)):
        found.update(await session.scalars(query.where(Service.contract_id.in_(chunk))))
    return frozenset(found)


async def is_settled(session: AsyncSession, site: str, seen: Seen) -> bool:
    """Whether `settle` would change nothing: nearly always, and then nobody else must wait for a writer."""
    found = await _difference(session, site, seen)
    return not found.gone and not found.coming


async def settle(session: AsyncSession, site: str, seen: Seen, *, now: datetime) -> Settled:
    """Makes the addresses of a site's bindings those that its router has now, each change with its entry."""
    await journal.lock(session)
    found = await _difference(session, site, seen)
    for chunk in in_chunks(list(found.gone.values())):
        await session.execute(delete(ServiceAddress).where(ServiceAddress.id.in_(chunk)))
    for places in in_chunks(found.coming):
        values = [
            {"service_id": found.owners[name][0], "site": site, "network": network, "binding": name}
            for name, network in places
        ]
        await session.execute(insert(ServiceAddress), values)
    changes = [("ended", place) for place in sorted(found.gone)] + [("bound", place) for place in found.coming]
    entries = [_entry(site, change, place, found.owners, now) for change, place in changes]
    last_entry_id = await journal.append_many(session, entries) if entries else 0
    return Settled(last_entry_id, tuple(found.refused))


@dataclass(frozen=True, slots=True)
class _Difference:
    owners: Mapping[str, tuple[int, int]]
    """Binding -> its service and contract."""
    gone: Mapping[_Place, int]
    """With the id of its row."""
    coming: list[_Place]
    refused: list[str]


async def _difference(session: AsyncSession, site: str, seen: Seen) -> _Difference:
    owners = await _owners(session, site)
    columns = (ServiceAddress.id, ServiceAddress.network, ServiceAddress.binding)
    rows = (await session.execute(select(*columns).where(ServiceAddress.site == site))).all()
    wanted, refused = _acceptable(seen, owners, [network for _, network, name in rows if name is None])
    present = {(name, network): row_id for row_id, network, name in rows if name is not None}
    gone = {place: row_id for place, row_id in present.items() if place not in wanted}
    return _Difference(owners, gone, sorted(wanted - present.keys()), refused)


async def _owners(session: AsyncSession, site: str) -> dict[str, tuple[int, int]]:
    query = (
        select(ServiceBinding.name, ServiceBinding.service_id, Service.contract_id)
        .join(Service, Service.id == ServiceBinding.service_id)
        .where(ServiceBinding.site == site)
    )
    return {name: (service_id, contract_id) for name, service_id, contract_id in await session.execute(query)}


def _acceptable(
    seen: Seen, owners: Mapping[str, tuple[int, int]], fixed: Collection[str]
) -> tuple[set[_Place], list[str]]:
    """What may be taken from the router, and what not, in words; pure."""
    places = {(name, network) for name in owners for network in seen.get(name, ())}
    claims = [Claim(ip_network(network), name) for name, network in places]
    claims += [Claim(ip_network(network), "") for network in fixed]
    refused: list[str] = []
    for one, other in overlaps(claims):
        for claim, rival in ((one, other), (other, one)):
            if claim.owner:
                places -= {(name, text) for name, text in places if name == claim.owner and _is(text, claim)}
                refused.append(f"{claim.network} of {claim.owner} is {rival.owner or 'a fixed address'}'s, too")
    return places, refused


def _is(text: str, claim: Claim) -> bool:
    return ip_network(text) == claim.network


def _entry(
    site: str, change: str, place: _Place, owners: Mapping[str, tuple[int, int]], now: datetime
) -> journal.Entry:
    name, network = place
    contract_id = owners[name][1] if name in owners else None
    detail = {"change": change, "binding": name, "network": network, "site": site}
    return journal.Entry(now, f"router:{site}", "service.address", contract_id, detail)
