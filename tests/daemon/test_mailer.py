"""Mails leave once, whole and unchanged, whatever the server does; or they stay and say why."""

import asyncio
import shutil
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.headerregistry import Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from billing.dunning import mails
from billing.dunning.notices import ShownInvoice
from billing.letters.letter import Addressee
from billing.money import Money
from billing.store import outbox
from billing.store.engine import Store
from billing.store.outbox import Draft
from billing.store.tables import Mail
from config.clock import TestClock
from config.errors import SettingsError
from config.settings import Settings, load, parse
from daemon import mailer
from daemon.mail_message import build, sender_of
from daemon.mailer import LEASE_MARGIN_SECONDS, MINUTE, PATIENCE_FACTOR, has_room, send_due
from tests.daemon.smtp_server import DROP, MailServer, smtp_server

NOW = datetime(2026, 12, 3, 9, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the server's own advice, for servers
SENDER = "Údolní síť <ucty@udolni.example>"
ISP = 'name = "Údolní síť"\niban = "CZ6508000000192000145399"\nphone = "+420 777 123 456"'


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with smtp_server(asyncio.get_running_loop()) as running:
        yield running


def settings_for(server: MailServer, more: str = "", *, host: str = "127.0.0.1", extra_tables: str = "") -> Settings:
    mail = f'host = "{host}"\nport = {server.port}\nsender = "{SENDER}"\ntimeout_seconds = 2\n{more}'
    return parse(f"[isp]\n{ISP}\n[mail]\n{mail}\n{extra_tables}")


def draft(key: str = "reminder:1:1:3", recipient: str = "bozena@example.cz", **values: str) -> Draft:
    filled = {"subject": "Připomínka", "text": "Dobrý den\n", "html": "<p>Dobrý den</p>", **values}
    return Draft(dedup_key=key, contract_id=None, kind="reminder", recipient=recipient, **filled)


async def put(store: Store, *drafts: Draft) -> None:
    async with store.transaction() as session:
        await outbox.put(session, drafts, NOW, domain="udolni.example")


async def rows(store: Store) -> Sequence[Mail]:
    async with store.reading() as session:
        return (await session.scalars(select(Mail).order_by(Mail.id))).all()


async def row(store: Store) -> Mail:
    (only,) = await rows(store)
    return only


def lines(text: str) -> list[str]:
    return text.splitlines()


def reminder_of_dunning(settings: Settings) -> Draft:
    invoice = ShownInvoice(id=1, number="2026100123", due_on=date(2026, 10, 15), open=Money(80250))
    addressee = Addressee(42, "1001", "Božena Němcová", "bozena@example.cz", "cs")
    written = mails.reminder(addressee, [invoice], settings=settings, anchor_invoice_id=1, after_days=3)
    assert written is not None
    return replace(written, contract_id=None)


# ── a mail arrives ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reminder_arrives_whole_with_text_html_and_picture(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    settings = settings_for(server)
    written = reminder_of_dunning(settings)
    await put(store, written)
    report = await send_due(store, settings, clock)

    (message,) = server.messages
    alternative = list(message.iter_parts())
    text, related = alternative
    html, picture = related.iter_parts()
    assert report.sent == 1
    assert message.get_content_type() == "multipart/alternative"
    assert str(message["From"]) == SENDER
    assert str(message["To"]) == "bozena@example.cz"
    assert str(message["Subject"]) == written.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert lines(text.get_content()) == lines(written.text)
    assert lines(html.get_content()) == lines(written.html)
    assert 'src="cid:qr"' in html.get_content()
    assert picture["Content-ID"] == "<qr>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content().startswith(b"\x89PNG")


async def test_the_envelope_names_sender_and_recipient_only(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, draft())
    await send_due(store, settings_for(server), clock)

    (envelope,) = server.envelopes
    assert envelope.mail_from == "ucty@udolni.example"
    assert envelope.rcpt_tos == ["bozena@example.cz"]


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="needs zbarimg, of Debian's zbar-tools")
async def test_a_phone_reads_the_payment_from_the_picture_in_the_mail(
    store: Store, server: MailServer, clock: TestClock, tmp_path: Path
) -> None:
    settings = settings_for(server)
    written = reminder_of_dunning(settings)
    await put(store, written)
    await send_due(store, settings, clock)
    picture = tmp_path / "qr.png"
    picture.write_bytes(next(part.get_content() for part in server.messages[0].walk() if part.get_filename()))
    zbarimg = await asyncio.create_subprocess_exec(
        "zbarimg", "--quiet", "--raw", str(picture), stdout=asyncio.subprocess.PIPE
    )
    read, _ = await zbarimg.communicate()

    assert read.decode().strip() == written.qr_payment
    assert "X-VS:1001" in written.qr_payment
    assert "AM:802.50" in written.qr_payment


