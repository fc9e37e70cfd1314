"""RFC 8908: right in every state, over TLS, with the notice pages beside it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from billing.dunning.facts import Stage
from billing.store.engine import Store
from portal.captive_api import state_of
from tests.portal.notice.test_pages import VIEW, VIEWS
from tests.portal.subscribers import (
    ANNA,
    NOBODY,
    NOW,
    Gateway,
    Reply,
    add_subscriber,
    free_port,
    gateway,
    parse_reply,
    settings_in,
)

URL = "https://captive.isp.example/"


@pytest.mark.parametrize(
    ("name", "captive"),
    [
        ("notice", True),
        ("suspended", True),
        ("being opened", True),
        ("acknowledged", False),
        ("reminded", False),
        ("promised", False),
        ("too late", False),
        ("clear", False),
    ],
)
def test_a_device_is_captive_while_the_network_holds_its_line(name: str, captive: bool) -> None:
    state = state_of(VIEWS[name], URL, VIEW_NOW)

    assert state["captive"] is captive
    assert state["user-portal-url"] == URL
    assert ("seconds-remaining" in state) == (name == "acknowledged")


VIEW_NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_seconds_remain_until_the_suspension_while_the_clock_runs() -> None:
    running = replace(VIEW, stage=Stage.ACKNOWLEDGED, line="open", suspend_at=VIEW_NOW + timedelta(hours=1))

    assert state_of(running, URL, VIEW_NOW)["seconds-remaining"] == 3600


def test_an_address_that_is_nobodys_is_not_captive_and_gets_no_data() -> None:
    assert state_of(None, URL, VIEW_NOW) == {"captive": False}


# ── over TLS ────────────────────────────────────────────────────────────────────────────────────────────────────


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, key_path = folder / "captive.pem", folder / "captive.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return pem, key_path


@pytest.fixture
async def captive(store: Store, tmp_path: Path) -> AsyncIterator[tuple[Gateway, int]]:
    await add_subscriber(store, "1001", [ANNA])
    pem, key = make_certificate(tmp_path)
    port, tls_port = free_port(), free_port()
    extra = f"""
        [captive_api]
        listen = ["127.0.0.1:{tls_port}"]
        url = "https://127.0.0.1:{tls_port}"
        certificate = "{pem}"
        key = "{key}"
    """
    async with gateway(store, tmp_path, settings=settings_in(tmp_path, port, extra)) as web:
        yield web, tls_port


async def ask(port: int, folder: Path, text: str, source: str = ANNA) -> Reply:
    context = ssl.create_default_context(cafile=str(folder / "captive.pem"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(source, 0))
    writer.write(text.encode())
    answer = await reader.read()
    writer.close()
    return parse_reply(answer)


async def test_the_api_answers_as_the_standard_says(captive: tuple[Gateway, int], tmp_path: Path) -> None:
    _, port = captive
    for head in ("GET /captive-api HTTP/1.1\r\n", "GET / HTTP/1.1\r\nAccept: application/captive+json\r\n"):
        reply = await ask(port, tmp_path, f"{head}Host: 127.0.0.1:{port}\r\n\r\n")

        assert reply.status == 200
        assert reply.headers["content-type"].startswith("application/captive+json")
        assert "no-store" in reply.headers["cache-control"]
        assert json.loads(reply.body) == {
            "captive": True,
            "user-portal-url": f"https://127.0.0.1:{port}/",
            "can-extend-session": True,
        }


async def test_a_stranger_is_told_nothing(captive: tuple[Gateway, int], tmp_path: Path) -> None:
    reply = await ask(captive[1], tmp_path, "GET /captive-api HTTP/1.1\r\nHost: x\r\n\r\n", NOBODY)

    assert json.loads(reply.body) == {"captive": False}


async def test_who_is_known_at_another_site_only_is_told_nothing(captive: tuple[Gateway, int], tmp_path: Path) -> None:
    await add_subscriber(captive[0].store, "3003", [NOBODY], site="hill")

    api = await ask(captive[1], tmp_path, "GET /captive-api HTTP/1.1\r\nHost: x\r\n\r\n", NOBODY)
    page = await ask(captive[1], tmp_path, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{captive[1]}\r\n\r\n", NOBODY)

    assert json.loads(api.body) == {"captive": False}
    assert "30031" not in page.body


async def test_the_notice_can_be_read_and_acknowledged_over_tls_and_the_api_says_so(
    captive: tuple[Gateway, int], tmp_path: Path
) -> None:
    web, port = captive
    host = f"Host: 127.0.0.1:{port}\r\n"
    page = await ask(port, tmp_path, f"GET / HTTP/1.1\r\n{host}\r\n")
    body = f"token={page.token}"
    form = f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
    origin = f"Origin: https://127.0.0.1:{port}\r\n"
    answer = await ask(port, tmp_path, f"POST /acknowledge HTTP/1.1\r\n{host}{origin}{form}\r\n{body}")
    after = await ask(port, tmp_path, f"GET /captive-api HTTP/1.1\r\n{host}\r\n")
    state = json.loads(after.body)

    assert (answer.status, answer.location) == (303, f"https://127.0.0.1:{port}/")
    assert state["captive"] is False
    assert timedelta(seconds=state["seconds-remaining"]) >= timedelta(days=9)
    assert web.clock.now() == NOW
