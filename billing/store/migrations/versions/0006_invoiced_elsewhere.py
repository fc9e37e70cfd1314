"""Until when another program invoiced a service; and no line of an invoice is given back twice."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("service") as service:
        service.add_column(sa.Column("billed_elsewhere_until_on", sa.Date(), nullable=True))
    op.execute(
        "UPDATE service SET billed_elsewhere_until_on = billed_until_on "
        "WHERE NOT EXISTS (SELECT 1 FROM invoice_line WHERE invoice_line.service_id = service.id)"
    )
    only = sa.text("corrects_line_id IS NOT NULL")
    op.create_index(
        "uq_invoice_line_corrects",
        "invoice_line",
        ["corrects_line_id"],
        unique=True,
        sqlite_where=only,
        postgresql_where=only,
    )
