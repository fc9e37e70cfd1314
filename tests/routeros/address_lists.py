"""Address lists: what is stored for what was given, what is refused, what times out (manual, "Address lists")."""

import heapq
import ipaddress
from contextlib import suppress
from datetime import datetime

from tests.routeros.durations import LONGEST, instant_text, parse_duration
from tests.routeros.menus import Menu
from tests.routeros.refusal import Refused, already_there
from tests.routeros.tables import Arguments, Row, Table, World


def normalised(text: str, version: int) -> str | None:
    """How the router stores an address of that IP version; None when it takes the text for a DNS name."""
    with suppress(ValueError):
        network = ipaddress.ip_network(text, strict=False)
        if network.version != version:
            return None
        is_bare_host = version == 4 and network.prefixlen == 32
        return str(network.network_address) if is_bare_host else str(network)
    return _normalised_range(text) if version == 4 else None


def _normalised_range(text: str) -> str | None:
    """A range that equals a prefix becomes it."""
    first_text, dash, last_text = text.partition("-")
    try:
        first, last = ipaddress.IPv4Address(first_text), ipaddress.IPv4Address(last_text)
        networks = list(ipaddress.summarize_address_range(first, last))
    except ValueError:
        return None
    if len(networks) != 1:
        return f"{first}{dash}{last}"
    return normalised(str(networks[0]), 4)


class AddressListTable(Table):
    """`/ip/firewall/address-list` or `/ipv6/firewall/address-list`."""

    def __init__(self, path: str, menu: Menu, world: World) -> None:
        super().__init__(path, menu, world)
        self.version = 6 if path.startswith("/ipv6") else 4
        self._taken: dict[tuple[str, str], Row] = {}
        self._expiring: list[tuple[datetime, int, Row]] = []

    def add(self, arguments: Arguments) -> Row:
        if not arguments.get("address") and "copy-from" not in arguments:
            raise Refused("missing =address=", 1)
        return super().add(arguments)

    def at(self, list_name: str, address: str) -> Row | None:
        """For tests: the entry of that list, or None."""
        return self._taken.get((list_name, address))

    def addresses(self, list_name: str) -> list[str]:
        """For tests: what is in a list, in the router's order."""
        return [row.values["address"] for row in self if row.values["list"] == list_name]

    def appear(self, values: Arguments, owner: str, *, is_first: bool = False) -> Row:
        """A dynamic entry; one that is there already stays."""
        standing = self._taken.get((values["list"], values["address"]))
        if standing is not None:
            return standing
        made = {"creation-time": self._now_text(), "disabled": "false", **values}
        return super().appear(made, owner, is_first=is_first)

    def delete(self, row: Row) -> None:
        del self._taken[_key(row)]
        super().delete(row)
        self._forget_children(row)

    def expire(self, now: datetime) -> None:
        while self._expiring and self._expiring[0][0] <= now:
            _, _, row = heapq.heappop(self._expiring)
            is_still_there = self._rows.get(row.id) is row
            if is_still_there and row.expires_at is not None and row.expires_at <= now:
                self.delete(row)

    def reboot(self) -> None:
        super().reboot()
        self._taken = {_key(row): row for row in self}
        self._expiring = []
        for row in self:
            self._resolve(row)

    def _new_row(self, values: Arguments) -> Row:
        given = dict(values)
        timeout = given.pop("timeout", "")
        is_dynamic = given.pop("dynamic", "false") == "true" or bool(timeout)
        if (given["list"], given["address"]) in self._taken:
            raise already_there()
        common = {"list": given.pop("list"), "address": given.pop("address"), "creation-time": self._now_text()}
        flags = {"dynamic": "true" if is_dynamic else "false", "disabled": given.pop("disabled", "false")}
        row = super()._new_row({**common, **flags, **given})
        self._let_expire(row, timeout)
        return row

    def _insert(self, row: Row, before: Row | None) -> Row:
        self._taken[_key(row)] = row
        super()._insert(row, before)
        self._resolve(row)
        return row

    def _apply(self, row: Row, values: Arguments) -> None:
        given = dict(values)
        key = (given.get("list") or row.values["list"], given.get("address") or row.values["address"])
        if self._taken.get(key, row) is not row:
            raise already_there()
        timeout = given.pop("timeout", "")
        given.pop("dynamic", "")  # a static entry stays static, a dynamic one dynamic
        del self._taken[_key(row)]
        self._forget_children(row)
        super()._apply(row, given)
        self._taken[_key(row)] = row
        if timeout:
            row.values["dynamic"] = "true"
            self._let_expire(row, timeout)
        self._resolve(row)

    def _value(self, name: str, value: str) -> str:
        if name == "address":
            return normalised(value, self.version) or value
        if name == "timeout" and value:
            if parse_duration(value) > LONGEST:
                raise Refused("value of timeout out of range (0..35w3d13h13m56s)", 1)
            return value
        if name == "list" and not value:
            raise Refused("invalid value for argument list", 1)
        return super()._value(name, value)

    def _let_expire(self, row: Row, timeout: str) -> None:
        if timeout:
            row.expires_at = self.world.clock.now() + parse_duration(timeout)
            heapq.heappush(self._expiring, (row.expires_at, row.serial, row))

    def _resolve(self, row: Row) -> None:
        """An entry that is no address is a name: its addresses appear as dynamic entries beside it."""
        address = row.values["address"]
        if row.owner or normalised(address, self.version) is not None:
            return
        for resolved in self.world.names.get(address, []):
            if (stored := normalised(resolved, self.version)) is not None:
                self.appear({"list": row.values["list"], "address": stored, "comment": address}, "dns")

    def _forget_children(self, row: Row) -> None:
        name = row.values["address"]
        if row.owner or normalised(name, self.version) is not None:
            return
        for child in self.find(list=row.values["list"], comment=name):
            if child.owner == "dns":
                self.delete(child)

    def _now_text(self) -> str:
        return instant_text(self.world.clock.now(), is_iso=self.world.profile.has_iso_dates)


def _key(row: Row) -> tuple[str, str]:
    return row.values["list"], row.values["address"]