async def test_message_id_and_date_are_the_rows_own(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, draft())
    clock.advance(days=1)
    await send_due(store, settings_for(server), clock)

    assert server.message_ids == [(await row(store)).message_id]
    assert server.messages[0]["Date"].datetime == NOW


async def test_a_message_is_the_same_to_the_byte_whenever_it_is_built(store: Store) -> None:
    await put(store, reminder_of_dunning(parse(f"[isp]\n{ISP}")))
    mail = await row(store)

    assert build(mail, sender_of(SENDER)).as_bytes() == build(mail, sender_of(SENDER)).as_bytes()


async def test_nothing_leaves_that_an_old_server_could_not_take(store: Store) -> None:
    await put(store, reminder_of_dunning(parse(f"[isp]\n{ISP}")))
    message = build(await row(store), sender_of(SENDER)).as_bytes()

    assert message.isascii()
    assert max(len(line) for line in message.split(b"\r\n")) <= 998
    assert b"\n" not in message.replace(b"\r\n", b"")


async def test_many_mails_go_over_one_connection(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(12)))
    report = await send_due(store, settings_for(server), clock)

    assert report.sent == 12
    assert server.connections == 1


async def test_without_a_mail_server_mails_stay_and_wait(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, draft())
    report = await send_due(store, settings_for(server, host=""), clock)

    assert report.sent == 0
    assert ((await row(store)).tries, (await row(store)).lease_until) == (0, None)


# ── the server says no ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_refusal_for_now_puts_the_mail_off_and_it_arrives_later(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    server.answers_to_recipient.append("451 greylisted, come back")
    await put(store, draft())
    settings = settings_for(server)
    first = await send_due(store, settings, clock)
    at_once = await send_due(store, settings, clock)
    clock.advance(minutes=2)
    later = await send_due(store, settings, clock)

    assert (first.put_off, at_once.put_off + at_once.sent, later.sent) == (1, 0, 1)
    assert (await row(store)).sent_at == clock.now()


async def test_a_recipient_refused_for_good_is_left_to_a_person(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    server.answers_to_recipient.append("550 no such user")
    await put(store, draft())
    settings = settings_for(server)
    report = await send_due(store, settings, clock)
    clock.advance(days=1)
    again = await send_due(store, settings, clock)
    mail = await row(store)

    assert (report.failed, again.failed + again.sent) == (1, 0)
    assert mail.failed_at == NOW
    assert "550 no such user" in mail.last_error


async def test_a_text_refused_for_good_is_left_to_a_person(store: Store, server: MailServer, clock: TestClock) -> None:
    server.answers_to_data.append("554 looks like spam")
    await put(store, draft())
    report = await send_due(store, settings_for(server), clock)

    assert report.failed == 1
    assert "554 looks like spam" in (await row(store)).last_error


async def test_one_refused_mail_does_not_hold_up_the_others(store: Store, server: MailServer, clock: TestClock) -> None:
    server.answers_to_recipient.extend(["250 yes", "550 no such user", "451 later", "250 yes"])
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(4)))
    report = await send_due(store, settings_for(server), clock)

    assert (report.sent, report.failed, report.put_off) == (2, 1, 1)


async def test_a_refused_sender_ends_the_round_and_costs_no_mail(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    server.answers_to_sender.append("553 you may not send as this")
    await put(store, draft("reminder:1:1:3"), draft("reminder:2:1:3"))
    report = await send_due(store, settings_for(server), clock)

    assert "553" in report.trouble
    assert [mail.failed_at for mail in await rows(store)] == [None, None]
    assert server.envelopes == []


async def test_while_the_server_is_down_nothing_is_used_up(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, replace(draft(), kind="invoice"))
    closed = MailServer(port=1)
    for _ in range(3):
        report = await send_due(store, settings_for(closed), clock)
        assert "127.0.0.1 port 1" in report.trouble
    clock.advance(days=10)
    after = await send_due(store, settings_for(server), clock)

    assert after.sent == 1


async def test_a_host_that_can_be_no_name_is_told_and_ends_nothing(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    await put(store, draft())

    report = await send_due(store, settings_for(server, host="mail..isp.example"), clock)

    assert report.trouble.startswith("mail..isp.example port")


async def test_a_server_that_drops_the_line_after_data_gets_the_mail_once_more_under_the_same_message_id(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    server.answers_to_data.append(DROP)
    await put(store, draft())
    settings = settings_for(server)
    first = await send_due(store, settings, clock)
    clock.advance(minutes=2)
    second = await send_due(store, settings, clock)
    clock.advance(days=1)
    third = await send_due(store, settings, clock)

    assert (first.put_off, second.sent, third.sent) == (1, 1, 0)
    assert len(server.envelopes) == 2
    assert set(server.message_ids) == {(await row(store)).message_id}
    assert server.envelopes[0].original_content == server.envelopes[1].original_content


async def test_after_a_dropped_line_the_round_goes_on_over_a_new_one(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    server.answers_to_data.append(DROP)
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(3)))
    report = await send_due(store, settings_for(server), clock)

    assert (report.put_off, report.sent, report.trouble) == (1, 2, "")
    assert server.connections == 2


async def test_a_server_that_keeps_dropping_ends_the_round(store: Store, server: MailServer, clock: TestClock) -> None:
    server.answers_to_data.extend([DROP] * 5)
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(5)))
    report = await send_due(store, settings_for(server), clock)

    assert report.put_off == 2
    assert report.trouble


