"""The settings: every one typed, with its unit in its name, a default and a help text.

`load` reads `hradlo.toml`, and an error lists *every* problem with its place. The commented example
`config/hradlo.toml` is rendered from these classes by `config.example` and held equal to them by a test.
Secrets never stand in the file: each is a file of its own, see `Settings.secret`.
"""

import json
import os
import tomllib
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from config import demands
from config.bank_settings import Fio, Payments
from config.brake_settings import Brake
from config.errors import Problem, SettingsError
from config.network_settings import Enforcement, RouterOs
from config.section import Section
from config.setting_types import Address, Endpoint, Iban, TimeZone, Url, VatRate, Weekday
from config.validation import problems_of
from config.voip_settings import Voip

SIGNING_KEY_BYTES_MIN = 32
_OWN_SECRETS = ("signing_key", "voip_token")
"""Made by who runs Hradlo, who might choose a short one."""


class Isp(Section):
    """Who you are: what subscribers read on the notice and in mails."""

    name: str = Field("My ISP", min_length=1, max_length=80, description="The name that subscribers know you by.")
    country: str = Field("CZ", pattern="^[A-Z]{2}$", description="ISO code; whose public holidays count.")
    currency: str = Field("CZK", pattern="^[A-Z]{3}$", description="ISO code of the one currency of all amounts.")
    timezone: TimeZone = Field("Europe/Prague", description="Days and hours are meant in this zone.")
    language: Literal["cs", "en"] = Field("cs", description="Used where a person's own language is not known.")
    phone: str = Field("", description="Where a subscriber can call; shown on the notice.")
    email: str = Field("", description="Where a subscriber can write; shown on the notice.")
    portal_url: str = Field("", description="The customer portal, if there is one; linked from the notice.")
    iban: Iban = Field("", description="The account that subscribers pay to; empty hides the QR code.")
    bic: str = Field("", pattern="^([A-Z0-9]{8}([A-Z0-9]{3})?)?$", description="Its bank, for invoices.")
    street: str = Field("", description="Your address, as invoices show it.")
    city: str = Field("", description="Your address.")
    postal_code: str = Field("", description="Your address.")
    company_id: str = Field("", description="Your company number (IČO).")
    vat_id: str = Field("", description="Your VAT number (DIČ).")
    register_note: str = Field("", description="Where you are registered, as the law wants it on invoices.")


class Database(Section):
    """Where everything is remembered."""

    url: str = Field(
        "sqlite:////var/lib/hradlo/hradlo.db",
        pattern="^(sqlite|postgresql)://",
        description="sqlite:///PATH, or postgresql://USER@HOST/NAME (several gateways; the secret database_password).",
    )


class Secrets(Section):
    """Secrets are files, one each, readable by Hradlo's user only; under systemd, credentials."""

    directory: Path = Field(
        Path("/etc/hradlo/secrets"),
        description="Holds signing_key (made by `hradlo init`), smtp_password, database_password, fio_token, "
        "voip_token and routeros_password. LoadCredential wins over it.",
    )


class Dunning(Section):
    """From an overdue invoice to a suspended line. Days are counted in the ISP's time zone."""

    reminder_days: tuple[Annotated[int, Field(ge=1, le=365)], ...] = Field(
        (3, 10),
        description="E-mail reminders so many days after the due date of the oldest overdue invoice, "
        "all of them before notice_days.",
    )
    notice_days: int = Field(14, ge=1, le=365, description="The notice appears so many days after the due date.")
    minimum_debt: Decimal = Field(
        Decimal("100.00"),
        ge=0,
        max_digits=12,
        decimal_places=2,
        description="No notice and no suspension below this debt, in units of `isp.currency`.",
    )
    grace_days: int = Field(10, ge=1, le=365, description="From the acknowledgement to the suspension.")
    notice_mail_days: int = Field(
        3, ge=0, le=365, description="A notice not acknowledged for so many days is sent by e-mail, too."
    )
    suspend_unacknowledged_days: int = Field(
        0, ge=0, le=365, description="Suspend so many days after that e-mail without any acknowledgement; 0 = never."
    )
    day_starts_at: time = Field(time(8, 0), description="Reminders and notices begin at this hour, not at midnight.")
    quiet_from: time = Field(time(16, 0), description="Nobody is suspended from this hour …")
    quiet_until: time = Field(time(8, 0), description="… until this hour.")
    suspend_weekdays: tuple[Weekday, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri"), min_length=1, description="Days on which a suspension may begin."
    )
    spares_holidays: bool = Field(True, description="Nobody is suspended on a public holiday of `isp.country`.")

    @property
    def minimum_debt_minor(self) -> int:
        """`minimum_debt` in minor units, exactly."""
        return int(self.minimum_debt * 100)


