"""The tables of the settings that say where and how lines are restricted; see `settings`."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from config.section import Section
from config.setting_types import MAIN_SITE, Address, Fingerprint, Site, V4Address


class Enforcement(Section):
    """What is done on the network, and where."""

    mode: Literal["enforce", "monitor"] = Field(
        "enforce",
        description="monitor: everything is decided, shown and reported to you, and no line is restricted; for the "
        "first weeks.",
    )
    driver: Literal["nftables", "routeros", "dryrun"] = Field(
        "nftables",
        description="nftables: this gateway, and the routers of [[routeros]] if there are any; routeros: those "
        "alone; dryrun: a network that exists in memory only, for a trial on a desk.",
    )
    site: Site = Field(MAIN_SITE, description="This gateway's name, where there are several; see docs/gateways.md.")
    subscriber_interfaces: tuple[str, ...] = Field((), description="Interfaces behind which subscribers are.")
    resolvers: tuple[Address, ...] = Field((), description="DNS servers that a suspended line may ask.")
    dns_queries_per_second: int = Field(20, ge=1, description="… each source so many at most.")
    garden: tuple[str, ...] = Field(
        (), description="Names and addresses that a suspended line reaches: banks, your portal."
    )
    garden_refresh_seconds: int = Field(300, ge=2, description="How often the names are resolved again.")
    reconcile_seconds: int = Field(60, ge=1, le=3600, description="A full look at everything, at least so often.")


class RouterOs(Section):
    """A MikroTik router that Hradlo enforces on; one such table for each. See docs/mikrotik.md."""

    site: Site = Field(
        description="What you call it; services.csv says which addresses are whose.",
        examples=["north"],
    )
    host: str = Field(min_length=1, description="Its address or name, as its certificate says.", examples=["10.0.0.1"])
    port: int = Field(8729, ge=1, le=65535, description="Where its api-ssl listens.")
    user: str = Field("hradlo", min_length=1, description="Of a group with the policies read, write and api.")
    secret: str = Field(
        "routeros_password", pattern="^[a-z][a-z0-9_]*$", description="The secret that holds its password."
    )
    authority: Path | None = Field(
        None,
        description="PEM certificate of the authority that signed the router's …",
        examples=["/etc/hradlo/routers-ca.pem"],
    )
    fingerprint: Fingerprint = Field(
        "", description="… or SHA-256 of the router's own certificate. One of the two is needed."
    )
    notice_address: V4Address = Field(
        description="This machine, as the router reaches it: redirected requests are sent there.",
        examples=["10.0.0.80"],
    )
    notice_port: int = Field(
        ge=1,
        le=65535,
        description="… at this port, of this router alone: so routers may use the same private addresses.",
        examples=[8101],
    )
    ipv6: bool = Field(True, description="Whether its subscribers have IPv6.")
