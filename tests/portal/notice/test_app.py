"""The pages of the notice server, as subscribers get them over real sockets."""

import asyncio
import re

import pytest

from billing.dunning.facts import Stage
from billing.dunning.tables import Acknowledgement
from billing.store.tables import JournalEntry
from tests.portal.subscribers import ANNA, BORIS, NOBODY, NOW, Gateway, add_subscriber, count, set_line, showings

ANNAS, BORISS = ("20261001", "20261002", "1001"), ("20269999", "2002")


async def test_everybody_reads_their_own_invoices_and_nobody_elses(web: Gateway) -> None:
    annas, boriss = await web.ask(source=ANNA), await web.ask(source=BORIS)

    assert all(number in annas.body for number in ANNAS)
    assert all(number in boriss.body for number in BORISS)
    assert not any(number in annas.body for number in ("20269999", "777,00"))
    assert not any(number in boriss.body for number in ("20261001", "599,00"))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP", "Via", "Cookie"])
async def test_no_header_shows_another_subscribers_data(web: Gateway, header: str) -> None:
    for value in (BORIS, f"for={BORIS}", f"{BORIS}, {ANNA}"):
        reply = await web.ask(source=ANNA, headers={header: value})
        assert "20261001" in reply.body
        assert "20269999" not in reply.body
        assert "777,00" not in reply.body


@pytest.mark.parametrize("target", ["/?contract=2002", "/?id=2", "/?source=127.0.0.3", "/2002", "/?w=2002"])
async def test_no_parameter_shows_another_subscribers_data(web: Gateway, target: str) -> None:
    assert "20269999" not in (await web.ask(target=target)).body


async def test_an_address_that_is_nobodys_gets_a_polite_page_without_data(web: Gateway) -> None:
    page = await web.ask(source=NOBODY)
    redirect = await web.ask(source=NOBODY, host="example.com")

    assert page.status == 200
    assert "Toto připojení neznáme" in page.body
    assert "+420 321 654 987" in page.body
    assert not any(number in page.body for number in (*ANNAS, *BORISS))
    assert "<form" not in page.body
    assert redirect.location == f"{web.url}/"


async def test_the_notice_says_how_much_how_to_pay_and_what_happens_when(web: Gateway) -> None:
    body = (await web.ask()).body

    assert "1 605,00 Kč" in body
    assert "19-2000145399/0800" in body
    assert "CZ65 0800 0000 1920 0014 5399" in body
    assert "3. 12. 2026" in body
    assert 'src="data:image/png;base64,' in body
    assert "Specifický symbol" not in body  # two invoices: the oldest is paid first


async def test_one_invoice_alone_has_its_specific_symbol(web: Gateway) -> None:
    body = (await web.ask(source=BORIS)).body

    assert re.search(r"Specifický symbol</th><td>20269999<", body)


@pytest.mark.parametrize(
    ("header", "language"),
    [("cs-CZ,cs;q=0.9", "cs"), ("en-GB,en;q=0.8", "en"), ("de", "cs"), ("", "cs"), ("sk", "cs"), ("\xff;;q=x", "cs")],
)
async def test_the_page_speaks_the_browsers_language(web: Gateway, header: str, language: str) -> None:
    page = await web.ask(headers={"Accept-Language": header})

    assert f'<html lang="{language}">' in page.body
    assert page.headers["content-language"] == language


async def test_the_other_language_is_one_link_away_and_keeps_the_wanted_page(web: Gateway) -> None:
    redirect = await web.ask(target="/news", host="example.com")
    page = await web.ask(target=redirect.location.removeprefix(web.url))
    found = re.search(r'<a class="switch" href="([^"]+)"', page.body)
    assert found
    english = await web.ask(target=found[1].replace("&amp;", "&"))

    assert '<html lang="en">' in english.body
    assert english.wanted == page.wanted


async def test_a_suspended_line_reads_why_how_much_and_how_it_comes_back(web: Gateway) -> None:
    await add_subscriber(web.store, "3003", ["127.0.0.4"], stage=Stage.SUSPENDED, acknowledged_at=NOW.replace(day=10))
    page = await web.ask(source="127.0.0.4")

    assert "Vaše připojení k internetu je pozastaveno" in page.body
    assert "30031" in page.body
    assert "599,00" in page.body
    assert "Jak se připojení obnoví" in page.body
    assert "<form" not in page.body


