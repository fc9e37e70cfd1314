"""Products with dated prices, invoice lines, VAT, number series, credit notes, goods."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_products()
    _move_services_to_products()
    _make_invoicing()
    _widen_payments()
    _widen_outbox()


def _make_products() -> None:
    op.create_table(
        "product",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("vat_category", sa.String(length=20), nullable=False),
        sa.Column("bills_suspended", sa.Boolean(), nullable=False),
        sa.CheckConstraint("kind IN ('internet', 'insurance', 'voip', 'goods', 'other')", name=op.f("ck_product_kind")),
        sa.PrimaryKeyConstraint("id", name="pk_product"),
        sa.UniqueConstraint("kind", "name", name="uq_product_kind_name"),
    )
    op.create_table(
        "product_price",
        sa.Column("product_id", schema.RowId, nullable=False),
        sa.Column("valid_from_on", sa.Date(), nullable=False),
        sa.Column("price", schema.Amount, nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_product_price_product_id"),
        sa.PrimaryKeyConstraint("product_id", "valid_from_on", name="pk_product_price"),
    )


def _move_services_to_products() -> None:
    op.execute(
        "INSERT INTO product (kind, name, vat_category, bills_suspended) "
        "SELECT DISTINCT kind, product, 'standard', TRUE FROM service"
    )
    op.create_table(
        "service_price",
        sa.Column("service_id", schema.RowId, nullable=False),
        sa.Column("valid_from_on", sa.Date(), nullable=False),
        sa.Column("price", schema.Amount, nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_service_price_service_id"),
        sa.PrimaryKeyConstraint("service_id", "valid_from_on", name="pk_service_price"),
    )
    op.execute("INSERT INTO service_price (service_id, valid_from_on, price) SELECT id, starts_on, price FROM service")
    with op.batch_alter_table("service") as service:
        service.add_column(sa.Column("product_id", schema.RowId, nullable=True))
        service.add_column(sa.Column("period_months", sa.Integer(), nullable=False, server_default="1"))
        service.add_column(sa.Column("ends_on", sa.Date(), nullable=True))
        service.add_column(sa.Column("billed_until_on", sa.Date(), nullable=True))
    op.execute(
        "UPDATE service SET product_id = "
        "(SELECT id FROM product WHERE product.kind = service.kind AND product.name = service.product)"
    )
    with op.batch_alter_table("service") as service:
        service.drop_constraint("uq_service_contract_id_kind_product_starts_on", type_="unique")
        service.drop_constraint(op.f("ck_service_ck_service_kind"), type_="check")
        service.drop_column("kind")
        service.drop_column("product")
        service.drop_column("price")
        service.alter_column("product_id", existing_type=schema.RowId, nullable=False)
        service.alter_column("period_months", existing_type=sa.Integer(), server_default=None)
        service.create_foreign_key("fk_service_product_id", "product", ["product_id"], ["id"])
        service.create_unique_constraint("uq_service_contract_id_product_id_starts_on", ["contract_id", "product_id", "starts_on"])
        service.create_check_constraint(op.f("ck_service_period_months"), "period_months IN (1, 3, 12)")
        service.create_check_constraint(op.f("ck_service_ends_on"), "ends_on IS NULL OR ends_on >= starts_on")
        service.create_index("ix_service_product_id", ["product_id"])
    op.create_table(
        "service_pause",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("service_id", schema.RowId, nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.CheckConstraint("until_on IS NULL OR until_on >= from_on", name=op.f("ck_service_pause_until_on")),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_service_pause_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_service_pause"),
    )
    op.create_index("ix_service_pause_service_id", "service_pause", ["service_id"])


def _make_invoicing() -> None:
    op.create_table(
        "number_series",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("prefix", sa.String(length=9), nullable=False),
        sa.Column("digits", sa.Integer(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_number_series"),
        sa.UniqueConstraint("kind", "year", name="uq_number_series_kind_year"),
    )
    op.create_table(
        "party",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_party"),
        sa.UniqueConstraint("sha256", name="uq_party_sha256"),
    )
    with op.batch_alter_table("customer") as customer:
        customer.add_column(sa.Column("company_id", sa.String(length=20), nullable=False, server_default=sa.text("''")))
        customer.add_column(sa.Column("vat_id", sa.String(length=20), nullable=False, server_default=sa.text("''")))
    with op.batch_alter_table("invoice") as invoice:
        invoice.add_column(sa.Column("kind", sa.String(length=12), nullable=False, server_default="invoice"))
        invoice.add_column(sa.Column("series_id", schema.RowId, nullable=True))
        invoice.add_column(sa.Column("supplied_on", sa.Date(), nullable=True))
        invoice.add_column(sa.Column("base", schema.Amount, nullable=False, server_default="0"))
        invoice.add_column(sa.Column("vat", schema.Amount, nullable=False, server_default="0"))
        invoice.add_column(sa.Column("credit", schema.Amount, nullable=False, server_default="0"))
        invoice.add_column(sa.Column("corrects_id", schema.RowId, nullable=True))
        invoice.add_column(sa.Column("seller_id", schema.RowId, nullable=True))
        invoice.add_column(sa.Column("buyer_id", schema.RowId, nullable=True))
        invoice.add_column(sa.Column("why", sa.Text(), nullable=False, server_default=sa.text("''")))
        invoice.create_check_constraint(op.f("ck_invoice_kind"), "kind IN ('invoice', 'credit_note')")
        invoice.create_foreign_key("fk_invoice_series_id", "number_series", ["series_id"], ["id"])
        invoice.create_foreign_key("fk_invoice_corrects_id", "invoice", ["corrects_id"], ["id"])
        invoice.create_foreign_key("fk_invoice_seller_id", "party", ["seller_id"], ["id"])
        invoice.create_foreign_key("fk_invoice_buyer_id", "party", ["buyer_id"], ["id"])
        invoice.create_index("ix_invoice_corrects_id", ["corrects_id"])
    _make_lines()


def _make_lines() -> None:
    op.create_table(
        "invoice_line",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("invoice_id", schema.RowId, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("product_id", schema.RowId, nullable=True),
        sa.Column("service_id", schema.RowId, nullable=True),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", schema.Amount, nullable=False),
        sa.Column("total", schema.Amount, nullable=False),
        sa.Column("base", schema.Amount, nullable=False),
        sa.Column("vat", schema.Amount, nullable=False),
        sa.Column("vat_category", sa.String(length=20), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=False),
        sa.Column("serial_number", sa.String(length=100), nullable=False),
        sa.Column("corrects_line_id", schema.RowId, nullable=True),
        sa.Column("released_at", schema.Instant, nullable=True),
        sa.ForeignKeyConstraint(["corrects_line_id"], ["invoice_line.id"], name="fk_invoice_line_corrects_line_id"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_line_invoice_id"),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_invoice_line_product_id"),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_invoice_line_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_line"),
        sa.UniqueConstraint("invoice_id", "position", name="uq_invoice_line_invoice_id_position"),
    )
    live = sa.text("service_id IS NOT NULL AND released_at IS NULL")
    op.create_index(
        "uq_invoice_line_period",
        "invoice_line",
        ["service_id", "from_on"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_table(
        "invoice_vat",
        sa.Column("invoice_id", schema.RowId, nullable=False),
        sa.Column("vat_category", sa.String(length=20), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=False),
        sa.Column("base", schema.Amount, nullable=False),
        sa.Column("vat", schema.Amount, nullable=False),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_vat_invoice_id"),
        sa.PrimaryKeyConstraint("invoice_id", "vat_category", "vat_basis_points", name="pk_invoice_vat"),
    )
    op.create_table(
        "sale",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("product_id", schema.RowId, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("serial_number", sa.String(length=100), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", schema.Amount, nullable=False),
        sa.Column("supplied_on", sa.Date(), nullable=False),
        sa.Column("line_id", schema.RowId, nullable=True),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_sale_quantity")),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_sale_contract_id"),
        sa.ForeignKeyConstraint(["line_id"], ["invoice_line.id"], name="fk_sale_line_id"),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name="fk_sale_product_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sale"),
        sa.UniqueConstraint("line_id", name="uq_sale_line_id"),
    )
    op.create_index("ix_sale_contract_id", "sale", ["contract_id"])


def _widen_payments() -> None:
    with op.batch_alter_table("payment") as payment:
        payment.alter_column("statement_id", existing_type=schema.RowId, nullable=True)
        payment.add_column(sa.Column("assigned_by", sa.String(length=100), nullable=False, server_default=sa.text("''")))
        payment.add_column(sa.Column("times_moved", sa.Integer(), nullable=False, server_default=sa.text("0")))
        payment.create_index(
            "ix_payment_assigned",
            ["counter_account"],
            sqlite_where=sa.text("assigned_by <> ''"),
            postgresql_where=sa.text("assigned_by <> ''"),
        )
    with op.batch_alter_table("bank_statement") as statement:
        statement.add_column(sa.Column("opened_on", sa.Date(), nullable=True))
        statement.add_column(sa.Column("has_balances", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("allocation") as allocation:
        allocation.alter_column("payment_id", existing_type=schema.RowId, nullable=True)
        allocation.add_column(sa.Column("credit_note_id", schema.RowId, nullable=True))
        allocation.add_column(sa.Column("reversed_at", schema.Instant, nullable=True))
        allocation.create_foreign_key("fk_allocation_credit_note_id", "invoice", ["credit_note_id"], ["id"])
        allocation.create_check_constraint(op.f("ck_allocation_source"), "(payment_id IS NULL) <> (credit_note_id IS NULL)")
        allocation.create_index("ix_allocation_credit_note_id", ["credit_note_id"])
    op.create_table(
        "payment_return",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("statement_id", schema.RowId, nullable=True),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("bank_ref", sa.String(length=120), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount", schema.Amount, nullable=False),
        sa.Column("variable_symbol", sa.String(length=10), nullable=False),
        sa.Column("specific_symbol", sa.String(length=10), nullable=False),
        sa.Column("counter_account", sa.String(length=60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("payment_id", schema.RowId, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payment_return_amount")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_payment_return_payment_id"),
        sa.ForeignKeyConstraint(["statement_id"], ["bank_statement.id"], name="fk_payment_return_statement_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment_return"),
        sa.UniqueConstraint("account", "bank_ref", name="uq_payment_return_account_bank_ref"),
        sa.UniqueConstraint("payment_id", name="uq_payment_return_payment_id"),
    )


def _widen_outbox() -> None:
    with op.batch_alter_table("outbox") as outbox:
        outbox.add_column(sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="0"))
        outbox.add_column(sa.Column("attaches", sa.String(length=10), nullable=False, server_default=sa.text("''")))
        outbox.drop_index("ix_outbox_waiting")
    op.execute("UPDATE outbox SET priority = 1 WHERE kind = 'reminder'")
    waiting, leased = sa.text("sent_at IS NULL AND failed_at IS NULL"), sa.text("lease_until IS NOT NULL")
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["priority", "next_try_at", "id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_outbox_leased", "outbox", ["lease_until"], sqlite_where=leased, postgresql_where=leased)
    op.create_index("ix_outbox_sent_at", "outbox", ["sent_at"])
