"""No page asks the database once per row: a customer with more of everything costs as many queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from sqlalchemy import event, insert, select

from billing.customers.tables import Contract, Customer
from billing.dunning.tables import Notice
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.services.tables import Product, Service, ServiceAddress
from billing.store.engine import Store
from billing.voip.tables import VoipNumber
from portal.customer.routes import ROUTES
from tests.portal.customer.furnished import furnish, mail
from tests.portal.customer.house import JANA, NOW, Browser, House

PAGES = [route.path for route in ROUTES if route.method == "GET" and route.who == "customer"]
MORE = 30


@contextmanager
def counted(store: Store) -> Iterator[list[str]]:
    """The statements that the database gets meanwhile."""
    said = list[str]()

    def keep(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    engines = {store._reading.sync_engine, store._writing.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", keep)
    yield said
    for engine in engines:
        event.remove(engine, "before_cursor_execute", keep)


async def queries_of_each_page(portal: House, jana: Browser) -> dict[str, int]:
    found = {}
    for pattern in PAGES:
        path = pattern.replace("{id}", "1").replace("{number}", "261001").replace("{kind:pdf|isdoc}", "pdf")
        with counted(portal.store) as said:
            answer = await jana.get(f"{path}?year=all")
        assert answer.status in (200, 404), path
        found[path] = len(said)
    return found


async def give_more_of_everything(store: Store) -> None:
    """Contracts in debt with services, addresses, invoices, notices and mails."""
    async with store.transaction() as session:
        customer_id = await session.scalar(select(Customer.id).where(Customer.number == JANA))
        product_id = await session.scalar(select(Product.id).limit(1))
        for n in range(MORE):
            contract = Contract(number=str(7000 + n), customer_id=customer_id)
            session.add(contract)
            await session.flush()
            service = Service(contract_id=contract.id, product_id=product_id, starts_on=date(2024, 1, 1))
            session.add_all([service, mail(contract.id, 100 + n, "Upomínka")])
            session.add(Notice(contract_id=contract.id, opened_at=NOW - timedelta(days=1)))
            await session.flush()
            phone = {"number": f"+4205711000{n:02}", "ending": f"0{n:02}", "deck": "standard"}
            session.add(VoipNumber(contract_id=contract.id, created_at=NOW, **phone))
            session.add(ServiceAddress(service_id=service.id, network=f"100.65.0.{n}"))
            due_on = date(2026, 10, 15)
            row = {"number": str(880000 + n), "contract_id": contract.id, "issued_on": due_on, "due_on": due_on}
            await session.execute(
                insert(Invoice).values(**row, total=Money(100_00), open=Money(100_00), created_at=NOW)
            )


async def test_more_rows_cost_no_more_queries_on_any_page(portal: House, jana: Browser) -> None:
    await furnish(portal.store, months=3, hourly_days=2)
    before = await queries_of_each_page(portal, jana)

    await give_more_of_everything(portal.store)

    assert await queries_of_each_page(portal, jana) == before
    assert 0 < max(before.values()) < 25
