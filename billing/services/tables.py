"""Services of a contract and the addresses they use."""

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing.money import Money
from billing.store.schema import Amount, Base, RowId


class Service(Base):
    """One thing a contract pays for."""

    __tablename__ = "service"
    __table_args__ = (
        CheckConstraint("kind IN ('internet', 'insurance', 'voip', 'other')", name="kind"),
        UniqueConstraint("contract_id", "kind", "product", "starts_on"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    product: Mapped[str] = mapped_column(String(200))
    price: Mapped[Money] = mapped_column(Amount)
    """Per month, with VAT."""
    starts_on: Mapped[date]


class ServiceAddress(Base):
    """A network that belongs to one service; no two overlap (see `rules.overlaps`)."""

    __tablename__ = "service_address"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("service.id"), index=True)
    network: Mapped[str] = mapped_column(String(43), unique=True)
    """Canonical text: `10.1.2.3`, `10.1.2.8/29`, `2001:db8:0:100::/56`."""
