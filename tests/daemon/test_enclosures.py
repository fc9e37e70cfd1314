"""Invoices go by mail with PDF and ISDOC, made when their turn comes: once, whole, after whoever waits longer."""

import asyncio
import io
import multiprocessing
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from lxml import etree
from pypdf import PdfReader
from sqlalchemy import update

from billing.invoicing.documents.cache import Cache
from billing.invoicing.documents.rendering import Renderer
from billing.invoicing.documents.typesetting import Look
from billing.invoicing.tables import Invoice
from billing.money import Money
from billing.store import outbox
from billing.store.engine import Store
from billing.store.outbox import Draft
from config.clock import TestClock
from config.settings import Settings
from daemon.mailer import send_due
from tests.billing.invoicing.billed import NOW, bill_november, give_back, isp_settings, mails_of, subscribe
from tests.daemon.smtp_server import DROP, MailServer, smtp_server

SCHEMA = Path(__file__).parents[1] / "billing" / "invoicing" / "documents" / "schema" / "isdoc-invoice-6.0.2.xsd"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with smtp_server(asyncio.get_running_loop()) as running:
        yield running


@pytest.fixture
async def renderer(tmp_path: Path) -> AsyncIterator[Renderer]:
    async with Renderer(Look, Cache(tmp_path / "documents", 10), 1) as made:
        yield made


def settings_for(server: MailServer, more: str = "") -> Settings:
    return isp_settings(
        f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nsender = "ucty@udolni.example"\ntimeout_seconds = 5\n{more}'
    )


def files_of(message: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_content() for part in message.iter_attachments()}


async def test_an_invoice_arrives_with_its_pdf_and_isdoc(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer
) -> None:
    settings = settings_for(server)
    await subscribe(store)
    await bill_november(store, settings)
    report = await send_due(store, settings, clock, renderer)

    (message,) = server.messages
    body, pdf, isdoc = message.iter_parts()
    files = files_of(message)
    assert report.sent == 1
    assert message.get_content_type() == "multipart/mixed"
    assert body.get_content_type() == "multipart/alternative"
    assert (pdf.get_content_type(), isdoc.get_content_type()) == ("application/pdf", "application/x-isdoc")
    assert list(files) == ["faktura-2600000001.pdf", "faktura-2600000001.isdoc"]
    text = PdfReader(io.BytesIO(files["faktura-2600000001.pdf"])).pages[0].extract_text()
    assert "599,00" in text
    assert "Božena Němcová" in text
    assert etree.XMLSchema(etree.parse(SCHEMA)).validate(etree.fromstring(files["faktura-2600000001.isdoc"]))
    assert "Zaplaťte ji prosím" in body.get_body(("plain",)).get_content()  # type: ignore[union-attr,attr-defined]
    assert b"Content-ID: <qr>" in message.as_bytes()


async def test_a_credit_note_arrives_under_its_own_name_and_in_the_customers_language(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer
) -> None:
    settings = settings_for(server)
    await subscribe(store, language="en")
    await bill_november(store, settings)
    await give_back(store, settings)
    await send_due(store, settings, clock, renderer)

    assert [next(iter(files_of(message))).split("-2")[0].split("-9")[0] for message in server.messages] == [
        "invoice",
        "credit-note",
    ]


async def test_a_second_try_sends_the_same_bytes_though_it_was_paid_meanwhile(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer
) -> None:
    settings = settings_for(server)
    await subscribe(store)
    await bill_november(store, settings)
    server.answers_to_data.append(DROP)
    await send_due(store, settings, clock, renderer)
    async with store.transaction() as session:
        await session.execute(update(Invoice).values(open=Money(0)))
    clock.advance(minutes=2)
    async with Renderer(Look, Cache(Path("/nowhere"), 0), 1) as after_a_restart:
        await send_due(store, settings, clock, after_a_restart)

    first, second = (envelope.original_content for envelope in server.envelopes)
    assert first == second


async def test_a_sent_mail_keeps_no_text_that_can_be_made_again(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer
) -> None:
    settings = settings_for(server)
    await subscribe(store)
    await bill_november(store, settings)
    await send_due(store, settings, clock, renderer)
    (mail,) = await mails_of(store)

    assert mail.sent_at is not None
    assert (mail.text, mail.html) == ("", "")


async def test_no_invoice_goes_twice(store: Store, server: MailServer, clock: TestClock, renderer: Renderer) -> None:
    settings = settings_for(server)
    await subscribe(store, "1001")
    await subscribe(store, "1002")
    for _ in range(2):
        await bill_november(store, settings)
        await send_due(store, settings, clock, renderer)
        clock.advance(hours=1)

    assert len(server.messages) == 2
    assert len(set(server.message_ids)) == 2


async def test_who_waits_goes_before_a_billing_run_which_has_a_rate_of_its_own(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer
) -> None:
    settings = settings_for(server, "per_minute = 5\nbulk_per_minute = 2")
    for number in range(1001, 1005):
        await subscribe(store, str(number))
    await bill_november(store, settings)
    plain = Draft("x", None, "restored", "jana@example.cz", "Zpátky", "Jste zpátky.\n", "<p>Jste zpátky.")
    drafts = [replace(plain, dedup_key=f"{kind}:1", kind=kind) for kind in ("reminder", "restored")]
    async with store.transaction() as session:
        await outbox.put(session, drafts, NOW, domain="udolni.example")
    sent = []
    for _ in range(3):
        sent.append((await send_due(store, settings, clock, renderer)).sent)
        clock.advance(seconds=61)

    keys = {mail.message_id: mail.dedup_key.partition(":")[0] for mail in await mails_of(store)}
    assert [keys[message_id] for message_id in server.message_ids] == ["restored", "reminder", *["invoice"] * 4]
    assert sent == [4, 2, 0]


async def test_an_invoice_that_cant_be_made_waits_and_holds_up_nobody_else(
    store: Store, server: MailServer, clock: TestClock, renderer: Renderer, tmp_path: Path
) -> None:
    settings = settings_for(server)
    await subscribe(store)
    await bill_november(store, settings)
    broken = tmp_path / "broken.typ"
    broken.write_text("#nothing", "utf-8")
    async with Renderer(lambda: Look(template=broken), Cache(tmp_path, 0), 1) as without_template:
        report = await send_due(store, settings, clock, without_template)
    (mail,) = await mails_of(store)

    assert (report.sent, report.put_off) == (0, 1)
    assert "The PDF of 2600000001 can't be made" in report.trouble
    assert "unknown variable: nothing" in mail.last_error
    clock.advance(minutes=2)
    assert (await send_due(store, settings, clock, renderer)).sent == 1


async def test_a_round_without_a_renderer_makes_its_own_and_leaves_no_process(
    store: Store, server: MailServer, clock: TestClock, tmp_path: Path
) -> None:
    settings = settings_for(server, f'[documents]\ndirectory = "{tmp_path}/documents"')
    await subscribe(store)
    await bill_november(store, settings)
    await send_due(store, settings, clock)

    assert len(server.messages) == 1
    assert multiprocessing.active_children() == []
