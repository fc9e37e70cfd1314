"""Coming in by the last three digits: who gets in, what is told, and how often one may try."""

import pytest

from billing.customers import passwords
from portal.voip.booth import Booth
from tests.billing.voip.world import NUMBER
from tests.portal.voip.street import PASSWORD, PETRS, PETRS_PASSWORD, SECOND, SECONDS_PASSWORD, Handset, Street

NEW_PASSWORD = "sest-modrych-hrnku"


async def test_of_two_numbers_with_one_ending_the_password_decides(voip: Street) -> None:
    jana, petr = await voip.browser().enter("456", PASSWORD), await voip.browser().enter("456", PETRS_PASSWORD)

    assert "+420 910 123 456" in (await jana.get("/credit")).text
    assert "+420 910 555 456" in (await petr.get("/credit")).text


@pytest.mark.parametrize("typed", ["910123456", "+420 910 123 456", "00420 910 123 456"])
async def test_the_whole_number_works_too(voip: Street, typed: str) -> None:
    assert "+420 910 123 456" in (await (await voip.browser().enter(typed)).get("/credit")).text


async def test_the_password_of_another_ending_is_wrong(voip: Street) -> None:
    answer = await voip.browser().post("/login", number="456", password=SECONDS_PASSWORD)

    assert answer.status == 422
    assert not answer.cookies


async def test_endings_that_exist_and_that_do_not_are_answered_alike_and_cost_the_same_work(
    voip: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    real = type(passwords._HASHER).verify

    def spy(self: object, password_hash: str, password: str) -> bool:
        verified.append(password_hash)
        return real(self, password_hash, password)  # type: ignore[arg-type]

    monkeypatch.setattr(type(passwords._HASHER), "verify", spy)
    there = await voip.browser().post("/login", number="457", password="not-the-password")
    nowhere = await voip.browser().post("/login", number="999", password="not-the-password")

    assert there.status == nowhere.status == 422
    assert there.text == nowhere.text.replace('value="999"', 'value="457"')
    assert len(verified) == 2


async def test_the_session_cookie_is_of_this_host_secure_and_unseen_by_scripts(voip: Street) -> None:
    answer = await voip.browser().post("/login", number="456", password=PASSWORD)

    assert answer.raw_cookies == (
        f"{Booth.session_cookie}={answer.cookies[Booth.session_cookie]}; HttpOnly; Path=/; SameSite=Lax; Secure",
    )


async def test_after_a_log_out_the_old_cookie_is_worth_nothing(voip: Street, jana: Handset) -> None:
    kept = dict(jana.cookies)
    await jana.post("/logout")
    old = voip.browser()
    old.cookies = kept

    assert (await old.get("/credit")).location.startswith("/login")


async def test_one_address_that_guesses_one_ending_is_slowed_down(voip: Street) -> None:
    browser = voip.browser()
    statuses = [(await browser.post("/login", number="456", password=f"guess-{n}")).status for n in range(8)]

    assert statuses[-1] == 429


async def test_guesses_of_an_ending_from_everywhere_are_limited_and_lock_nobody_out(
    voip: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = iter(f"100.64.0.{n}" for n in range(250))
    monkeypatch.setattr(Booth, "address_of", lambda self, request: next(addresses))
    browser = voip.browser()
    statuses = [(await browser.post("/login", number="456", password="a-guess")).status for _ in range(62)]

    assert statuses[-1] == 429
    await voip.browser().enter(NUMBER, PASSWORD)
    await voip.browser().enter(SECOND[-3:], SECONDS_PASSWORD)


async def test_another_way_to_write_an_ending_or_a_number_is_no_other_try(voip: Street) -> None:
    """Foreign digits count as none when numbers are looked up, so they must not make a new name for the limits."""
    foreign = [f"45{digit}6" for digit in "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668"]
    whole = ["910123456", "+420910123456", "00420910123456", "910 123 456", "910-123-456", "(910) 123 456"]
    for ways in (foreign, whole * 2):
        browser = voip.browser()
        statuses = [(await browser.post("/login", number=way, password="a-guess")).status for way in ways]

        assert statuses[0] == 422
        assert statuses[-1] == 429


async def test_a_new_password_needs_the_old_one_and_ends_every_other_log_in(voip: Street, jana: Handset) -> None:
    elsewhere = await voip.browser().enter()

    wrong = await jana.post("/account", old="not-the-password", new=NEW_PASSWORD)
    right = await jana.post("/account", old=PASSWORD, new=NEW_PASSWORD)

    assert wrong.status == 422
    assert "The old password is not right." in wrong.text
    assert right.location == "/account?done=password"
    assert (await elsewhere.get("/credit")).location.startswith("/login")
    assert (await jana.get("/credit")).status == 200
    assert (await voip.browser().post("/login", number="456", password=PASSWORD)).status == 422
    await voip.browser().enter("456", NEW_PASSWORD)


async def test_the_other_with_the_same_ending_keeps_their_password(voip: Street, jana: Handset) -> None:
    await jana.post("/account", old=PASSWORD, new=NEW_PASSWORD)

    await voip.browser().enter(PETRS[-3:], PETRS_PASSWORD)


async def test_a_session_ends_by_itself(voip: Street, jana: Handset) -> None:
    voip.clock.advance(minutes=61)

    assert (await jana.get("/credit")).location.startswith("/login")


async def test_a_closed_number_lets_nobody_in_and_throws_out_who_was(voip: Street, jana: Handset) -> None:
    from billing.voip import operations
    from billing.voip.tables import VoipNumber

    async with voip.store.transaction() as session:
        number = await session.get_one(VoipNumber, voip.ids[NUMBER])
        await operations.set_state(session, number, "closed", why="", actor="test", now=voip.clock.now())

    assert (await jana.get("/credit")).location.startswith("/login")
    assert (await voip.browser().post("/login", number=NUMBER, password=PASSWORD)).status == 422
