"""Starting and stopping the web role."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from billing.store.engine import Store
from config.clock import TestClock
from config.errors import HradloError
from portal.server import serve
from tests.portal.subscribers import ANNA, NOW, add_subscriber, free_port, gateway, settings_in
from tests.portal.test_captive_api import make_certificate


async def test_sockets_that_were_passed_in_are_served_instead_of_those_of_the_settings(
    store: Store, tmp_path: Path
) -> None:
    passed = socket.create_server(("127.0.0.1", 0))
    port = passed.getsockname()[1]
    async with serve(settings_in(tmp_path, free_port()), store, TestClock(NOW), lambda: None, [passed]) as serving:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

        assert serving.addresses == (("127.0.0.1", port),)


async def test_two_servers_may_listen_side_by_side(store: Store, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, free_port())
    async with (
        serve(settings, store, TestClock(NOW), lambda: None) as one,
        serve(settings, store, TestClock(NOW), lambda: None) as other,
    ):
        assert one.addresses == other.addresses


async def test_an_address_that_is_taken_is_named_with_the_remedy(store: Store, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HradloError, match=rf"127\.0\.0\.1:{port}.*\[notice\] listen"):
            async with serve(settings_in(tmp_path, port), store, TestClock(NOW), lambda: None):
                pass


async def test_at_the_end_connections_without_a_request_are_closed_at_once(store: Store, tmp_path: Path) -> None:
    await add_subscriber(store, "1001", [ANNA])
    async with gateway(store, tmp_path) as web:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET / HTTP/1.1\r\n")
        await web.ask()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


async def test_the_portal_stands_behind_its_own_certificate_and_speaks_no_plain_http(
    store: Store, tmp_path: Path
) -> None:
    pem, key = make_certificate(tmp_path)
    port, portal = free_port(), free_port()
    own = f'[portal]\nlisten = ["127.0.0.1:{portal}"]\ncertificate = "{pem}"\nkey = "{key}"'
    tls = ssl.create_default_context(cafile=str(pem))
    async with (
        serve(settings_in(tmp_path, port, own), store, TestClock(NOW), lambda: None),
        ClientSession() as browser,
    ):
        answer = await browser.get(f"https://127.0.0.1:{portal}/login", ssl=tls)
        page = await answer.text()
        with pytest.raises(ClientError):
            await browser.get(f"http://127.0.0.1:{portal}/login")

    assert 'name="password"' in page
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_the_portal_refuses_old_tls(store: Store, tmp_path: Path, version: ssl.TLSVersion) -> None:
    pem, key = make_certificate(tmp_path)
    port, portal = free_port(), free_port()
    own = f'[portal]\nlisten = ["127.0.0.1:{portal}"]\ncertificate = "{pem}"\nkey = "{key}"'
    old = ssl.create_default_context(cafile=str(pem))
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with (
        serve(settings_in(tmp_path, port, own), store, TestClock(NOW), lambda: None),
        ClientSession() as browser,
    ):
        with pytest.raises(ClientError):
            await browser.get(f"https://127.0.0.1:{portal}/login", ssl=old)


async def test_a_certificate_that_is_none_is_named_with_its_section(store: Store, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    port, portal = free_port(), free_port()
    own = f'[portal]\nlisten = ["127.0.0.1:{portal}"]\ncertificate = "{tmp_path}/none.pem"\nkey = "{tmp_path}/none.pem"'

    with pytest.raises(HradloError, match=r"none\.pem.*\[portal\]"):
        async with serve(settings_in(tmp_path, port, own), store, TestClock(NOW), lambda: None):
            pass
