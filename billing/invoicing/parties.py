"""Who sells and who buys, kept as they were on the day of issue, with the account to pay to and the language."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self, cast

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.importing import in_chunks
from billing.invoicing.documents.document import Party as PartyValue
from billing.invoicing.tables import Party
from billing.store.bulk import execute_many
from config.settings import Isp

_PARTY = cast(Table, Party.__table__)
_FIELDS = tuple(field.name for field in fields(PartyValue))
_OF_CUSTOMER = (
    Customer.name,
    Customer.street,
    Customer.city,
    Customer.postal_code,
    Customer.company_id,
    Customer.vat_id,
    Customer.email,
    Customer.phone,
    Customer.number,
)
_NAMES = tuple(column.key for column in _OF_CUSTOMER)
"""The same of a customer and of a party."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A party with what else a document takes from it: the seller's account and currency, the buyer's language."""

    party: PartyValue
    iban: str = ""
    bic: str = ""
    currency: str = ""
    language: str = ""

    @property
    def content(self) -> str:
        values = {name: getattr(self.party, name) for name in _FIELDS}  # `asdict` copies deeply, ten times as slow
        values |= {"iban": self.iban, "bic": self.bic, "currency": self.currency, "language": self.language}
        return json.dumps(values, ensure_ascii=False, sort_keys=True)

    @classmethod
    def read(cls, content: str) -> Self:
        """As it was kept."""
        values: dict[str, str] = json.loads(content)
        extras = {name: values.pop(name, "") for name in ("iban", "bic", "currency", "language")}
        return cls(PartyValue(**values), **extras)


def seller_of(isp: Isp) -> Snapshot:
    """The ISP, as its settings say."""
    party = PartyValue(
        name=isp.name,
        street=isp.street,
        city=isp.city,
        postal_code=isp.postal_code,
        country=isp.country,
        company_id=isp.company_id,
        vat_id=isp.vat_id,
        email=isp.email,
        phone=isp.phone,
        note=isp.register_note,
    )
    return Snapshot(party, iban=isp.iban, bic=isp.bic, currency=isp.currency)


async def buyers_of(session: AsyncSession, contract_ids: Iterable[int], country: str) -> dict[int, Snapshot]:
    """The customers of contracts, by contract id."""
    found: dict[int, Snapshot] = {}
    for chunk in in_chunks(sorted(contract_ids)):
        rows = await session.execute(
            select(Contract.id, Customer.language, *_OF_CUSTOMER)
            .join(Customer, Customer.id == Contract.customer_id)
            .where(Contract.id.in_(chunk))
        )
        for contract_id, language, *values in rows:
            party = PartyValue(**dict(zip(_NAMES, values, strict=True)), country=country)
            found[contract_id] = Snapshot(party, language=language)
    return found


async def keep(session: AsyncSession, snapshots: Iterable[Snapshot]) -> dict[Snapshot, int]:
    """The ids under which snapshots are kept; one that is not yet is now."""
    contents = {each: each.content for each in set(snapshots)}
    hashes = {each: hashlib.sha256(content.encode()).hexdigest() for each, content in contents.items()}
    known = await _known(session, hashes.values())
    new = [{"sha256": sha256, "content": contents[each]} for each, sha256 in hashes.items() if sha256 not in known]
    if new:
        await execute_many(session, insert(_PARTY), new)
        known = await _known(session, hashes.values())
    return {each: known[sha256] for each, sha256 in hashes.items()}


async def _known(session: AsyncSession, hashes: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in in_chunks(sorted(hashes)):
        rows = await session.execute(select(Party.sha256, Party.id).where(Party.sha256.in_(chunk)))
        found |= {sha256: party_id for sha256, party_id in rows}  # noqa: C416 - rows, not pairs
    return found