class Notice(Section):
    """The plain-HTTP server that shows the notice. Who asks is known by the source address alone."""

    url: Url = Field("http://10.0.0.1:8080", description="Where the notice lives; every redirect leads here.")
    listen: tuple[Endpoint, ...] = Field(
        ("0.0.0.0:8080", "[::]:8080"), min_length=1, description="Sockets; ignored when systemd passes them in."
    )
    addresses: tuple[Address, ...] = Field(
        (),
        description="The gateway's own addresses (at most one IPv4 and one IPv6) that redirected requests are sent "
        "to; needed by the nftables driver.",
    )
    port: int = Field(8080, ge=1, le=65535, description="The port that redirected requests are sent to.")
    acknowledge_minutes: int = Field(60, ge=1, le=1440, description="A page older than this must be read again.")
    headers_timeout_seconds: int = Field(5, ge=1, le=10, description="A request not complete by then is closed.")
    connections_per_address: int = Field(20, ge=2, description="Open connections from one address.")
    requests_per_minute: int = Field(120, ge=10, description="Requests from one address, with bursts of a quarter.")


class CaptiveApi(Section):
    """RFC 8908: devices that learned the address by DHCP option 114 ask here. Off without a certificate."""

    listen: tuple[Endpoint, ...] = Field((), description="TLS sockets, for example 0.0.0.0:8443.")
    url: str = Field("", description="https:// address of the same server, as devices reach it.")
    certificate: Path | None = Field(
        None, description="PEM chain; must be valid for the name in `url`.", examples=["/etc/hradlo/captive.pem"]
    )
    key: Path | None = Field(None, description="PEM private key.", examples=["/etc/hradlo/captive.key"])


class Portal(Section):
    """The customer portal, at `isp.portal_url`. Off without `listen`."""

    listen: tuple[Endpoint, ...] = Field(
        (), description="Sockets, for example 127.0.0.1:8090 behind a proxy, or 0.0.0.0:443 with a certificate."
    )
    certificate: Path | None = Field(
        None,
        description="PEM chain for TLS by Hradlo itself; none behind a proxy.",
        examples=["/etc/hradlo/portal.pem"],
    )
    key: Path | None = Field(None, description="PEM private key.", examples=["/etc/hradlo/portal.key"])
    trusted_proxies: tuple[Address, ...] = Field(
        (), description="Addresses of your reverse proxy: the only ones whose X-Forwarded-For is believed."
    )
    session_idle_minutes: int = Field(60, ge=5, le=1440, description="A log-in ends after so long without a click.")
    session_days: int = Field(7, ge=1, le=90, description="… and after so many days in any case.")
    link_minutes: int = Field(60, ge=5, le=1440, description="Links in mails (new address, new password) work so long.")
    logo: Path | None = Field(
        None, description="SVG or PNG of at most 200 kB, shown in the header.", examples=["/etc/hradlo/logo.svg"]
    )
    colour: str = Field("#0b4f8a", pattern="^#[0-9a-fA-F]{6}$", description="Of buttons and links.")
    extension_days: int = Field(
        0, ge=0, le=31, description="A customer may put the suspension off by so many days, as a promise; 0 = never."
    )
    extensions_per_year: int = Field(2, ge=1, le=12, description="… so often within 365 days.")
    extension_debt_max: Decimal = Field(
        Decimal("5000.00"), ge=0, max_digits=12, decimal_places=2, description="… with no more overdue than this."
    )


class Usage(Section):
    """Transferred data of each service, from the router's counters."""

    collect_seconds: int = Field(300, ge=0, le=3600, description="How often counters are read; 0 = never.")
    keep_hours_days: int = Field(62, ge=1, le=3660, description="Hourly figures are kept so many days …")
    keep_days_days: int = Field(800, ge=1, le=3660, description="… daily ones so many …")
    keep_months_days: int = Field(3660, ge=31, le=36600, description="… and monthly ones so many.")


