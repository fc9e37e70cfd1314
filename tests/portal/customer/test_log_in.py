"""Coming in and going out: sessions, wrong passwords, forgotten ones, and limits."""

import asyncio
from pathlib import Path

import pytest

from billing.customers import logins, passwords
from billing.store.engine import Store
from portal.customer import signing_in
from portal.customer.office import Office
from portal.forms import own_path
from tests.portal.customer.house import JANA, PASSWORD, Browser, House, house

NEW_PASSWORD = "sest-modrych-hrnku"


async def test_number_and_password_lead_to_the_first_page(portal: House) -> None:
    browser = portal.browser()

    answer = await browser.log_in()

    assert (answer.status, answer.location) == (303, "/")
    assert "Jana Nováková" in (await browser.get("/")).text


async def test_the_session_cookie_is_of_this_host_secure_and_unseen_by_scripts(portal: House) -> None:
    answer = await portal.browser().log_in()

    assert answer.raw_cookies == (
        f"{Office.session_cookie}={answer.cookies[Office.session_cookie]}; HttpOnly; Path=/; SameSite=Lax; Secure",
    )


async def test_a_wrong_password_and_an_unknown_number_are_answered_alike(portal: House) -> None:
    wrong = await portal.browser().log_in(JANA, "not-my-password")
    unknown = await portal.browser().log_in("501", "another-password")
    nobody = await portal.browser().log_in("999", "not-my-password")

    assert wrong.status == unknown.status == nobody.status == 422
    assert wrong.text == nobody.text.replace('value="999"', f'value="{JANA}"')
    assert not nobody.cookies


