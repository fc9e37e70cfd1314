"""An acknowledgement as evidence: the proof that is handed out, and every way of tampering that is found."""

import hashlib
import io
import json
from pathlib import Path

import pytest
from pypdf import PdfReader
from sqlalchemy import text

from billing.dunning import evidence
from billing.dunning.evidence import Proof, proof
from billing.dunning.notices import record_showing
from billing.dunning.operations import contract_id_of
from billing.dunning.proof_page import proof_pdf
from billing.dunning.reading import load_facts
from billing.payments import invariants
from billing.store import journal
from billing.store.engine import Store
from config.errors import JournalBroken, NotFound
from tests.scenario import DUE_ON, Isp, at

NOTICE_ON = DUE_ON.replace(day=16)


@pytest.fixture
async def isp(store: Store, tmp_path: Path) -> Isp:
    return await founded(store, tmp_path)


async def founded(store: Store, folder: Path) -> Isp:
    """Contract 1001 saw the notice and acknowledged it; a payment of another came in."""
    made = Isp(store, folder)
    await made.add("1001", "10.1.0.5")
    await made.add("1002", "10.1.0.6")
    await made.invoice("26000001", "1001")
    await made.settle_at(at(NOTICE_ON))
    async with made.store.transaction() as session:
        facts = (await load_facts(session, [await contract_id_of(session, "1001")]))[0]
        assert facts.notice is not None
        await record_showing(
            session,
            notice_id=facts.notice.id,
            source_address="10.0.0.1",
            user_agent="test",
            text="the text",
            now=made.clock.now(),
        )
    await made.acknowledge("1001")
    await made.pay("100.00", "1002")
    return made


async def proof_of(isp: Isp, contract: str = "1001") -> Proof:
    async with isp.store.reading() as session:
        return await proof(session, contract)


async def test_a_proof_says_what_was_shown_to_which_address_and_when(each_store: Store, tmp_path: Path) -> None:
    isp = await founded(each_store, tmp_path)

    found = await proof_of(isp)

    assert (found.contract, found.source_address, found.text) == ("1001", "10.0.0.1", "the text")
    assert found.acknowledged_at == at(NOTICE_ON)
    assert [(each.number, each.open) for each in found.invoices] == [("26000001", "599.00")]
    assert [(each.at, each.source_address) for each in found.shown] == [(at(NOTICE_ON), "10.0.0.1")]


async def test_anybody_can_reckon_the_hashes_of_a_proof(isp: Isp) -> None:
    found = await proof_of(isp)
    link = found.journal

    assert hashlib.sha256((link.previous_hash + link.content).encode()).hexdigest() == link.hash
    assert hashlib.sha256(found.text.encode()).hexdigest() == found.text_sha256
    assert json.loads(json.loads(link.content)["detail"])["text_sha256"] == found.text_sha256
    assert link.head_id > link.id


async def test_the_pdf_holds_the_whole_proof_and_is_the_same_whenever_it_is_made(isp: Isp) -> None:
    found = await proof_of(isp)

    made = proof_pdf(found, isp.settings)
    words = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(made)).pages)

    assert made == proof_pdf(found, isp.settings)
    for expected in ("1001", "26000001", "10.0.0.1", "the text", found.journal.hash[:20]):
        assert expected in words.replace("\u200b", "")


async def test_who_acknowledged_nothing_has_no_proof(isp: Isp) -> None:
    with pytest.raises(NotFound, match="Nobody has acknowledged"):
        await proof_of(isp, "1002")


# ── tampering ───────────────────────────────────────────────────────────────────────────────────────────────────

WAYS = {
    "the acknowledged words are changed": "UPDATE acknowledgement SET text = 'another text'",
    "the address is changed": "UPDATE acknowledgement SET source_address = '10.1.0.5'",
    "the time is changed": "UPDATE acknowledgement SET at = '2026-03-10 11:00:00'",
    "the invoices that were shown are changed": "UPDATE acknowledged_invoice SET open = 1",
    "an invoice is taken out of the acknowledgement": "DELETE FROM acknowledged_invoice",
    "the acknowledgement is taken out": "DELETE FROM acknowledged_invoice; DELETE FROM acknowledgement",
    "an entry of the journal is changed": "UPDATE journal SET actor = 'subscriber' WHERE id = 2",
    "the reason of an entry is changed": "UPDATE journal SET why = 'x' WHERE id = 3",
    "an entry is taken out": "DELETE FROM journal WHERE id = 4",
    "entries change places": "UPDATE journal SET id = CASE id WHEN 2 THEN -3 ELSE -2 END WHERE id IN (2, 3)",
    "an entry is put in": (
        "INSERT INTO journal (id, at, actor, action, detail, why, hash) "
        "VALUES ((SELECT MAX(id) FROM journal) + 1, '2026-03-16 12:00:00', 'admin:eva', 'x', '{}', '', 'abc')"
    ),
    "the end is cut off": "DELETE FROM journal WHERE id > 5",
    "a posting is changed": "UPDATE posting SET amount = amount * 2 WHERE id = 1",
    "a payment is changed": "UPDATE payment SET amount = amount + 100",
    "an invoice is paid by hand": "UPDATE invoice SET open = 0",
}


@pytest.mark.parametrize("statements", [pytest.param(sql, id=name) for name, sql in WAYS.items()])
async def test_tampering_is_found_when(isp: Isp, statements: str) -> None:
    async with isp.store.reading() as session:
        noted = await journal.mark(session)  # as the daily report has it
    assert await problems(isp, noted) == []

    await tamper(isp.store, statements.split("; "))

    assert await problems(isp, noted) != []


async def test_an_acknowledgement_that_was_tampered_with_proves_nothing(isp: Isp) -> None:
    await tamper(isp.store, [WAYS["the acknowledged words are changed"]])

    with pytest.raises(JournalBroken, match="is not as it was acknowledged: text_sha256"):
        await proof_of(isp)


async def problems(isp: Isp, noted: journal.Mark) -> list[str]:
    """What `audit verify` asks."""
    async with isp.store.reading() as session:
        found = [str(each) for each in [*await evidence.verify(session), *await invariants.verify(session)]]
        try:
            await journal.verify(session, noted)
        except JournalBroken as error:
            found.append(str(error))
    return found


async def tamper(store: Store, statements: list[str]) -> None:
    """Somebody with a database shell who knows of the triggers."""
    async with store.transaction() as session:
        triggers = await session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for statement in (*(f"DROP TRIGGER {name}" for name in triggers.all()), *statements):
            await session.execute(text(statement))
