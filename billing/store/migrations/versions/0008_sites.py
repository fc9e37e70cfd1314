"""Sites: an address, a counter and a line belong to one gateway or router. What there was belongs to `main`."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM line WHERE state = 'open'")  # no row means open
    with op.batch_alter_table("service_address") as address:
        address.add_column(_site())
        address.drop_constraint("uq_service_address_network", type_="unique")
        address.create_unique_constraint("uq_service_address_site_network", ["site", "network"])
    for name, columns in (("line", ["contract_id", "site"]), ("usage_counter", ["site", "network"])):
        with op.batch_alter_table(name) as table:
            table.add_column(_site())
            table.drop_constraint(f"pk_{name}", type_="primary")
            table.create_primary_key(f"pk_{name}", columns)


def _site() -> sa.Column[str]:
    return sa.Column("site", sa.String(length=40), nullable=False, server_default="main")
