"""Every issued document is announced once, in its own transaction; what its mail says is said when it is sent."""

import pytest
from sqlalchemy import insert, update

from billing.customers.tables import Customer
from billing.invoicing import mails
from billing.invoicing.documents.reading import document_numbered
from billing.invoicing.tables import Invoice
from billing.letters.layout import LaidOut
from billing.money import Money
from billing.payments.tables import Payment
from billing.store.engine import Store
from config.errors import NotFound
from config.settings import Settings
from tests.billing.invoicing.billed import NOW, bill_november, give_back, isp_settings, mails_of, subscribe


@pytest.fixture
def settings() -> Settings:
    return isp_settings()


def words(text: str) -> str:
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


async def composed(store: Store, number: str, settings: Settings) -> LaidOut:
    async with store.reading() as session:
        return await mails.compose(session, await document_numbered(session, number), settings)


async def test_an_issued_invoice_is_announced_with_a_short_row(each_store: Store, settings: Settings) -> None:
    contract_id = await subscribe(each_store)
    await bill_november(each_store, settings)
    (mail,) = await mails_of(each_store)

    assert (mail.kind, mail.contract_id, mail.recipient) == ("invoice", contract_id, "bozena@example.cz")
    assert words(mail.subject) == "Faktura 2600000001: 599,00 Kč"
    assert (mail.attaches, mail.text, mail.html, mail.priority) == ("2600000001", "", "", 2)


async def test_announcing_again_writes_nothing(each_store: Store, settings: Settings) -> None:
    await subscribe(each_store)
    await bill_november(each_store, settings)
    async with each_store.transaction() as session:
        again = await mails.announce(session, [1], settings=settings, now=NOW)

    assert again == 0
    assert len(await mails_of(each_store)) == 1


async def test_who_has_no_address_gets_no_mail_and_the_others_do(store: Store, settings: Settings) -> None:
    await subscribe(store, "1001", email="")
    await subscribe(store, "1002", email="jana@example.cz")
    await bill_november(store, settings)

    assert [mail.recipient for mail in await mails_of(store)] == ["jana@example.cz"]


async def test_a_rolled_back_run_announces_nothing(store: Store, settings: Settings) -> None:
    await subscribe(store)

    async def fail_after_announcing() -> None:
        async with store.transaction() as session:
            await mails.announce(session, [1], settings=settings, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_announcing()

    assert await mails_of(store) == []


async def test_what_another_program_issued_is_not_announced(store: Store, settings: Settings) -> None:
    contract_id = await subscribe(store)
    values = {"number": "7", "contract_id": contract_id, "issued_on": NOW.date(), "due_on": NOW.date()}
    amounts = {"total": Money(100), "open": Money(100), "created_at": NOW}
    async with store.transaction() as session:
        imported = await session.scalar(insert(Invoice).values(**values, **amounts).returning(Invoice.id))
        assert await mails.announce(session, [imported or 0], settings=settings, now=NOW) == 0

    async with store.reading() as session:
        with pytest.raises(NotFound, match="issued no document 7"):
            await document_numbered(session, "7")


async def test_the_mail_says_what_to_pay_until_when_and_carries_the_code(store: Store, settings: Settings) -> None:
    await subscribe(store)
    await bill_november(store, settings)
    said = await composed(store, "2600000001", settings)

    text = words(said.text)
    assert "fakturu na 599,00 Kč ke smlouvě 1001" in text
    assert "Zaplaťte ji prosím do 16. 11. 2026." in text
    assert "Částka k úhradě: 599,00 Kč" in text
    assert "Specifický symbol: 2600000001" in text
    assert said.qr_payment.endswith("*X-VS:1001*X-SS:2600000001")
    assert "cid:qr" in said.html


async def test_what_was_paid_before_the_mail_is_sent_is_not_asked_for(store: Store, settings: Settings) -> None:
    await subscribe(store)
    await bill_november(store, settings)
    async with store.transaction() as session:
        await session.execute(update(Invoice).values(open=Money(200_00)))
    partly = await composed(store, "2600000001", settings)
    async with store.transaction() as session:
        await session.execute(update(Invoice).values(open=Money(0)))
    wholly = await composed(store, "2600000001", settings)

    assert "zbývá doplatit 200,00 Kč" in words(partly.text)
    assert "*AM:200.00*" in partly.qr_payment
    assert "Už je zaplacená" in words(wholly.text)
    assert wholly.qr_payment == ""
    assert "cid:qr" not in wholly.html


async def test_a_credit_note_says_what_it_corrects_and_why(store: Store, settings: Settings) -> None:
    await subscribe(store)
    await bill_november(store, settings)
    await give_back(store, settings, why="Výpadek <služby>")
    note = (await mails_of(store))[1]
    said = await composed(store, note.attaches, settings)

    assert note.kind == "credit_note"
    assert words(note.subject) == f"Dobropis {note.attaches}: 599,00 Kč"
    assert "Fakturu 2600000001 ke smlouvě 1001 jsme opravili o 599,00 Kč ve váš prospěch" in words(said.text)
    assert "Důvod: Výpadek <služby>" in words(said.text)
    assert "Výpadek &lt;služby&gt;" in said.html
    assert said.qr_payment == ""


async def test_an_english_customer_reads_english(store: Store, settings: Settings) -> None:
    await subscribe(store, language="en")
    await bill_november(store, settings)
    (mail,) = await mails_of(store)
    said = await composed(store, mail.attaches, settings)

    assert words(mail.subject) == "Invoice 2600000001: CZK 599.00"
    assert "Here is your invoice for CZK 599.00" in words(said.text)


async def test_a_customer_who_moved_after_the_issue_gets_it_at_the_new_address(
    store: Store, settings: Settings
) -> None:
    await subscribe(store)
    async with store.transaction() as session:
        await session.execute(update(Customer).values(email="nova@example.cz"))
    await bill_november(store, settings)

    assert [mail.recipient for mail in await mails_of(store)] == ["nova@example.cz"]


async def _payment(store: Store, contract_id: int, state: str = "matched") -> int:
    values = {"account": "1", "bank_ref": "r1", "booked_on": NOW.date(), "amount": Money(599_00)}
    more = {"contract_id": contract_id, "state": state, "why": "", "unallocated": Money(0)}
    async with store.transaction() as session:
        return int(await session.scalar(insert(Payment).values(**values, **more).returning(Payment.id)) or 0)


@pytest.mark.parametrize(
    ("wanted", "state", "count"), [(True, "matched", 1), (False, "matched", 0), (True, "waiting", 0)]
)
async def test_a_payment_is_thanked_for_once_where_the_isp_wants_that(
    store: Store, wanted: bool, state: str, count: int
) -> None:
    settings = isp_settings(f"[mail]\npayment_received = {str(wanted).lower()}")
    contract_id = await subscribe(store)
    payment_id = await _payment(store, contract_id, state)
    for _ in range(2):
        async with store.transaction() as session:
            await mails.thank(session, [payment_id], settings=settings, now=NOW)

    written = await mails_of(store)
    assert len(written) == count
    said = ["Dne 2. 11. 2026 jsme přijali 599,00 Kč ke smlouvě 1001." in words(mail.text) for mail in written]
    assert said == [True] * count
    assert [mail.priority for mail in written] == [0] * count