async def test_an_unknown_number_costs_as_much_work_as_a_known_one(
    portal: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    real = type(passwords._HASHER).verify

    def spy(self: object, password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return real(self, password_hash, password)  # type: ignore[arg-type]

    monkeypatch.setattr(type(passwords._HASHER), "verify", spy)
    await portal.browser().log_in("999", "not-my-password")

    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$")


async def test_a_log_in_gives_a_new_session_whatever_cookie_was_brought(portal: House) -> None:
    browser = portal.browser()
    browser.cookies[Office.session_cookie] = "planted-by-somebody-else"

    await browser.log_in()

    assert browser.session != "planted-by-somebody-else"


async def test_logging_in_again_ends_the_session_before(portal: House, jana: Browser) -> None:
    before = dict(jana.cookies)
    await jana.log_in()
    old = portal.browser()
    old.cookies = before

    assert (await old.get("/")).location == "/login"


async def test_after_a_log_out_the_old_cookie_is_worth_nothing(portal: House, jana: Browser) -> None:
    kept = dict(jana.cookies)
    await jana.post("/logout")
    jana.cookies = kept

    assert (await jana.get("/")).location == "/login"


async def test_an_idle_session_ends(portal: House, jana: Browser) -> None:
    portal.clock.advance(minutes=61)

    assert (await jana.get("/")).location == "/login"


async def test_a_session_in_use_lives_on_past_the_idle_time_but_not_for_ever(portal: House, jana: Browser) -> None:
    for _ in range(4):
        portal.clock.advance(minutes=50)
        assert (await jana.get("/")).status == 200
    portal.clock.advance(days=7)

    assert (await jana.get("/")).location == "/login"


async def test_a_wrong_password_does_not_forget_the_page_that_was_wanted(portal: House) -> None:
    browser = portal.browser()

    wrong = await browser.post("/login", number=JANA, password="not it at all", to="/billing")
    assert 'name="to" value="/billing"' in wrong.text
    assert 'name="to" value=""' in (await browser.post("/login", number=JANA, password="nor this", to="//evil")).text


async def test_a_form_that_is_sent_after_the_session_has_ended_leads_back_to_its_page_and_says_that_nothing_was_saved(
    portal: House, jana: Browser
) -> None:
    portal.clock.advance(minutes=61)
    headers = {"Origin": portal.origin, "Referer": f"{portal.origin}/contacts"}

    sent_away = await jana.ask("POST", "/contacts", {"csrf": jana.csrf, "phone": "1"}, headers)

    assert sent_away.location == "/login?done=over&to=/contacts"
    log_in = await jana.get(sent_away.location)
    assert '<p class="said warn" role="status">You were logged out meanwhile, so nothing was saved.' in log_in.text
    assert 'name="to" value="/contacts"' in log_in.text
    assert (await portal.customer()).phone == ""


async def test_who_logs_out_after_the_session_has_ended_is_simply_logged_out(portal: House, jana: Browser) -> None:
    portal.clock.advance(minutes=61)

    assert (await jana.post("/logout")).location == "/login?done=out"


async def test_after_the_log_in_the_wanted_page_is_shown(portal: House) -> None:
    browser = portal.browser()
    assert (await browser.get("/billing?year=2026")).location == "/login?to=/billing?year%3D2026"

    answer = await browser.post("/login", number=JANA, password=PASSWORD, to="/billing?year=2026")

    assert answer.location == "/billing?year=2026"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/\r\nX: y", "javascript:x"]
)
def test_nobody_is_sent_to_another_host(wanted: str) -> None:
    assert own_path(wanted) == ""


async def test_guessing_is_slowed_down_and_locks_nobody_else_out(portal: House, store: Store, tmp_path: Path) -> None:
    answers = [await portal.browser().log_in(JANA, f"guess number {n}") for n in range(8)]

    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


async def test_a_stranger_who_guesses_does_not_lock_the_owner_out(store: Store, tmp_path: Path) -> None:
    async with house(store, tmp_path, 'trusted_proxies = ["127.0.0.1"]') as portal:
        stranger = portal.browser(**{"X-Forwarded-For": "203.0.113.66"})
        while (await stranger.log_in(JANA, "a guess")).status != 429:
            pass

        assert (await portal.browser(**{"X-Forwarded-For": "203.0.113.7"}).log_in()).status == 303


async def test_a_forwarding_header_from_no_proxy_of_ours_changes_nothing(portal: House) -> None:
    statuses = [
        (await portal.browser(**{"X-Forwarded-For": f"203.0.113.{n}"}).log_in(JANA, "a guess")).status for n in range(8)
    ]

    assert statuses[-1] == 429


async def test_a_new_password_needs_the_old_one(portal: House, jana: Browser) -> None:
    refused = await jana.post("/password", old="not it at all", new=NEW_PASSWORD)

    assert refused.status == 422
    assert "The old password is not right." in refused.text


async def test_a_new_password_logs_out_every_other_browser_and_keeps_this_one(portal: House, jana: Browser) -> None:
    other = portal.browser()
    await other.log_in()

    answer = await jana.post("/password", old=PASSWORD, new=NEW_PASSWORD)

    assert answer.location == "/account?done=password"
    assert (await jana.get("/")).status == 200
    assert (await other.get("/")).location == "/login"
    assert (await portal.browser().log_in(JANA, NEW_PASSWORD)).status == 303
    assert "customer.password_changed" in await portal.actions()


@pytest.mark.parametrize("new", ["short", "aaaaaaaaaaaaaaa", "1234567890", "x" * 201])
async def test_a_weak_password_is_refused_with_the_reason(jana: Browser, new: str) -> None:
    assert (await jana.post("/password", old=PASSWORD, new=new)).status == 422


async def test_who_has_a_one_time_password_chooses_another_first(portal: House) -> None:
    async with portal.store.transaction() as session:
        customer = await portal.customer()
        customer.password_is_one_time = True
        await session.merge(customer)
    browser = portal.browser()
    await browser.log_in()

    assert (await browser.get("/billing")).location == "/account"
    await browser.post("/password", old=PASSWORD, new=NEW_PASSWORD)
    assert (await browser.get("/billing")).status == 200


async def test_log_out_everywhere_else_spares_this_browser(portal: House, jana: Browser) -> None:
    other = portal.browser()
    await other.log_in()

    await jana.post("/sessions/end")

    assert (await jana.get("/")).status == 200
    assert (await other.get("/")).location == "/login"


async def test_a_forgotten_password_is_replaced_by_the_link_in_the_mail_once(portal: House) -> None:
    browser = portal.browser()
    await browser.post("/forgot", number=JANA)
    link = await portal.link_in_last_mail()
    token = link.partition("?t=")[2]
    assert (await browser.get(link)).status == 200

    answer = await browser.post("/reset", t=token, new=NEW_PASSWORD)

    assert answer.location == "/?done=password"
    assert (await portal.browser().log_in(JANA, NEW_PASSWORD)).status == 303
    assert (await portal.browser().post("/reset", t=token, new="yet-another-one")).status == 422


async def test_a_mail_is_in_the_customers_language_whatever_browser_asked_for_it(portal: House) -> None:
    await portal.browser(**{"Accept-Language": "cs"}).post("/forgot", number=JANA)

    assert (await portal.mails())[-1].subject == "Your new password for Údolní síť"


async def test_a_link_for_a_password_grows_too_old(portal: House) -> None:
    browser = portal.browser()
    await browser.post("/forgot", number=JANA)
    portal.clock.advance(minutes=61)

    assert (await browser.get(await portal.link_in_last_mail())).status == 422


async def test_asking_for_a_link_tells_nobody_whether_the_number_exists(portal: House) -> None:
    known = await portal.browser().post("/forgot", number=JANA)
    unknown = await portal.browser().post("/forgot", number="999")

    assert (known.status, known.location) == (unknown.status, unknown.location)
    assert len(await portal.mails()) == 1


async def test_an_answer_about_a_link_comes_no_sooner_when_the_number_does_not_exist(
    portal: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept, real = list[float](), asyncio.sleep

    async def spy(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    monkeypatch.setattr("portal.customer.signing_in.asyncio.sleep", spy)
    for number in (JANA, "999"):
        await portal.browser().post("/forgot", number=number)

    assert slept.count(signing_in.FORGOT_SECONDS) == 2


async def test_a_stranger_who_asks_for_links_ends_none_and_fills_no_mailbox(portal: House) -> None:
    await portal.browser().post("/forgot", number=JANA)
    first = await portal.link_in_last_mail()
    for _ in range(5):
        portal.office.mails._tats.clear()  # they have many addresses
        await portal.browser().post("/forgot", number=JANA)

    assert len(await portal.mails()) == logins.PASSWORD_LINKS_MAX
    assert (await portal.browser().get(first)).status == 200
    portal.clock.advance(minutes=61)
    portal.office.mails._tats.clear()
    await portal.browser().post("/forgot", number=JANA)
    assert (await portal.browser().get(await portal.link_in_last_mail())).status == 200


async def test_a_new_password_ends_every_link_for_one(portal: House) -> None:
    links = []
    for _ in range(2):
        await portal.browser().post("/forgot", number=JANA)
        links.append((await portal.link_in_last_mail()).partition("?t=")[2])

    assert (await portal.browser().post("/reset", t=links[0], new=NEW_PASSWORD)).status == 303
    assert (await portal.browser().post("/reset", t=links[1], new="yet-another-one")).status == 422


async def test_a_new_password_ends_the_link_that_a_thief_sent_to_an_address_of_their_own(
    portal: House, jana: Browser
) -> None:
    thief = portal.browser()
    await thief.log_in()
    await thief.post("/contacts", email="thief@elsewhere.example")
    token = (await portal.link_in_last_mail()).partition("?t=")[2]

    await jana.post("/password", old=PASSWORD, new=NEW_PASSWORD)

    assert (await portal.browser().post("/confirm-email", t=token)).status == 422
    assert (await portal.customer()).email == "501@isp.example"


async def test_a_new_address_ends_the_links_that_were_sent_to_the_old_one(portal: House, jana: Browser) -> None:
    await portal.browser().post("/forgot", number=JANA)
    old = (await portal.link_in_last_mail()).partition("?t=")[2]
    await jana.post("/contacts", email="new@isp.example")
    await jana.post("/confirm-email", t=(await portal.link_in_last_mail()).partition("?t=")[2])

    assert (await portal.customer()).email == "new@isp.example"
    assert (await portal.browser().post("/reset", t=old, new=NEW_PASSWORD)).status == 422


async def test_of_many_who_use_a_link_at_once_one_gets_in(portal: House) -> None:
    await portal.browser().post("/forgot", number=JANA)
    token = (await portal.link_in_last_mail()).partition("?t=")[2]

    tries = (portal.browser().post("/reset", t=token, new=f"{NEW_PASSWORD}-{n}") for n in range(8))
    statuses = [answer.status for answer in await asyncio.gather(*tries)]

    assert sorted(statuses) == [303, *[422] * 7]


async def test_a_token_is_stored_as_its_hash_only(portal: House, jana: Browser) -> None:
    database = Path(str(portal.store._writing.url.database).removeprefix("file:").partition("?")[0])
    stored = b"".join(path.read_bytes() for path in database.parent.glob("*.db*"))

    assert jana.session.encode() not in stored


async def test_the_portal_speaks_the_chosen_language(portal: House, jana: Browser) -> None:
    await jana.post("/language", language="en", to="/")
    english = (await jana.get("/")).text
    await jana.post("/language", language="cs", to="/")
    czech = (await jana.get("/")).text

    assert "Log out" in english
    assert "Odhlásit se" in czech


async def guess_from_everywhere(portal: House, count: int) -> list[int]:
    """Guesses of Jana's password, each from an address of its own."""
    strangers = (portal.browser(**{"X-Forwarded-For": f"203.0.{n // 250}.{n % 250 + 1}"}) for n in range(count))
    return [(await stranger.log_in(JANA, "a guess")).status for stranger in strangers]


async def test_many_strangers_together_are_slowed_down_and_the_owner_at_home_is_not(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.customer.signing_in.verify_password", lambda password, _: password == PASSWORD)
    async with house(store, tmp_path, 'trusted_proxies = ["127.0.0.1"]') as portal:
        home = {"X-Forwarded-For": "198.51.100.7"}
        assert (await portal.browser(**home).log_in()).status == 303

        statuses = await guess_from_everywhere(portal, 70)

        assert set(statuses[:59]) == {422}
        assert 429 in statuses[59:]
        assert (await portal.browser(**home).log_in()).status == 303


async def test_an_ipv6_subscriber_is_one_source_whatever_address_it_takes(store: Store, tmp_path: Path) -> None:
    async with house(store, tmp_path, 'trusted_proxies = ["127.0.0.1"]') as portal:
        statuses = [
            (await portal.browser(**{"X-Forwarded-For": f"2001:db8:1:2::{n:x}"}).log_in(JANA, "a guess")).status
            for n in range(1, 9)
        ]

    assert statuses[-1] == 429
