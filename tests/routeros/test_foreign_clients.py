"""The simulator before clients that we did not write: what they all understand, it can hardly have made up."""

import asyncio
import json
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librouteros
import librouteros.query
import pytest
import routeros_api
from librouteros.exceptions import FatalError, MultiTrapError, TrapError
from librouteros.login import plain, token
from routeros_api.exceptions import RouterOsApiCommunicationError

from tests.routeros import faults
from tests.routeros.certificates import Authority
from tests.routeros.simulator import PASSWORD, USER, Simulator, running

LIST = "/ip/firewall/address-list"
MANY = 20_000
MANY_FOR_NODE = 4_500
LONG_WORD = "x" * 70_000
NODE_CLIENT = Path(__file__).with_name("node_client.js")
NODE_PATIENCE_SECONDS = 60


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def filled(router: Simulator, count: int) -> None:
    for number in range(count):
        router.add(LIST, list="many", address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")


# routeros-api: tags, plain and md5 login, TLS


def opened_pool(router: Simulator, **options: Any) -> routeros_api.RouterOsApiPool:
    options = {"port": router.port, "plaintext_login": True, **options}
    return routeros_api.RouterOsApiPool("127.0.0.1", USER, options.pop("password", PASSWORD), **options)


async def with_routeros_api(router: Simulator, work: Callable[[Any], Any], **options: Any) -> Any:
    """Logs in, does it in a thread, and hangs up."""

    def run() -> Any:
        pool = opened_pool(router, **options)
        try:
            api = pool.get_api()
            pool.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return work(api)
        finally:
            pool.socket.close()

    return await asyncio.to_thread(run)


def life_of_an_entry(api: Any) -> tuple[list[dict[str, str]], list[bytes]]:
    """Adds, asks, changes, removes; returns what was seen in between and the errors."""
    entries = api.get_resource(LIST)
    added = entries.add(list="a", address="192.0.2.1", comment="hradlo:1").done_message["ret"]
    entries.set(id=added, list="b")
    seen = entries.get(list="b")
    errors = []
    for wrong in (
        lambda: entries.add(list="b", address="192.0.2.1"),
        lambda: entries.remove(id="*FFFF"),
        lambda: entries.add(list="b", address="192.0.2.2", colour="red"),
    ):
        with pytest.raises(RouterOsApiCommunicationError) as caught:
            wrong()
        errors.append(caught.value.original_message)
    entries.remove(id=added)
    return [*seen, *entries.get(list="b")], errors


@pytest.mark.parametrize("profile", ["6.42", "6.49", "7.12", "7.18", "7.22"])
async def test_routeros_api_adds_asks_changes_removes_and_sees_the_errors(profile: str) -> None:
    async with running(Simulator(profile=profile)) as router:
        seen, errors = await with_routeros_api(router, life_of_an_entry)

    [row] = seen
    assert (row["id"], row["list"], row["address"], row["comment"]) == ("*1", "b", "192.0.2.1", "hradlo:1")
    assert errors == [b"failure: already have such entry", b"no such item", b"unknown parameter colour"]


async def test_routeros_api_logs_in_with_md5_at_an_old_router() -> None:
    async with running(Simulator(profile="6.42")) as router:
        rows = await with_routeros_api(
            router, lambda api: api.get_resource("/system/identity").get(), plaintext_login=False
        )

    assert rows[0]["name"] == "gateway"


async def test_routeros_api_is_told_that_its_password_is_wrong() -> None:
    async with running(Simulator()) as router:
        with pytest.raises(RouterOsApiCommunicationError) as caught:
            await with_routeros_api(router, lambda api: None, password="wrong")

    assert caught.value.original_message == b"invalid user name or password (6)"


async def test_routeros_api_reads_a_long_list_while_it_pipelines() -> None:
    def work(api: Any) -> tuple[int, int]:
        entries = api.get_resource(LIST)
        promises = [entries.call_async("add", {"list": "few", "address": f"192.0.2.{last}"}) for last in range(16)]
        rows = entries.get_async(list="many")
        return len(rows.get()), len([promise.get() for promise in reversed(promises)])

    async with running(Simulator()) as router:
        filled(router, MANY)
        router.faults.shuffles_answers = True
        assert await with_routeros_api(router, work) == (MANY, 16)


async def test_routeros_api_sends_and_reads_a_word_of_70_kilobytes() -> None:
    def work(api: Any) -> str:
        entries = api.get_resource(LIST)
        entries.add(list="a", address="192.0.2.1", comment=LONG_WORD)
        return str(entries.get()[0]["comment"])

    async with running(Simulator()) as router:
        assert await with_routeros_api(router, work) == LONG_WORD


async def test_routeros_api_survives_two_traps_and_a_command_halfway_done() -> None:
    def work(api: Any) -> list[bytes]:
        entries, errors = api.get_resource(LIST), []
        for _ in range(2):
            with pytest.raises(RouterOsApiCommunicationError) as caught:
                entries.remove(id="*1,*2")
            errors.append(caught.value.original_message)
        return errors

    async with running(Simulator()) as router:
        filled(router, 2)
        router.faults.inject(faults.TwoTraps("failure: busy"), on="/remove")
        router.faults.inject(faults.Halfway(), on="/remove", skip=0)
        assert await with_routeros_api(router, work) == [b"failure: busy", b"no such item"]


async def test_routeros_api_comes_in_by_tls_when_the_certificate_is_good(authority: Authority) -> None:
    context = ssl.create_default_context(cafile=authority.ca_file)
    async with running(Simulator(), tls=authority.context("good")) as router:
        options = {"port": router.tls_port, "use_ssl": True, "ssl_context": context}
        seen, _ = await with_routeros_api(router, life_of_an_entry, **options)

    assert seen[0]["address"] == "192.0.2.1"


@pytest.mark.parametrize("kind", ["expired", "wrong-name", "unknown-ca", "none"])
async def test_a_client_that_checks_refuses_a_bad_certificate(authority: Authority, kind: str) -> None:
    context = ssl.create_default_context(cafile=authority.ca_file)
    async with running(Simulator(), tls=authority.context(kind)) as router:
        options = {"port": router.tls_port, "use_ssl": True, "ssl_context": context}
        with pytest.raises(ssl.SSLError):
            await with_routeros_api(router, lambda api: None, **options)

    assert router.commands == []


# librouteros: no tags, ASCII, its own casting


async def with_librouteros(router: Simulator, work: Callable[[Any], Any], **options: Any) -> Any:
    def run() -> Any:
        options.setdefault("password", PASSWORD)
        api = librouteros.connect("127.0.0.1", USER, port=router.port, **options)
        try:
            return work(api)
        finally:
            api.close()

    return await asyncio.to_thread(run)


def life_by_librouteros(api: Any) -> tuple[list[dict[str, Any]], list[str]]:
    entries = api.path(*LIST.strip("/").split("/"))
    added = entries.add(list="a", address="192.0.2.1", disabled=True)
    entries.update(**{".id": added, "list": "b", "disabled": False})
    address, list_name = librouteros.query.Key("address"), librouteros.query.Key("list")
    seen = list(entries.select(address, list_name).where(list_name == "b"))
    errors = []
    for wrong in (lambda: entries.add(list="b", address="192.0.2.1"), lambda: entries.remove("*FFFF")):
        with pytest.raises(TrapError) as caught:
            wrong()
        errors.append(caught.value.message)
    entries.remove(added)
    return [*seen, *entries], errors


@pytest.mark.parametrize(("profile", "method"), [("6.42", token), ("6.42", plain), ("6.49", plain), ("7.22", plain)])
async def test_librouteros_adds_asks_changes_removes_and_sees_the_errors(profile: str, method: Any) -> None:
    async with running(Simulator(profile=profile)) as router:
        seen, errors = await with_librouteros(router, life_by_librouteros, login_method=method)

    assert seen == [{"address": "192.0.2.1", "list": "b"}]
    assert errors == ["failure: already have such entry", "no such item"]


async def test_librouteros_reads_a_long_list_and_a_word_of_70_kilobytes() -> None:
    def work(api: Any) -> tuple[int, str]:
        entries = api.path(*LIST.strip("/").split("/"))
        entries.add(list="long", address="192.0.2.1", comment=LONG_WORD)
        rows = list(entries)
        return len(rows), rows[-1]["comment"]

    async with running(Simulator()) as router:
        filled(router, MANY)
        assert await with_librouteros(router, work) == (MANY + 1, LONG_WORD)


async def test_librouteros_sees_both_traps_and_a_fatal_word() -> None:
    def work(api: Any) -> str:
        with pytest.raises(MultiTrapError) as caught:
            tuple(api("/system/identity/print"))
        with pytest.raises(FatalError, match="session terminated on request"):
            tuple(api("/quit"))
        return str(caught.value)

    async with running(Simulator()) as router:
        router.faults.inject(faults.TwoTraps("failure: busy"), on="/print")
        assert await with_librouteros(router, work) == "interrupted, failure: busy"


async def test_librouteros_combines_queries() -> None:
    def work(api: Any) -> list[str]:
        key = librouteros.query.Key
        entries = api.path(*LIST.strip("/").split("/"))
        either = librouteros.query.Or(key("address") == "10.0.0.1", key("address") == "10.0.0.2")
        found = entries.select(key("address")).where(either, key("list") != "other")
        return [row["address"] for row in found]

    async with running(Simulator()) as router:
        filled(router, 5)
        assert await with_librouteros(router, work) == ["10.0.0.1", "10.0.0.2"]


async def test_librouteros_speaks_asynchronously() -> None:
    async with running(Simulator()) as router:
        filled(router, MANY)
        api = await librouteros.async_connect("127.0.0.1", USER, PASSWORD, port=router.port, timeout=30)
        entries = api.path(*LIST.strip("/").split("/"))
        added = await entries.add(list="a", address="192.0.2.1")
        rows = [row async for row in entries]
        await entries.update(**{".id": added, "list": "b"})
        with pytest.raises(TrapError, match="no such item"):
            await entries.remove("*FFFFFF")
        await entries.remove(added)
        await api.close()

        assert len(rows) == MANY + 1
        assert len(router.address_list) == MANY


# node-routeros: another language; throws on `!empty`, so before 7.18 only


@pytest.fixture
def node() -> str:
    program = shutil.which("node")
    if program is None or not (NODE_CLIENT.parents[1] / "node_modules" / "node-routeros").exists():
        pytest.skip("node-routeros is missing: apt-get install npm, then make test")
    return program


async def with_node(node: str, router: Simulator) -> dict[str, Any]:
    """What the little program saw."""
    asked = [str(router.port), USER, PASSWORD]
    process = await asyncio.create_subprocess_exec(
        node, str(NODE_CLIENT), *asked, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(NODE_PATIENCE_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    seen: dict[str, Any] = json.loads(said)
    return seen


@pytest.mark.parametrize("profile", ["6.42", "6.49", "7.12"])
async def test_node_routeros_adds_asks_changes_removes_and_sees_the_errors(node: str, profile: str) -> None:
    async with running(Simulator(profile=profile)) as router:
        filled(router, MANY_FOR_NODE)
        seen = await with_node(node, router)

    assert seen["many"] == MANY_FOR_NODE
    assert seen["changed"] == [{"address": "192.0.2.1", "list": "b"}]
    assert seen["errors"] == ["failure: already have such entry", "no such item", "unknown parameter colour"]
    assert seen["parallel"] == ["gateway"] * 10
    assert router.address_list.addresses("b") == []
