"""`hradlo mikrotik` and what the doctor says of routers, by the real program over TLS."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon.admin import Admin
from tests.routeros.certificates import Authority
from tests.routeros.simulator import PASSWORD, Simulator, running

FILTER, NAT, LISTS = "/ip/firewall/filter", "/ip/firewall/nat", "/ip/firewall/address-list"


@contextmanager
def in_a_thread(simulated: Simulator, authority: Authority) -> Iterator[Simulator]:
    """Serves it while the program has the test's own thread."""
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with running(simulated, tls=authority.context()):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield simulated
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def router(authority: Authority) -> Iterator[Simulator]:
    with in_a_thread(Simulator(), authority) as simulated:
        simulated.add(FILTER, chain="forward", action="fasttrack-connection", connection_state="established,related")
        simulated.add(FILTER, chain="forward", action="accept", connection_state="established,related")
        simulated.add(NAT, chain="srcnat", action="masquerade", out_interface="ether1")
        yield simulated


@pytest.fixture
def admin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], router: Simulator
) -> Admin:
    """With a configuration for that router."""
    someone = Admin(tmp_path, monkeypatch, capsys)
    assert someone.run("init", "--data", str(tmp_path), "--dryrun").code == 0
    text = someone.config.read_text().replace('driver = "dryrun"', 'driver = "routeros"')
    someone.config.write_text(
        f"""{text}
[[routeros]]
site = "north"
host = "127.0.0.1"
port = {router.tls_port}
authority = "{tmp_path / "ca.pem"}"
notice_address = "192.0.2.80"
notice_port = 8101
"""
    )
    (tmp_path / "etc" / "secrets" / "routeros_password").write_text(PASSWORD + "\n")
    return someone


def test_a_dry_run_prints_what_would_be_typed_and_writes_nothing(admin: Admin, router: Simulator) -> None:
    ran = admin.run("mikrotik", "setup", "north", "--dry-run")

    assert ran.code == 0, ran.err
    assert '/ip firewall address-list add list=hradlo-allowed address=192.0.2.80 comment="hradlo:v1:base"' in ran.out
    assert "/ip firewall filter add chain=forward action=jump jump-target=hradlo-out" in ran.out
    assert "place-before=*" in ran.out
    assert "ok FastTrack: in use" in ran.out
    assert router.writes == []


def test_a_set_up_installs_and_a_second_one_has_nothing_to_do(admin: Admin, router: Simulator) -> None:
    first, second = admin.run("mikrotik", "setup", "north"), admin.run("mikrotik", "setup", "north")

    assert "ok rules: complete, in force and in their places" in first.out
    assert second.out.startswith("Nothing is missing.")
    assert len(router.tables[FILTER].find(comment="hradlo:v1:jump-out")) == 1


def test_a_removal_leaves_what_was_there_before(admin: Admin, router: Simulator) -> None:
    before = router.foreign()
    admin.run("mikrotik", "setup", "north")
    ran = admin.run("mikrotik", "remove", "north")

    assert ran.code == 0, ran.err
    assert router.foreign() == before
    assert not [row for table in router.tables.values() for row in table if "hradlo:" in row.values.get("comment", "")]
    assert admin.run("mikrotik", "remove", "north").out.startswith("Nothing of Hradlo's is there.")


def test_an_unknown_site_is_answered_with_those_that_there_are(admin: Admin) -> None:
    ran = admin.run("mikrotik", "setup", "south")

    assert (ran.code, ran.out) == (1, "")
    assert "no router with the site south. In [[routeros]] there are: north." in ran.err


def test_a_wrong_password_is_told_without_telling_it(admin: Admin) -> None:
    (admin.folder / "etc" / "secrets" / "routeros_password").write_text("open sesame\n")
    ran = admin.run("mikrotik", "setup", "north")

    assert ran.code == 1
    assert "Router north is not reached: it refused the login: invalid user name or password (6)." in ran.err
    assert "sesame" not in ran.out + ran.err


def test_the_doctor_says_in_words_what_is_wrong_with_a_router(admin: Admin, router: Simulator) -> None:
    admin.run("mikrotik", "setup", "north")
    router.add("/ip/address", address="10.1.0.1/16", interface="bridge")
    router.add(LISTS, list="hradlo-notice", address="10.1.0.5", comment="hradlo:v1:line")
    router.add(LISTS, list="hradlo-allowed", address="198.51.100.1")
    filters = router.tables[FILTER]
    filters.remove(filters.find(comment="hradlo:v1:out-drop")[0])
    filters.appear(
        {"chain": "forward", "action": "jump", "jump-target": "hs-auth", "comment": "hotspot"}, "hotspot", is_first=True
    )
    filters.appear({"chain": "hs-auth", "action": "accept"}, "hotspot")
    admin.config.write_text(admin.config.read_text().replace("192.0.2.80", "10.1.0.80"))
    ran = admin.run("doctor", "--json")
    found = {one["what"]: one for one in ran.json if one["what"].startswith("router north")}

    assert found["router north: reached"]["found"].startswith("gateway (RB5009UG+S+, RouterOS 7.18")
    assert "commands would mend them" in found["router north: rules"]["found"]
    assert "'hotspot' lets traffic through above ours" in found["router north: order"]["found"]
    assert "10.1.0.80 is in the subscribers' own network 10.1.0.0/16" in found["router north: notice server"]["found"]
    assert "1 in notice, 0 suspended, 1 allowed; 1 that are not Hradlo's" in found["router north: lists"]["found"]
    assert [one["is_good"] for one in found.values()].count(False) == 3


def test_the_doctor_goes_on_when_a_router_is_not_there(admin: Admin, router: Simulator) -> None:
    admin.config.write_text(admin.config.read_text().replace(str(router.tls_port), "1"))
    ran = admin.run("doctor", "--json")
    found = {one["what"]: one["found"] for one in ran.json}

    assert "Connection refused" in found["driver routeros, site north"]
    assert "mail" in found
