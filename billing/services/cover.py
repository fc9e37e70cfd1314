"""Until when a service is invoiced, as a customer means it: of an insurance, the day until which one is covered.

`Service.billed_until_on` says where the next period begins; it also passes over what cost nothing, a pause or a month
skipped while the line was suspended. Cover is what stands on an invoice and was not given back, or what another
program had invoiced.
"""

from collections.abc import Collection
from datetime import date

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.importing import in_chunks
from billing.invoicing.tables import InvoiceLine
from billing.services.tables import Service


async def invoiced_until(session: AsyncSession, service_ids: Collection[int]) -> dict[int, date]:
    """The last invoiced day of each service that has one."""
    given_back = aliased(InvoiceLine)
    invoiced = (
        select(InvoiceLine.service_id, func.max(InvoiceLine.until_on))
        .where(~exists().where(given_back.corrects_line_id == InvoiceLine.id))
        .group_by(InvoiceLine.service_id)
    )
    elsewhere = select(Service.id, Service.billed_elsewhere_until_on)
    found: dict[int, date] = {}
    for ids in in_chunks(sorted(service_ids)):
        for service_id, until_on in await session.execute(elsewhere.where(Service.id.in_(ids))):
            if until_on is not None:
                found[service_id] = until_on
        for of_service, until_on in await session.execute(invoiced.where(InvoiceLine.service_id.in_(ids))):
            if of_service is not None and until_on is not None:
                found[of_service] = max(until_on, found.get(of_service, until_on))
    return found
