"""One import of services.csv: what is stored, what the file says, and the difference, written in bulk."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from ipaddress import ip_network
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers.tables import Contract, Customer
from billing.importing import Report, Sheet, in_chunks
from billing.invoicing.tables import InvoiceLine
from billing.money import Money
from billing.services.rules import Claim, ServiceRow, overlaps
from billing.services.tables import Product, Service, ServiceAddress, ServiceBinding, ServicePrice
from billing.store import journal
from billing.store.bulk import execute_many
from config.errors import Problem
from config.setting_types import MAIN_SITE

Key = tuple[str, str, str, date]
Place = tuple[str, str]
"""A site, and a network or a binding there."""


@dataclass
class _Stored:
    """A service as it is in the database."""

    id: int
    contract_number: str
    product: str
    price: Money | None = None
    """The latest that was agreed for it; none: the product's."""
    billed_until_on: date | None = None
    period_months: int = 1
    ends_on: date | None = None
    is_invoiced_here: bool = False
    """Hradlo has invoiced a period of it: what another program did before says nothing any more."""
    places: set[Place] = field(default_factory=set)
    """Fixed ones."""
    bindings: set[Place] = field(default_factory=set)

    @property
    def words(self) -> str:
        return f"contract {self.contract_number}, {self.product}"