class Mail(Section):
    """How mail leaves. Without a host nothing is sent, and mails wait."""

    host: str = Field("", description="SMTP server; empty = mails are kept, not sent.")
    port: int = Field(25, ge=1, le=65535, description="25, 587 (STARTTLS) or 465 (TLS).")
    security: Literal["none", "starttls", "tls"] = Field("none", description="Encryption of the connection.")
    username: str = Field("", description="Then the secret smtp_password is needed.")
    sender: str = Field("", description='For example "My ISP <billing@isp.example>".')
    admin: str = Field("", description="Your own address: the daily report, and what needs you at once.")
    per_minute: int = Field(60, ge=1, description="At most so many mails a minute, so that a run is no spam wave.")
    bulk_per_minute: int = Field(
        30, ge=1, description="… and so many of these with new invoices, after all others: a month's run takes hours."
    )
    timeout_seconds: int = Field(20, ge=1, le=120, description="Patience with the server.")
    payment_received: bool = Field(False, description="Tell a customer by mail that a payment arrived.")
    templates: Path | None = Field(
        None,
        description="Your own mail templates, used instead of Hradlo's of the same name; see docs/documents.md.",
        examples=["/etc/hradlo/mails"],
    )


class Invoicing(Section):
    """Recurring invoices, made by `hradlo bill`."""

    is_vat_payer: bool = Field(True, description="Invoices show VAT, taken out of prices that include it.")
    vat_rates: tuple[VatRate, ...] = Field(
        (), description='Rates of your own, category, first day, per cent: "standard 2027-01-01 22". They win.'
    )
    due_days: int = Field(14, ge=0, le=90, description="From issue to the due date.")
    invoice_prefix: str = Field(
        "{yy}", pattern=r"^([1-9][0-9]{0,5})?(\{yy\}|\{yyyy\})$", description="Numbers begin so; {yy} = the year."
    )
    invoice_digits: int = Field(8, ge=3, le=9, description="… and go on with so many digits; in all at most 10.")
    credit_note_prefix: str = Field(
        "9{yy}", pattern=r"^([1-9][0-9]{0,5})?(\{yy\}|\{yyyy\})$", description="The same for credit notes."
    )
    credit_note_digits: int = Field(7, ge=3, le=9, description="The same for credit notes.")

    @property
    def own_vat_rates(self) -> list[tuple[str, date, int]]:
        """`vat_rates` as (category, valid from, basis points)."""
        words = (text.split() for text in self.vat_rates)
        return [(category, date.fromisoformat(day), int(Decimal(percent) * 100)) for category, day, percent in words]


class Documents(Section):
    """Invoices as PDF. They bear the logo and the colour of the portal."""

    directory: Path = Field(
        Path("/var/lib/hradlo/documents"), description="PDFs that were made are kept here; safe to delete at any time."
    )
    cache_megabytes: int = Field(500, ge=0, le=1_000_000, description="… so much of them, the newest; 0 = none.")
    processes: int = Field(2, ge=1, le=64, description="So many PDFs are made at the same time.")


class Metrics(Section):
    """Numbers for Prometheus (docs/monitoring.md). Off without `listen`."""

    listen: tuple[Endpoint, ...] = Field(
        (), description="Sockets of /metrics, for example 127.0.0.1:9470. Who reaches them reads them: keep them local."
    )


class Daemon(Section):
    """The running program."""

    runtime_directory: Path = Field(Path("/run/hradlo"), description="The doorbell and the lock live here.")
    state_directory: Path = Field(
        Path("/var/lib/hradlo"),
        description="Holds what this gateway last saw of the database, to notice that it was restored.",
    )
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto = text on a terminal, else JSON.")


