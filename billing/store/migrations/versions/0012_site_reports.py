"""What engines last said of their sites."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_report",
        sa.Column("site", sa.String(length=40), nullable=False),
        sa.Column("engine", sa.String(length=200), nullable=False),
        sa.Column("is_on_duty", sa.Boolean(), nullable=False),
        sa.Column("restricted", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("seen_at", schema.Instant, nullable=False),
        sa.PrimaryKeyConstraint("site", name="pk_site_report"),
    )
