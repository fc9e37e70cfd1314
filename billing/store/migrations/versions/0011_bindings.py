"""Bindings: a service may be known by a DHCP client's MAC or by a PPP user's name; its addresses come and go."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "service_binding",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("service_id", schema.RowId, nullable=False),
        sa.Column("site", sa.String(length=40), nullable=False, server_default="main"),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["service_id"], ["service.id"], name="fk_service_binding_service_id_service"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_service_binding"),
        sa.UniqueConstraint("site", "name", name="uq_service_binding_site_name"),
    )
    op.create_index("ix_service_binding_service_id", "service_binding", ["service_id"])
    op.add_column("service_address", sa.Column("binding", sa.String(length=80)))
