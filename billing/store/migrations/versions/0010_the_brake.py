"""The brake: what was held and why, what a person released, and which restrictions were decided together."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brake_release",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("until_at", schema.Instant, nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("checksum", sa.String(length=12), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("policy_sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_brake_release"),
    )
    op.create_table(
        "brake_released",
        sa.Column("release_id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("line", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["brake_release.id"], name="fk_brake_released_release_id"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_brake_released_contract_id"),
        sa.PrimaryKeyConstraint("release_id", "contract_id", name="pk_brake_released"),
    )
    op.create_table(
        "brake_hold",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("line", sa.String(length=20), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("gateway", sa.String(length=100), nullable=False),
        sa.Column("since_at", schema.Instant, nullable=False),
        sa.Column("ended_at", schema.Instant, nullable=True),
        sa.Column("release_id", schema.RowId, nullable=True),
        sa.ForeignKeyConstraint(["release_id"], ["brake_release.id"], name="fk_brake_hold_release_id"),
        sa.PrimaryKeyConstraint("id", name="pk_brake_hold"),
    )
    op.create_index("ix_brake_hold_ended_at", "brake_hold", ["ended_at"])
    op.create_table(
        "restriction_run",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("undone_at", schema.Instant, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_restriction_run"),
    )
    op.create_table(
        "restriction",
        sa.Column("run_id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("line", sa.String(length=20), nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("is_released", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["restriction_run.id"], name="fk_restriction_run_id"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_restriction_contract_id"),
        sa.PrimaryKeyConstraint("run_id", "contract_id", name="pk_restriction"),
    )
    op.create_index("ix_restriction_at_line", "restriction", ["at", "line"])
