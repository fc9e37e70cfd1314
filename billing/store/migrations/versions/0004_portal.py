"""The customer portal: sessions, one-time links, requests for changes, transferred data."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("customer") as customer:
        customer.add_column(
            sa.Column("mailing_street", sa.String(length=200), nullable=False, server_default=sa.text("''"))
        )
        customer.add_column(
            sa.Column("mailing_city", sa.String(length=100), nullable=False, server_default=sa.text("''"))
        )
        customer.add_column(
            sa.Column("mailing_postal_code", sa.String(length=20), nullable=False, server_default=sa.text("''"))
        )
    _make_logins()
    _make_change_requests()
    _make_usage()


def _make_logins() -> None:
    op.create_table(
        "login_session",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("customer_id", schema.RowId, nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.Column("seen_at", schema.Instant, nullable=False),
        sa.Column("ended_at", schema.Instant, nullable=True),
        sa.Column("source_address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_login_session_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_login_session"),
        sa.UniqueConstraint("token_sha256", name="uq_login_session_token_sha256"),
    )
    op.create_index("ix_login_session_customer_id", "login_session", ["customer_id"])
    op.create_table(
        "one_time_link",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("customer_id", schema.RowId, nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.Column("expires_at", schema.Instant, nullable=False),
        sa.Column("used_at", schema.Instant, nullable=True),
        sa.CheckConstraint("kind IN ('email', 'password')", name=op.f("ck_one_time_link_kind")),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_one_time_link_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_one_time_link"),
        sa.UniqueConstraint("token_sha256", name="uq_one_time_link_token_sha256"),
    )
    op.create_index("ix_one_time_link_customer_id", "one_time_link", ["customer_id"])


def _make_change_requests() -> None:
    op.create_table(
        "change_request",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("customer_id", schema.RowId, nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("asked_at", schema.Instant, nullable=False),
        sa.Column("decided_at", schema.Instant, nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("is_accepted", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_change_request_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_change_request"),
    )
    op.create_index("ix_change_request_customer_id", "change_request", ["customer_id"])


def _make_usage() -> None:
    op.create_table(
        "usage_counter",
        sa.Column("network", sa.String(length=43), nullable=False),
        sa.Column("generation", sa.String(length=80), nullable=False),
        sa.Column("down_bytes", sa.BigInteger(), nullable=False),
        sa.Column("up_bytes", sa.BigInteger(), nullable=False),
        sa.Column("read_at", schema.Instant, nullable=False),
        sa.PrimaryKeyConstraint("network", name="pk_usage_counter"),
    )
    op.create_table(
        "usage",
        sa.Column("service_id", schema.RowId, nullable=False),
        sa.Column("span", sa.String(length=5), nullable=False),
        sa.Column("starts_at", schema.Instant, nullable=False),
        sa.Column("down_bytes", sa.BigInteger(), nullable=False),
        sa.Column("up_bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("span IN ('hour', 'day', 'month')", name=op.f("ck_usage_span")),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_usage_service_id"),
        sa.PrimaryKeyConstraint("service_id", "span", "starts_at", name="pk_usage"),
    )
