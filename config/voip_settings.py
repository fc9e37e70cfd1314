"""The table [voip] of the settings; see `settings`."""

from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field

from config.section import Section
from config.setting_types import Address, Endpoint

Coupon = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]


class Voip(Section):
    """Telephone numbers with prepaid credit (docs/voip.md). Prices of calls are not here but in decks."""

    url: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+/?)?$",
        description="The VoIP zone: a host name of its own on the sockets of [portal], for example "
        "https://voip.isp.example. Off without.",
    )
    coupons: tuple[Coupon, ...] = Field(
        (Decimal(100), Decimal(200), Decimal(300), Decimal(500), Decimal(1000)),
        min_length=1,
        description="Credit is topped up by one of these amounts, with VAT, in units of `isp.currency`.",
    )
    monthly_cap: Decimal = Field(
        Decimal("1000.00"),
        ge=0,
        max_digits=12,
        decimal_places=2,
        description="A number tops up by itself at most so much in a calendar month; `hradlo voip allow` raises it.",
    )
    hold_minutes: int = Field(
        60, ge=1, le=1440, description="A call reserves credit for so many minutes at most, and is cut after them."
    )
    tick_seconds: int = Field(
        2, ge=0, le=30, description="Your exchange cuts a call up to so many seconds late; holds cover them."
    )
    hold_grace_minutes: int = Field(
        30, ge=1, le=1440, description="A hold without a call record is freed so long after the call must have ended."
    )
    low_credit: Decimal = Field(
        Decimal("20.00"),
        ge=0,
        max_digits=12,
        decimal_places=2,
        description="A mail says so when credit falls below it, once each time; 0 = never.",
    )
    mails_statement: bool = Field(True, description="Send each month's calls by mail, to who made any.")
    exchange_listen: tuple[Endpoint, ...] = Field(
        (),
        description="Sockets where your exchange asks whether a call may begin and sends call records, for example "
        "127.0.0.1:8091. Then the secret voip_token is needed. Off without.",
    )
    exchange_addresses: tuple[Address, ...] = Field(
        (ip_address("127.0.0.1"), ip_address("::1")), description="Who is answered there: your exchanges, nobody else."
    )
    calls_folder: Path | None = Field(
        None,
        description="Files of call records dropped here are imported by themselves, and moved away.",
        examples=["/var/lib/hradlo/calls"],
    )
    calls_files: tuple[str, ...] = Field(
        (),
        description="Files that your exchange appends call records to; read on as they grow, never touched. * stands "
        "for any part of a name: /var/log/asterisk/cdr-csv/Master.csv, /var/spool/kamailio/hradlo_*.log",
    )
    calls_seconds: int = Field(10, ge=1, le=3600, description="How often the folder and the files are looked at.")

    @property
    def coupons_minor(self) -> tuple[int, ...]:
        """`coupons` in minor units, exactly."""
        return tuple(int(coupon * 100) for coupon in self.coupons)

    @property
    def monthly_cap_minor(self) -> int:
        """`monthly_cap` in minor units, exactly."""
        return int(self.monthly_cap * 100)

    @property
    def low_credit_minor(self) -> int:
        """`low_credit` in minor units, exactly."""
        return int(self.low_credit * 100)
