"""Log-ins of the VoIP zone: a session belongs to a customer or to a telephone number, never to both."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("login_session") as session:
        session.alter_column("customer_id", existing_type=schema.RowId, nullable=True)
        session.add_column(sa.Column("voip_number_id", schema.RowId, nullable=True))
        session.create_foreign_key(
            "fk_login_session_voip_number_id", "voip_number", ["voip_number_id"], ["id"]
        )
        session.create_check_constraint(
            op.f("ck_login_session_owner"), "(customer_id IS NULL) <> (voip_number_id IS NULL)"
        )
    op.create_index("ix_login_session_voip_number_id", "login_session", ["voip_number_id"])