async def test_a_server_that_falls_silent_puts_the_mail_off(store: Store, server: MailServer, clock: TestClock) -> None:
    never = asyncio.Event()

    async def silence() -> str:
        await never.wait()
        return "250 too late"

    server.answers_to_data.append(silence)
    await put(store, draft())
    report = await send_due(store, settings_for(server, "").model_copy(), clock)
    never.set()

    assert report.put_off == 1
    assert "connection lost" in (await row(store)).last_error


# ── never twice, never lost ─────────────────────────────────────────────────────────────────────────────────────


async def test_two_workers_never_send_the_same_mail(
    each_store: Store, each_database_url: str, server: MailServer, clock: TestClock
) -> None:
    await put(each_store, *(draft(f"reminder:{n}:1:3") for n in range(40)))
    other = Store.open(each_database_url)
    settings = settings_for(server, "per_minute = 1000")
    one, two = await asyncio.gather(send_due(each_store, settings, clock), send_due(other, settings, clock))
    await other.close()

    assert one.sent + two.sent == 40
    assert len(server.message_ids) == len(set(server.message_ids)) == 40


async def test_a_lease_outlasts_the_patience_with_the_server(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    leases: list[datetime | None] = []
    settings = settings_for(server)
    patience = timedelta(seconds=PATIENCE_FACTOR * settings.mail.timeout_seconds)

    async def look_at_the_lease() -> str:
        leases.append((await row(store)).lease_until)
        return "250 taken"

    server.answers_to_data.append(look_at_the_lease)
    await put(store, draft())
    await send_due(store, settings, clock)

    assert leases == [NOW + patience + timedelta(seconds=LEASE_MARGIN_SECONDS)]
    assert LEASE_MARGIN_SECONDS > 0


async def test_two_workers_keep_to_the_rate_together(
    store: Store, database_url: str, server: MailServer, clock: TestClock
) -> None:
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(40)))
    other = Store.open(database_url)
    settings = settings_for(server, "per_minute = 7")
    one, two = await asyncio.gather(send_due(store, settings, clock), send_due(other, settings, clock))
    await other.close()

    assert one.sent + two.sent == 7


async def test_a_mail_that_was_marked_is_not_sent_again_by_a_restart(
    store: Store, database_url: str, server: MailServer, clock: TestClock
) -> None:
    await put(store, draft())
    await send_due(store, settings_for(server), clock)
    clock.advance(days=1)
    restarted = Store.open(database_url)
    report = await send_due(restarted, settings_for(server), clock)
    await restarted.close()

    assert report.sent == 0
    assert len(server.envelopes) == 1


async def test_who_is_told_to_stop_finishes_the_mail_under_way(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    tasks: list[asyncio.Future[Any]] = []

    async def stop_the_sender_first() -> str:
        tasks[0].cancel()
        await asyncio.sleep(0)
        return "250 taken"

    server.answers_to_data.append(stop_the_sender_first)
    await put(store, draft("reminder:1:1:3"), draft("reminder:2:1:3"))
    tasks.append(asyncio.ensure_future(send_due(store, settings_for(server), clock)))
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]

    assert [mail.sent_at is not None for mail in await rows(store)] == [True, False]
    assert len(server.envelopes) == 1