class Settings(Section):
    """The whole file."""

    isp: Isp = Isp()  # type: ignore[call-arg]
    database: Database = Database()  # type: ignore[call-arg]
    secrets: Secrets = Secrets()  # type: ignore[call-arg]
    dunning: Dunning = Dunning()  # type: ignore[call-arg]
    notice: Notice = Notice()  # type: ignore[call-arg]
    captive_api: CaptiveApi = CaptiveApi()  # type: ignore[call-arg]
    portal: Portal = Portal()  # type: ignore[call-arg]
    usage: Usage = Usage()  # type: ignore[call-arg]
    enforcement: Enforcement = Enforcement()  # type: ignore[call-arg]
    brake: Brake = Brake()  # type: ignore[call-arg]
    mail: Mail = Mail()  # type: ignore[call-arg]
    invoicing: Invoicing = Invoicing()  # type: ignore[call-arg]
    documents: Documents = Documents()  # type: ignore[call-arg]
    payments: Payments = Payments()  # type: ignore[call-arg]
    fio: Fio = Fio()  # type: ignore[call-arg]
    voip: Voip = Voip()  # type: ignore[call-arg]
    metrics: Metrics = Metrics()  # type: ignore[call-arg]
    daemon: Daemon = Daemon()  # type: ignore[call-arg]
    routeros: tuple[RouterOs, ...] = ()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.isp.timezone)

    @cached_property
    def database_url(self) -> str:
        """`database.url` with the password, if there is the secret `database_password`. Never to be shown."""
        who, at, where = self.database.url.rpartition("@")
        if not who.startswith("postgresql:") or self.secret_problem("database_password"):
            return self.database.url
        return f"{who}:{quote(self.secret('database_password'), safe='')}{at}{where}"

    def secret(self, name: str) -> str:
        """A secret's text, from systemd's credentials or `secrets.directory`; raises `SettingsError`."""
        problem = self.secret_problem(name)
        if problem:
            raise SettingsError("A secret is missing.", [problem])
        return self._secret_path(name).read_text(encoding="utf-8").strip()

    def signing_key(self) -> bytes:
        """Signs acknowledgement tokens and return addresses."""
        return self.secret("signing_key").encode()

    def _secret_path(self, name: str) -> Path:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (Path(credentials) / name).exists():
            return Path(credentials) / name
        return self.secrets.directory / name

    @staticmethod
    def is_withheld(name: str) -> bool:
        """systemd shows each unit its own secrets: what the web unit does not see, it does not need."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        return bool(credentials) and not (Path(str(credentials)) / name).exists()

    def secret_problem(self, name: str) -> Problem | None:
        """Why a secret can't be used, or None."""
        path = self._secret_path(name)
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            remedy = "`hradlo init` makes it" if name == "signing_key" else "write it there, for Hradlo's user only"
            remedy = "run this as root" if isinstance(error, PermissionError) else remedy
            return Problem(f"secret {name}", f"{path} can't be read ({reason}): {remedy}")
        if not text:
            return Problem(f"secret {name}", f"{path} is empty")
        if name in _OWN_SECRETS and len(text) < SIGNING_KEY_BYTES_MIN:
            return Problem(f"secret {name}", f"{path} is shorter than {SIGNING_KEY_BYTES_MIN} characters")
        return None


def tables() -> Iterator[tuple[str, type[Section], bool]]:
    """Every table of the file: its name, what may stand in it, and whether there may be several of it."""
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        is_repeated = get_origin(kind) is tuple
        section = get_args(kind)[0] if is_repeated else kind
        assert isinstance(section, type)
        assert issubclass(section, Section)
        yield name, section, is_repeated


def parse(text: str, source: str = "hradlo.toml") -> Settings:
    """Settings from TOML text; raises `SettingsError` with every problem and its place.

    Secrets and what settings demand of each other are checked by `load` alone.
    """
    settings, problems = _validated(_tables(text, source))
    if problems:
        raise SettingsError(f"{source} has errors.", problems)
    return settings


def load(path: Path) -> Settings:
    """Reads and checks a settings file; raises `SettingsError` with every problem and its place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        remedy = "Write one with `hradlo init`, or name another with --config."
        remedy = "Run this as root." if isinstance(error, PermissionError) else remedy
        raise SettingsError(f"{path} can't be read: {reason}.", [], remedy) from error
    settings, problems = _validated(_tables(text, str(path)))
    named = {problem.place.partition(" item ")[0] for problem in problems}
    problems += [problem for problem in demands.problems(settings) if problem.place not in named]
    if problems:
        raise SettingsError(f"{path} has errors.", problems)
    return settings


def _tables(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML.", [Problem(source, str(error))]) from error


def _validated(data: dict[str, Any]) -> tuple[Settings, list[Problem]]:
    """The settings and what is wrong with them; a wrong key counts as left out, so that checking can go on."""
    try:
        return _strictly(data), []
    except ValidationError as error:
        for item in error.errors():
            section, *key = item["loc"][:2]
            table = data.get(str(section)) if key else data
            if isinstance(table, dict):
                table.pop(str(key[0] if key else section), None)
            else:
                data.pop(str(section), None)  # one of several tables: what is left of it would be no whole one
        return _strictly(data), problems_of(error, {name: list(section.model_fields) for name, section, _ in tables()})


def _strictly(data: dict[str, Any]) -> Settings:
    # By way of JSON, because there `strict` means what a person would: "10" is no number and 1 is not true,
    # while text may still be a path, an address or an hour.
    return Settings.model_validate_json(json.dumps(data, default=str), strict=True)
