"""The garden's names: what is known of them, and what is kept while nothing can be known."""

import socket
from collections.abc import Mapping

import pytest

from daemon import garden as garden_module
from daemon.garden import Garden
from enforcement.state import Address

BANK = Address.parse("192.0.2.7")
OTHER = Address.parse("192.0.2.8")


def answer(monkeypatch: pytest.MonkeyPatch, names: Mapping[str, str]) -> None:
    """From here on the resolver knows these names and no others."""

    class Loop:
        async def getaddrinfo(self, name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
            if name not in names:
                raise socket.gaierror("no such name")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (names[name], 0))]

    monkeypatch.setattr(garden_module.asyncio, "get_running_loop", Loop)


async def test_a_name_becomes_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"bank.example": "192.0.2.7"})
    garden = Garden(["bank.example", "192.0.2.8"])

    assert await garden.refresh()
    assert garden.wanted(frozenset()) == {BANK, OTHER}


async def test_a_name_that_can_not_be_resolved_any_more_keeps_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"bank.example": "192.0.2.7"})
    garden = Garden(["bank.example"])
    await garden.refresh()
    answer(monkeypatch, {})

    assert not await garden.refresh()
    assert garden.wanted(frozenset()) == {BANK}


async def test_a_name_that_moved_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"bank.example": "192.0.2.7"})
    garden = Garden(["bank.example"])
    await garden.refresh()
    answer(monkeypatch, {"bank.example": "192.0.2.8"})

    assert await garden.refresh()
    assert garden.wanted(frozenset([BANK])) == {OTHER}


async def test_after_a_start_without_dns_nothing_is_taken_out_of_the_garden(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {})
    garden = Garden(["bank.example"])
    await garden.refresh()

    assert garden.wanted(frozenset([BANK])) == {BANK}


async def test_once_every_name_is_known_what_else_stands_in_the_garden_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"bank.example": "192.0.2.7"})
    garden = Garden(["bank.example"])
    await garden.refresh()

    assert garden.wanted(frozenset([OTHER])) == {BANK}