async def test_a_silent_server_does_not_hold_up_a_stop(
    store: Store, server: MailServer, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer, "STOP_PATIENCE_SECONDS", 0.01)
    tasks: list[asyncio.Future[Any]] = []
    never = asyncio.Event()

    async def stop_the_sender_and_fall_silent() -> str:
        tasks[0].cancel()
        await never.wait()
        return "250 too late"

    server.answers_to_data.append(stop_the_sender_and_fall_silent)
    await put(store, draft())
    patient = settings_for(server).mail.model_copy(update={"timeout_seconds": 120})
    settings = settings_for(server).model_copy(update={"mail": patient})
    tasks.append(asyncio.ensure_future(send_due(store, settings, clock)))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(tasks[0]), timeout=60)
    never.set()

    assert (await row(store)).sent_at is None
    assert (await row(store)).lease_until


STEPS_AND_COPIES = {
    "before the claim": 1,
    "before sending": 1,
    "while the server takes it": 2,
    "before the mark": 2,
    "after the mark": 1,
}


@pytest.mark.parametrize(("step", "copies"), STEPS_AND_COPIES.items())
async def test_a_killed_sender_loses_no_mail_and_doubles_at_most_one_under_its_message_id(
    step: str, copies: int, store: Store, database_url: str, server: MailServer, clock: TestClock, tmp_path: Path
) -> None:
    await put(store, draft("reminder:1:1:3"), draft("reminder:2:1:3"))
    settings = _settings_in_a_file(server, database_url, tmp_path)
    command = [sys.executable, str(Path(__file__).parent / "killed_sender.py"), str(settings), NOW.isoformat(), step]
    sender = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])

    async def kill() -> str:
        sender.kill()
        await sender.wait()
        return "250 nobody hears this"

    if step == "while the server takes it":
        server.answers_to_data.append(kill)
    killed_by = await sender.wait()
    clock.advance(hours=1)
    await send_due(store, load(settings), clock)
    clock.advance(days=1)
    await send_due(store, load(settings), clock)

    first, second = await rows(store)
    assert killed_by == -9
    assert first.sent_at
    assert second.sent_at
    assert sorted(server.message_ids) == sorted([first.message_id] * copies + [second.message_id])


def _settings_in_a_file(server: MailServer, database_url: str, tmp_path: Path) -> Path:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "signing_key").write_text("k" * 40)
    path = tmp_path / "hradlo.toml"
    path.write_text(
        f'[database]\nurl = "{database_url}"\n[secrets]\ndirectory = "{secrets}"\n[enforcement]\ndriver = "dryrun"\n'
        f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nsender = "ucty@udolni.example"\n'
    )
    return path


# ── no wave of mails ────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_more_mails_go_in_a_minute_than_the_setting_says(
    store: Store, server: MailServer, clock: TestClock
) -> None:
    await put(store, *(draft(f"reminder:{n}:1:3") for n in range(5)))
    settings = settings_for(server, "per_minute = 3")
    sent = []
    for _ in range(3):
        sent.append((await send_due(store, settings, clock)).sent)
        clock.advance(seconds=31)

    assert sent == [3, 0, 2]
    assert server.connections == 2


@given(
    gaps_seconds=st.lists(st.floats(0, 40), min_size=1, max_size=120),
    per_minute=st.integers(1, 12),
)
def test_in_no_minute_more_mails_go_than_allowed(gaps_seconds: list[float], per_minute: int) -> None:
    now = NOW
    sent: list[datetime] = []
    for gap in gaps_seconds:
        now += timedelta(seconds=gap)
        if has_room(sent, now, per_minute):
            sent.append(now)

    assert all(sum(at - MINUTE < other <= at for other in sent) <= per_minute for at in sent)


@given(ages_seconds=st.lists(st.floats(-1e6, 1e6), max_size=50), per_minute=st.integers(1, 12))
def test_a_minute_of_rest_always_makes_room_whatever_a_wrong_clock_left(
    ages_seconds: list[float], per_minute: int
) -> None:
    sent = [NOW - timedelta(seconds=age) for age in ages_seconds if not -60 <= age < 60]

    assert has_room(sent, NOW, per_minute)


# ── who may send, and over what ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of `localhost`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    issued = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(issued.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret


def _with_login(server: MailServer, security: str, tmp_path: Path) -> Settings:
    (tmp_path / "smtp_password").write_text(f"{PASSWORD}\n")
    more = f'security = "{security}"\nusername = "ucty"'
    return settings_for(server, more, host="localhost", extra_tables=f'[secrets]\ndirectory = "{tmp_path}"')


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_mail_goes_with_a_login_over_each_kind_of_connection(
    security: str,
    store: Store,
    clock: TestClock,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain, key = certificate
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    await put(store, draft())
    loop = asyncio.get_running_loop()
    async with smtp_server(loop, tls=context, security=security, wants_login=True) as server:
        report = await send_due(store, _with_login(server, security, tmp_path), clock)

    assert report.trouble == ""
    assert report.sent == 1
    assert server.logins == [("ucty", PASSWORD)]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_with_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_mail(
    security: str, store: Store, clock: TestClock, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    await put(store, draft())
    loop = asyncio.get_running_loop()
    async with smtp_server(loop, tls=context, security=security, wants_login=True) as server:
        report = await send_due(store, _with_login(server, security, tmp_path), clock)

    assert "certificate" in report.trouble.lower()
    assert server.logins == []
    assert server.envelopes == []


async def test_a_server_that_offers_no_tls_gets_no_password(store: Store, clock: TestClock, tmp_path: Path) -> None:
    await put(store, draft())
    async with smtp_server(asyncio.get_running_loop(), wants_login=True) as server:
        report = await send_due(store, _with_login(server, "starttls", tmp_path), clock)

    assert report.trouble
    assert server.logins == []


async def test_a_refused_login_is_told_without_the_password(store: Store, clock: TestClock, tmp_path: Path) -> None:
    await put(store, draft())
    async with smtp_server(asyncio.get_running_loop(), wants_login=True) as server:
        server.login_answer = f"535 {PASSWORD} is wrong"
        report = await send_due(store, _with_login(server, "none", tmp_path), clock)

    assert "the login as 'ucty' was refused (535)" in report.trouble
    assert PASSWORD not in report.trouble
    assert (await row(store)).tries == 0


async def test_what_a_server_repeats_of_the_password_is_not_kept(
    store: Store, clock: TestClock, tmp_path: Path
) -> None:
    await put(store, draft())
    async with smtp_server(asyncio.get_running_loop(), wants_login=True) as server:
        server.answers_to_recipient.append(f"550 go away, {PASSWORD}")
        await send_due(store, _with_login(server, "none", tmp_path), clock)

    assert (await row(store)).last_error == "refused: 550 go away, (password)"


# ── nobody slips a command or a header in ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "recipient",
    [
        "a@example.cz\r\nRCPT TO:<victim@example.cz>",
        "a@example.cz, victim@example.cz",
        "a@example.cz> SIZE=1\r\nDATA",
        '"a b"@example.cz',
        "a@[127.0.0.1]",
        "a\x00@example.cz",
        "",
    ],
)
async def test_a_row_with_a_strange_recipient_is_never_sent(
    recipient: str, store: Store, server: MailServer, clock: TestClock
) -> None:
    await put(store, draft(recipient=recipient))
    report = await send_due(store, settings_for(server), clock)

    assert report.failed == 1
    assert server.envelopes == []


async def test_a_subject_with_a_line_end_adds_no_header(store: Store, server: MailServer, clock: TestClock) -> None:
    await put(store, draft())
    async with store.transaction() as session:
        await session.execute(update(Mail).values(subject="Ahoj\r\nBcc: victim@example.cz"))
    report = await send_due(store, settings_for(server), clock)

    assert report.failed == 1
    assert server.envelopes == []


async def test_a_text_that_looks_like_commands_stays_text(store: Store, server: MailServer, clock: TestClock) -> None:
    text = "Konec.\n.\nMAIL FROM:<evil@example.cz>\nRCPT TO:<victim@example.cz>\nDATA\n.\nQUIT\n"
    await put(store, draft(text=text))
    await send_due(store, settings_for(server), clock)

    (message,) = server.messages
    (envelope,) = server.envelopes
    assert lines(next(message.iter_parts()).get_content()) == lines(text)
    assert envelope.rcpt_tos == ["bozena@example.cz"]


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "nobody",
        "x@y",
        "a@example.cz\r\nBcc: victim@example.cz",
        "a@example.cz, b@example.cz",
        "A <a@example.cz> <b@example.cz>",
    ],
)
def test_a_sender_that_is_no_address_is_an_error_that_names_the_setting(sender: str) -> None:
    with pytest.raises(SettingsError, match=r"\[mail\] sender"):
        sender_of(sender)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SENDER, "Údolní síť"),
        ("Síť, s.r.o. <ucty@udolni.example>", "Síť, s.r.o."),
        ('"Síť, s.r.o." <ucty@udolni.example>', "Síť, s.r.o."),
        ("ucty@udolni.example", ""),
        ("Síť\r\nBcc: victim@example.cz <ucty@udolni.example>", "Síť Bcc: victim@example.cz"),
    ],
)
def test_a_sender_keeps_its_name_on_one_line(text: str, name: str) -> None:
    assert sender_of(text) == Address(name, addr_spec="ucty@udolni.example")
