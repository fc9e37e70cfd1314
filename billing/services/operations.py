"""Services come in here, with the contracts that they belong to; and who has an address is answered here."""

from collections.abc import Collection
from datetime import date, datetime
from ipaddress import IPv6Address, ip_address

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.importing import Report, Sheet, in_chunks
from billing.services.importing import Importer
from billing.services.rules import ServiceRow, covering
from billing.services.tables import Service, ServiceAddress
from billing.store import journal
from config.setting_types import MAIN_SITE


async def import_services(
    session: AsyncSession,
    sheet: Sheet[ServiceRow],
    *,
    actor: str,
    today: date,
    now: datetime,
    home_site: str = MAIN_SITE,
    unbound_site: str = "",
) -> Report:
    """Adds and changes services, and the contracts that they name, as the file says.

    A service is the same one when contract, kind, product and start are; its price and addresses are changed.
    Services that are not in the file stay as they are, except that an address moves to where the file has it
    within one contract. A new service of which the file names no site is at `home_site`. At `unbound_site` nobody
    says who has a changing address, so a binding there is warned of. Raises `InputRejected` with every problem of the
    file.
    """
    await journal.lock(session)
    return await Importer(session, sheet, actor, today, now, home_site, unbound_site).run()


async def networks(
    session: AsyncSession, site: str, contract_ids: Collection[int] | None = None
) -> list[tuple[str, int]]:
    """Every network of a site with its contract's id; of some contracts, or of all."""
    query = (
        select(ServiceAddress.network, Service.contract_id)
        .join(Service, Service.id == ServiceAddress.service_id)
        .where(ServiceAddress.site == site)
    )
    if contract_ids is None:
        return [(row[0], row[1]) for row in await session.execute(query)]
    found: list[tuple[str, int]] = []
    for chunk in in_chunks(list(contract_ids)):
        found += [(row[0], row[1]) for row in await session.execute(query.where(Service.contract_id.in_(chunk)))]
    return found


async def places_of(session: AsyncSession, contract_id: int) -> list[tuple[str, str]]:
    """A contract's networks at all sites, each with its site."""
    query = (
        select(ServiceAddress.site, ServiceAddress.network)
        .join(Service, Service.id == ServiceAddress.service_id)
        .where(Service.contract_id == contract_id)
        .order_by(ServiceAddress.id)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def contract_of(session: AsyncSession, site: str, source_address: str) -> int | None:
    """The contract whose network the address of a site is in (the longest match); None when it is nobody's."""
    try:
        source = ip_address(source_address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(source, IPv6Address) and source.ipv4_mapped:
        source = source.ipv4_mapped
    candidates = list(covering(source))
    query = (
        select(ServiceAddress.network, Service.contract_id)
        .join(Service, Service.id == ServiceAddress.service_id)
        .where(ServiceAddress.site == site, ServiceAddress.network.in_(candidates))
    )
    found = {row[0]: row[1] for row in await session.execute(query)}
    return next((found[network] for network in candidates if network in found), None)