class Importer:
    """Holds what the steps of one import share; used once."""

    def __init__(
        self,
        session: AsyncSession,
        sheet: Sheet[ServiceRow],
        actor: str,
        today: date,
        now: datetime,
        home_site: str,
        unbound_site: str,
    ) -> None:
        self._session = session
        self._sheet = sheet
        self._actor = actor
        self._today = today
        self._now = now
        self._home_site = home_site
        self._unbound_site = unbound_site
        self._customer_ids: dict[str, int] = {}
        self._contracts: dict[str, tuple[int, int]] = {}
        """Number -> id, customer's id."""
        self._product_ids: dict[tuple[str, str], int] = {}
        """Kind and name -> id."""
        self._stored: dict[Key, _Stored] = {}
        self._entries: list[journal.Entry] = []

    async def run(self) -> Report:
        await self._load()
        self._refuse_unknown_customers()
        moved = self._give_up_moved_addresses()
        self._refuse_overlaps()
        self._refuse_shared_bindings()
        self._sheet.require_good()
        new = [row for row in self._sheet.rows if row.key not in self._stored]
        changed = [row for row in self._sheet.rows if self._is_changed(row)]
        await self._write_contracts()
        await self._write_services(new, changed)
        await self._write_addresses(new, changed, moved)
        await self._write_bindings([*new, *changed])
        self._note_services(new, changed)
        await journal.append_many(self._session, self._entries)
        unchanged = len(self._sheet.rows) - len(new) - len(changed)
        return Report(len(new), len(changed), unchanged, tuple(self._unbound()))

    # ── what is there ──────────────────────────────────────────────────────────────────────────────────────────

    async def _load(self) -> None:
        rows = self._sheet.rows
        customers = select(Customer.number, Customer.id)
        for chunk in in_chunks(sorted({row.customer_number for row in rows})):
            found = await self._session.execute(customers.where(Customer.number.in_(chunk)))
            self._customer_ids |= {row[0]: row[1] for row in found}
        contracts = await self._session.execute(select(Contract.number, Contract.id, Contract.customer_id))
        self._contracts = {number: (contract_id, customer_id) for number, contract_id, customer_id in contracts}
        await self._load_services()

    async def _load_services(self) -> None:
        """All of them: an address must not be anybody else's either."""
        invoiced = exists().where(InvoiceLine.service_id == Service.id, InvoiceLine.released_at.is_(None))
        services = await self._session.execute(
            select(Service, Product.kind, Product.name, Contract.number, invoiced)
            .join_from(Service, Contract, Contract.id == Service.contract_id)
            .join(Product, Product.id == Service.product_id)
        )
        by_id: dict[int, _Stored] = {}
        for service, kind, product, number, is_invoiced in services:
            stored = by_id[service.id] = _Stored(
                service.id,
                number,
                product,
                billed_until_on=service.billed_until_on,
                period_months=service.period_months,
                ends_on=service.ends_on,
                is_invoiced_here=is_invoiced,
            )
            self._stored[number, kind, product, service.starts_on] = stored
        prices = select(ServicePrice.service_id, ServicePrice.price).order_by(ServicePrice.valid_from_on)
        for service_id, price in await self._session.execute(prices):
            by_id[service_id].price = price
        addresses = select(ServiceAddress.service_id, ServiceAddress.site, ServiceAddress.network)
        for service_id, site, network in await self._session.execute(addresses.where(ServiceAddress.binding.is_(None))):
            by_id[service_id].places.add((site, network))
        bindings = select(ServiceBinding.service_id, ServiceBinding.site, ServiceBinding.name)
        for service_id, site, name in await self._session.execute(bindings):
            by_id[service_id].bindings.add((site, name))

    def _site(self, row: ServiceRow) -> str:
        """Where the file says; else where the service is already."""
        places = stored.places | stored.bindings if (stored := self._stored.get(row.key)) else ()
        return row.site or min((site for site, _ in places), default=self._home_site)

    def _places(self, row: ServiceRow) -> set[Place]:
        site = self._site(row)
        return {(site, address) for address in row.addresses}

    def _bindings(self, row: ServiceRow) -> set[Place]:
        site = self._site(row)
        return {(site, name) for name in row.bindings}

    def _is_changed(self, row: ServiceRow) -> bool:
        stored = self._stored.get(row.key)
        if stored is None:
            return False
        is_moved = self._contracts[row.contract_number][1] != self._customer_ids[row.customer_number]
        is_elsewhere = stored.places != self._places(row) or stored.bindings != self._bindings(row)
        is_otherwise = stored.price != row.price or is_elsewhere
        return is_moved or is_otherwise or bool(_terms(row, stored))

    # ── what must not be ───────────────────────────────────────────────────────────────────────────────────────

    def _refuse_unknown_customers(self) -> None:
        for row in self._sheet.rows:
            if row.customer_number not in self._customer_ids:
                message = f"there is no customer {row.customer_number}: import customers first"
                self._sheet.refuse(row.line, "customer_number", message)

    def _give_up_moved_addresses(self) -> list[Place]:
        """Places that the file has under another service of the same contract than the database."""
        wanted = {(row.contract_number, place) for row in self._sheet.rows for place in self._places(row)}
        in_file = {row.key for row in self._sheet.rows}
        moved: list[Place] = []
        for key, stored in self._stored.items():
            if key in in_file:
                continue
            gone = {place for place in stored.places if (stored.contract_number, place) in wanted}
            stored.places -= gone
            moved += sorted(gone)
        return moved

    def _refuse_overlaps(self) -> None:
        for earlier, later in overlaps(self._claims()):
            refused, other = (later, earlier) if later.line >= earlier.line else (earlier, later)
            where = f"line {other.line}" if other.line else "stored; it must give the address up first"
            self._sheet.refuse(
                refused.line,
                "addresses",
                f"{refused.network} ({refused.owner}) overlaps {other.network} ({other.owner}, {where})",
            )

    def _refuse_shared_bindings(self) -> None:
        in_file = {row.key for row in self._sheet.rows}
        stored = {place: one.words for key, one in self._stored.items() if key not in in_file for place in one.bindings}
        for row in self._sheet.rows:
            owner = f"contract {row.contract_number}, {row.product}"
            for place in sorted(self._bindings(row)):
                if (other := stored.setdefault(place, owner)) != owner:
                    self._sheet.refuse(row.line, "addresses", f"{place[1]} is known of {other}, too")

    def _unbound(self) -> Iterable[Problem]:
        """Bindings that no router will ever say anything about: who has one is never restricted."""
        for row in self._sheet.rows:
            if row.bindings and self._site(row) == self._unbound_site:
                yield Problem(
                    f"line {row.line}, column addresses",
                    f"{' '.join(row.bindings)} is never found, and never restricted: no router of site "
                    f"{self._unbound_site} says who has which address. Write the address itself, or the site of a "
                    "router of [[routeros]] into the column site",
                )

    def _claims(self) -> Iterable[Claim]:
        """Who has which network after the import."""
        in_file = {row.key for row in self._sheet.rows}
        for row in self._sheet.rows:
            owner, site = f"contract {row.contract_number}, {row.product}", self._site(row)
            yield from (Claim(network, owner, row.line, site) for network in row.networks)
        for key, stored in self._stored.items():
            if key not in in_file:
                yield from (Claim(ip_network(address), stored.words, site=site) for site, address in stored.places)

    # ── what is written ────────────────────────────────────────────────────────────────────────────────────────

    async def _write_contracts(self) -> None:
        """New contracts, and those that the file gives to another customer; their debts go with them."""
        owners = {row.contract_number: row.customer_number for row in self._sheet.rows}
        new = [number for number in owners if number not in self._contracts]
        for chunk in in_chunks(new):
            values = [
                {"number": number, "customer_id": self._customer_ids[owners[number]], "shield_why": ""}
                for number in chunk
            ]
            rows = await self._session.execute(insert(Contract).returning(Contract.number, Contract.id), values)
            self._contracts |= {
                number: (contract_id, self._customer_ids[owners[number]]) for number, contract_id in rows
            }
        for number, owner in owners.items():
            contract_id, customer_id = self._contracts[number]
            if customer_id != self._customer_ids[owner]:
                moving = update(Contract).where(Contract.id == contract_id)
                await self._session.execute(moving.values(customer_id=self._customer_ids[owner]))
                self._note(number, change="changed", customer=owner)

    async def _write_services(self, new: list[ServiceRow], changed: list[ServiceRow]) -> None:
        await self._write_products(new)
        for chunk in in_chunks(new):
            await execute_many(self._session, insert(Service), [self._values(row) for row in chunk])
        columns = (Service.id, Product.kind, Product.name, Service.starts_on, Contract.number)
        query = (
            select(*columns)
            .join_from(Service, Contract, Contract.id == Service.contract_id)
            .join(Product, Product.id == Service.product_id)
        )
        contracts = sorted({row.contract_number for row in new})
        for numbers in in_chunks(contracts):
            for service_id, kind, product, starts_on, number in await self._session.execute(
                query.where(Contract.number.in_(numbers))
            ):
                key = (number, kind, product, starts_on)
                self._stored.setdefault(key, _Stored(service_id, number, product))
        for row in changed:
            if terms := _terms(row, self._stored[row.key]):
                if "billed_until_on" in terms:
                    terms["billed_elsewhere_until_on"] = terms["billed_until_on"]
                changing = update(Service).where(Service.id == self._stored[row.key].id)
                await self._session.execute(changing.values(**terms))
        await self._write_prices([*new, *changed])

    async def _write_prices(self, rows: list[ServiceRow]) -> None:
        """A first price counts from the start of the service, another one from today, or from a later start."""
        prices = []
        for row in rows:
            stored = self._stored[row.key]
            if stored.price != row.price:
                from_on = row.starts_on if stored.price is None else max(row.starts_on, self._today)
                prices.append({"service_id": stored.id, "valid_from_on": from_on, "price": row.price})
        if not prices:
            return
        table = cast(Table, ServicePrice.__table__)
        same_day = (table.c.service_id == bindparam("of_id")) & (table.c.valid_from_on == bindparam("of_day"))
        days = [{"of_id": each["service_id"], "of_day": each["valid_from_on"]} for each in prices]
        await self._session.execute(delete(table).where(same_day), days)
        await execute_many(self._session, insert(table), prices)

    async def _write_products(self, rows: list[ServiceRow]) -> None:
        wanted = {(row.kind, row.product) for row in rows}
        for kind, name, product_id in await self._session.execute(select(Product.kind, Product.name, Product.id)):
            self._product_ids[kind, name] = product_id
        for kind, name in sorted(wanted - self._product_ids.keys()):
            added = await self._session.execute(insert(Product).values(kind=kind, name=name).returning(Product.id))
            self._product_ids[kind, name] = added.scalar_one()

    def _values(self, row: ServiceRow) -> dict[str, Any]:
        return {
            "contract_id": self._contracts[row.contract_number][0],
            "product_id": self._product_ids[row.kind, row.product],
            "starts_on": row.starts_on,
            "billed_until_on": row.billed_until_on,
            "billed_elsewhere_until_on": row.billed_until_on,
            "period_months": row.period_months or 1,
            "ends_on": row.ends_on,
        }

    async def _write_addresses(self, new: list[ServiceRow], changed: list[ServiceRow], moved: list[Place]) -> None:
        """Everything that goes is deleted before anything comes, as two services may swap addresses."""
        gone: dict[str, list[str]] = defaultdict(list)
        for site, network in moved:
            gone[site].append(network)
        coming: list[dict[str, Any]] = []
        for row in (*new, *changed):
            stored, wanted = self._stored[row.key], self._places(row)
            for site, network in sorted(stored.places - wanted):
                gone[site].append(network)
            coming += [
                {"service_id": stored.id, "site": site, "network": network}
                for site, network in sorted(wanted - stored.places)
            ]
        for site, networks in gone.items():
            of_site = delete(ServiceAddress).where(ServiceAddress.site == site)
            for chunk in in_chunks(networks):
                await self._session.execute(of_site.where(ServiceAddress.network.in_(chunk)))
        await self._take_back(coming)
        for values in in_chunks(coming):
            await execute_many(self._session, insert(ServiceAddress), values)

    async def _take_back(self, coming: list[dict[str, Any]]) -> None:
        """A fixed address wins over one that a router gave to somebody for a while."""
        for values in in_chunks(coming):
            for site in {each["site"] for each in values}:
                networks = [each["network"] for each in values if each["site"] == site]
                of_site = delete(ServiceAddress).where(ServiceAddress.site == site, ServiceAddress.binding.is_not(None))
                await self._session.execute(of_site.where(ServiceAddress.network.in_(networks)))

    async def _write_bindings(self, rows: list[ServiceRow]) -> None:
        """With a binding go the addresses that it has at present; new ones come when its router is asked."""
        coming: list[dict[str, Any]] = []
        for row in rows:
            stored, wanted = self._stored[row.key], self._bindings(row)
            for site, name in sorted(stored.bindings - wanted):
                for table, column in ((ServiceBinding, ServiceBinding.name), (ServiceAddress, ServiceAddress.binding)):
                    await self._session.execute(delete(table).where(table.site == site, column == name))
            coming += [
                {"service_id": stored.id, "site": site, "name": name} for site, name in sorted(wanted - stored.bindings)
            ]
        for values in in_chunks(coming):
            await self._session.execute(insert(ServiceBinding), values)

    def _note_services(self, new: list[ServiceRow], changed: list[ServiceRow]) -> None:
        for change, rows in (("added", new), ("changed", changed)):
            for row in rows:
                what = {"kind": row.kind, "product": row.product, "starts_on": row.starts_on, "price": row.price}
                terms = _terms(row, None if change == "added" else self._stored[row.key])
                where = {"site": site} if (site := self._site(row)) != MAIN_SITE else {}
                addresses = " ".join([*row.addresses, *row.bindings])
                self._note(row.contract_number, change=change, **what, addresses=addresses, **terms, **where)

    def _note(self, contract_number: str, **detail: Any) -> None:
        contract_id = self._contracts[contract_number][0]
        self._entries.append(journal.Entry(self._now, self._actor, "service.imported", contract_id, detail))


def _terms(row: ServiceRow, stored: _Stored | None) -> dict[str, Any]:
    """What the file says anew about periods; what it does not say stays."""
    said = {"billed_until_on": row.billed_until_on, "period_months": row.period_months, "ends_on": row.ends_on}
    if stored is not None and stored.is_invoiced_here:
        del said["billed_until_on"]
    return {
        name: value
        for name, value in said.items()
        if value is not None and (stored is None or value != getattr(stored, name))
    }