async def test_a_line_that_is_being_restored_says_so_and_looks_again(web: Gateway) -> None:
    contract_id = await add_subscriber(
        web.store, "3003", ["127.0.0.4"], stage=Stage.CLEAR, line="suspended", invoices={"30031": "0.00"}
    )
    opening = await web.ask(source="127.0.0.4")
    await set_line(web.store, contract_id, "open")
    opened = await web.ask(source="127.0.0.4")

    assert 'http-equiv="refresh"' in opening.body
    assert "refresh" not in opened.body
    assert "Nic nedlužíte" in opened.body


# ── evidence, and what GET leaves alone ─────────────────────────────────────────────────────────────────────────


async def _until_shown(web: Gateway, number: int) -> None:
    async with asyncio.timeout(5):
        while len(await showings(web.store)) < number:  # noqa: ASYNC110 — the database has no event to wait for
            await asyncio.sleep(0.01)


async def test_a_page_that_a_person_saw_is_kept_as_evidence_once(web: Gateway) -> None:
    for _ in range(3):
        await web.ask(headers={"User-Agent": "Mozilla/5.0"})
    await _until_shown(web, 1)
    await web.ask(headers={"Accept-Language": "en"})
    await _until_shown(web, 2)

    assert {row.source_address for row in await showings(web.store)} == {ANNA}


async def test_what_nobody_saw_is_no_evidence(web: Gateway) -> None:
    await web.ask("HEAD")
    await web.ask(headers={"Sec-Purpose": "prefetch"})
    await web.ask(headers={"Purpose": "prefetch"})
    await web.ask(headers={"User-Agent": "CaptiveNetworkSupport-407.40.1 wispr"})
    await web.ask(source=BORIS)
    await _until_shown(web, 1)  # Boris's alone: those before it had their time

    assert {row.source_address for row in await showings(web.store)} == {BORIS}


@pytest.mark.parametrize("target", ["/", "/acknowledge", "/?lang=en", "/nothing", "/favicon.ico"])
async def test_get_changes_no_fact(web: Gateway, target: str) -> None:
    before = await count(web.store, JournalEntry)
    for method in ("GET", "HEAD"):
        await web.ask(method, target)

    assert await count(web.store, JournalEntry) == before
    assert await count(web.store, Acknowledgement) == 0


# ── headers ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "target", "host", "source"),
    [
        ("GET", "/", "", ANNA),
        ("GET", "/", "", NOBODY),
        ("HEAD", "/", "", ANNA),
        ("GET", "/nothing", "", ANNA),
        ("GET", "/acknowledge", "", ANNA),
        ("POST", "/acknowledge", "", ANNA),
        ("PUT", "/", "", ANNA),
        ("GET", "/", "example.com", ANNA),
        ("GET", "/favicon.ico", "example.com", ANNA),
        ("GET", "/generate_204", "connectivitycheck.gstatic.com", ANNA),
        ("POST", "/api", "example.com", ANNA),
    ],
)
async def test_no_answer_may_be_cached_none_sets_a_cookie_and_plain_http_never_says_hsts(
    web: Gateway, method: str, target: str, host: str, source: str
) -> None:
    reply = await web.ask(method, target, host=host, source=source)

    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["connection"] == "close"
    assert "set-cookie" not in reply.headers
    assert "strict-transport-security" not in reply.headers
    assert "aiohttp" not in reply.headers.get("server", "")


async def test_pages_allow_nothing_but_their_own_style_and_picture(web: Gateway) -> None:
    page = await web.ask()
    policy = page.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"


async def test_an_unknown_page_of_ours_is_a_page_too(web: Gateway) -> None:
    reply = await web.ask(target="/nothing/here")

    assert reply.status == 404
    assert "Taková stránka tu není" in reply.body


async def test_when_the_database_fails_the_page_says_so_politely(web: Gateway) -> None:
    async with web.store.transaction() as session:
        await session.connection()
        await (await session.connection()).exec_driver_sql("ALTER TABLE standing RENAME TO gone")
    reply = await web.ask()

    assert reply.status == 503
    assert "retry-after" in reply.headers
    assert "Zkuste to prosím za chvíli znovu" in reply.body
