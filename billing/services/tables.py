"""Products with their dated prices, the services of a contract, their addresses, and what was transferred."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import Money
from billing.store.schema import Amount, Base, Instant, RowId
from config.setting_types import MAIN_SITE


class Product(Base):
    """What the ISP sells. Its price is dated (`ProductPrice`), its VAT rate comes from its category and the day."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint("kind IN ('internet', 'insurance', 'voip', 'goods', 'other')", name="kind"),
        UniqueConstraint("kind", "name"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    vat_category: Mapped[str] = mapped_column(String(20), default="standard")
    """standard, reduced, exempt …: what a rate is looked up by, for the day of supply."""
    bills_suspended: Mapped[bool] = mapped_column(default=True)
    """A period in which the line is suspended is invoiced all the same."""


class ProductPrice(Base):
    """The list price of a product, from that day until the next one."""

    __tablename__ = "product_price"

    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), primary_key=True)
    valid_from_on: Mapped[date] = mapped_column(primary_key=True)
    price: Mapped[Money] = mapped_column(Amount)
    """With VAT; per month, of goods per piece."""


class Service(Base):
    """One thing that a contract pays for, period by period."""

    __tablename__ = "service"
    __table_args__ = (
        CheckConstraint("period_months IN (1, 3, 12)", name="period_months"),
        CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name="ends_on"),
        UniqueConstraint("contract_id", "product_id", "starts_on"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"), index=True)
    period_months: Mapped[int] = mapped_column(default=1)
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    """The last day; none while it runs."""
    billed_until_on: Mapped[date | None]
    """The last day that is settled: invoiced, or passed over because it cost nothing. The next period follows."""
    billed_elsewhere_until_on: Mapped[date | None]
    """The last day that another program has invoiced (see `cover.py`)."""


class ServicePrice(Base):
    """A price agreed for one service, from that day until the next one; it wins over the product's."""

    __tablename__ = "service_price"

    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), primary_key=True)
    valid_from_on: Mapped[date] = mapped_column(primary_key=True)
    price: Mapped[Money] = mapped_column(Amount)
    """With VAT, per month."""


class ServicePause(Base):
    """Days on which a service is not billed because the customer does not have it."""

    __tablename__ = "service_pause"
    __table_args__ = (CheckConstraint("until_on IS NULL OR until_on >= from_on", name="until_on"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), index=True)
    from_on: Mapped[date]
    until_on: Mapped[date | None]
    """The last day of the pause; none until further notice."""


class ServiceAddress(Base):
    """A network that belongs to one service; at one site no two overlap (see `rules.overlaps`)."""

    __tablename__ = "service_address"
    __table_args__ = (UniqueConstraint("site", "network"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), index=True)
    site: Mapped[str] = mapped_column(String(40), default=MAIN_SITE, server_default=MAIN_SITE)
    """Where the network is: one gateway or router. Private ranges of two sites may overlap."""
    network: Mapped[str] = mapped_column(String(43))
    """Canonical text: `10.1.2.3`, `10.1.2.8/29`, `2001:db8:0:100::/56`."""
    binding: Mapped[str | None] = mapped_column(String(80))
    """Where the service has it from at present (`ServiceBinding`); none: it is fixed."""


class ServiceBinding(Base):
    """What a service is known by where its address changes; see `bindings.py`."""

    __tablename__ = "service_binding"
    __table_args__ = (UniqueConstraint("site", "name"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), index=True)
    site: Mapped[str] = mapped_column(String(40), default=MAIN_SITE, server_default=MAIN_SITE)
    name: Mapped[str] = mapped_column(String(80))
    """`dhcp:AA:BB:CC:DD:EE:FF` or `ppp:name`."""


class SiteReport(Base):
    """What the engine of a site last said of it. Nothing is decided by it: it is for people to see."""

    __tablename__ = "site_report"

    site: Mapped[str] = mapped_column(String(40), primary_key=True)
    engine: Mapped[str] = mapped_column(String(200))
    """Host and process."""
    is_on_duty: Mapped[bool]
    restricted: Mapped[int]
    trouble: Mapped[str] = mapped_column(Text, default="")
    seen_at: Mapped[datetime] = mapped_column(Instant)


class UsageCounter(Base):
    """What a router's counters of a network said last; the next reading is counted from here.

    `generation` says which counters those were (a boot, a table): under another one they began from zero.
    """

    __tablename__ = "usage_counter"

    site: Mapped[str] = mapped_column(String(40), primary_key=True, default=MAIN_SITE, server_default=MAIN_SITE)
    network: Mapped[str] = mapped_column(String(43), primary_key=True)
    generation: Mapped[str] = mapped_column(String(80))
    down_bytes: Mapped[int] = mapped_column(BigInteger)
    up_bytes: Mapped[int] = mapped_column(BigInteger)
    read_at: Mapped[datetime] = mapped_column(Instant)


class Usage(Base):
    """Data transferred by a service within one hour, day or month of the ISP's time zone."""

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("span IN ('hour', 'day', 'month')", name="span"),)

    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), primary_key=True)
    span: Mapped[str] = mapped_column(String(5), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    down_bytes: Mapped[int] = mapped_column(BigInteger)
    """To the subscriber."""
    up_bytes: Mapped[int] = mapped_column(BigInteger)
