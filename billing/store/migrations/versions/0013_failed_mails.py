"""A failed mail that somebody has looked at; and payments are found by their day."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("dismissed_at", schema.Instant, nullable=True))
    op.create_index("ix_payment_booked_on", "payment", ["booked_on"])
