"""The first tables. Names of constraints follow `schema.NAMING`."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_statement",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=False),
        sa.Column("old_balance", schema.Amount, nullable=False),
        sa.Column("new_balance", schema.Amount, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("imported_at", schema.Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bank_statement"),
    )
    op.create_table(
        "customer",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("street", sa.String(length=200), nullable=False),
        sa.Column("city", sa.String(length=100), nullable=False),
        sa.Column("postal_code", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("password_is_one_time", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer"),
        sa.UniqueConstraint("number", name="uq_customer_number"),
    )
    op.create_table(
        "ledger_transaction",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.Column("is_sealed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transaction"),
        sa.UniqueConstraint("key", name="uq_ledger_transaction_key"),
    )
    op.create_table(
        "contract",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False),
        sa.Column("customer_id", schema.RowId, nullable=False),
        sa.Column("hold_since_at", schema.Instant, nullable=True),
        sa.Column("exempt_since_at", schema.Instant, nullable=True),
        sa.Column("shield_why", sa.Text(), nullable=False),
        sa.CheckConstraint("number NOT LIKE '0%'", name="ck_contract_no_leading_zero"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_contract_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contract"),
        sa.UniqueConstraint("number", name="uq_contract_number"),
    )
    op.create_index("ix_contract_customer_id", "contract", ["customer_id"])

    op.create_table(
        "invoice",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("total", schema.Amount, nullable=False),
        sa.Column("open", schema.Amount, nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.CheckConstraint("number NOT LIKE '0%'", name="ck_invoice_no_leading_zero"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_invoice_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_invoice"),
        sa.UniqueConstraint("number", name="uq_invoice_number"),
    )
    op.create_index("ix_invoice_contract_id", "invoice", ["contract_id"])
    op.create_index(
        "ix_invoice_unpaid",
        "invoice",
        ["contract_id", "due_on"],
        sqlite_where=sa.text("open <> 0"),
        postgresql_where=sa.text("open <> 0"),
    )

    op.create_table(
        "journal",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_journal_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
        sa.UniqueConstraint("hash", name="uq_journal_hash"),
    )
    op.create_index("ix_journal_contract_id_id", "journal", ["contract_id", "id"])

    op.create_table(
        "line",
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("since_at", schema.Instant, nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_line_contract_id"),
        sa.PrimaryKeyConstraint("contract_id", name="pk_line"),
    )
    op.create_index("ix_line_state", "line", ["state"])

    op.create_table(
        "notice",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("opened_at", schema.Instant, nullable=False),
        sa.Column("mailed_at", schema.Instant, nullable=True),
        sa.Column("closed_at", schema.Instant, nullable=True),
        sa.Column("closed_why", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_notice_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
    )
    op.create_index("ix_notice_contract_id", "notice", ["contract_id"])
    op.create_index(
        "uq_notice_open",
        "notice",
        ["contract_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )

    op.create_table(
        "outbox",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("dedup_key", sa.String(length=200), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=True),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("qr_payment", sa.Text(), nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.Column("next_try_at", schema.Instant, nullable=False),
        sa.Column("lease_until", schema.Instant, nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("sent_at", schema.Instant, nullable=True),
        sa.Column("failed_at", schema.Instant, nullable=True),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_outbox_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("dedup_key", name="uq_outbox_dedup_key"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
    )
    op.create_index("ix_outbox_contract_id", "outbox", ["contract_id"])
    op.create_index("ix_outbox_waiting", "outbox", ["sent_at", "next_try_at"])

    op.create_table(
        "payment",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("statement_id", schema.RowId, nullable=False),
        sa.Column("account", sa.String(length=40), nullable=False),
        sa.Column("bank_ref", sa.String(length=120), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("amount", schema.Amount, nullable=False),
        sa.Column("variable_symbol", sa.String(length=10), nullable=False),
        sa.Column("specific_symbol", sa.String(length=10), nullable=False),
        sa.Column("constant_symbol", sa.String(length=10), nullable=False),
        sa.Column("counter_account", sa.String(length=60), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("unallocated", schema.Amount, nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_payment_amount"),
        sa.CheckConstraint("unallocated >= 0 AND unallocated <= amount", name="ck_payment_unallocated"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_payment_contract_id"),
        sa.ForeignKeyConstraint(["statement_id"], ["bank_statement.id"], name="fk_payment_statement_id"),
        sa.PrimaryKeyConstraint("id", name="pk_payment"),
        sa.UniqueConstraint("account", "bank_ref", name="uq_payment_account_bank_ref"),
    )
    op.create_index("ix_payment_contract_id", "payment", ["contract_id"])
    op.create_index(
        "ix_payment_waiting",
        "payment",
        ["state"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )

    op.create_table(
        "posting",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("transaction_id", schema.RowId, nullable=False),
        sa.Column("account", sa.String(length=60), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=True),
        sa.Column("amount", schema.Amount, nullable=False),
        sa.CheckConstraint("amount <> 0", name="ck_posting_amount"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_posting_contract_id"),
        sa.ForeignKeyConstraint(["transaction_id"], ["ledger_transaction.id"], name="fk_posting_transaction_id"),
        sa.PrimaryKeyConstraint("id", name="pk_posting"),
    )
    op.create_index("ix_posting_account", "posting", ["account", "contract_id"])
    op.create_index("ix_posting_transaction_id", "posting", ["transaction_id"])

    op.create_table(
        "promise",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("made_at", schema.Instant, nullable=False),
        sa.Column("released_at", schema.Instant, nullable=True),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_promise_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_promise"),
    )
    op.create_index("ix_promise_contract_id", "promise", ["contract_id"])

    op.create_table(
        "service",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("product", sa.String(length=200), nullable=False),
        sa.Column("price", schema.Amount, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.CheckConstraint("kind IN ('internet', 'insurance', 'voip', 'other')", name="ck_service_kind"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_service_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint(
            "contract_id", "kind", "product", "starts_on", name="uq_service_contract_id_kind_product_starts_on"
        ),
    )
    op.create_index("ix_service_contract_id", "service", ["contract_id"])

    op.create_table(
        "standing",
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("since_at", schema.Instant, nullable=False),
        sa.Column("parked_why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_standing_contract_id"),
        sa.PrimaryKeyConstraint("contract_id", name="pk_standing"),
    )
    op.create_index("ix_standing_stage", "standing", ["stage"])

    op.create_table(
        "acknowledgement",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("notice_id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("source_address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name="fk_acknowledgement_notice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_acknowledgement"),
        sa.UniqueConstraint("notice_id", name="uq_acknowledgement_notice_id"),
        sa.UniqueConstraint("token_sha256", name="uq_acknowledgement_token_sha256"),
    )
    op.create_table(
        "allocation",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("payment_id", schema.RowId, nullable=False),
        sa.Column("invoice_id", schema.RowId, nullable=False),
        sa.Column("amount", schema.Amount, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.CheckConstraint("amount > 0", name="ck_allocation_amount"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_allocation_invoice_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name="fk_allocation_payment_id"),
        sa.PrimaryKeyConstraint("id", name="pk_allocation"),
    )
    op.create_index("ix_allocation_invoice_id", "allocation", ["invoice_id"])
    op.create_index("ix_allocation_payment_id", "allocation", ["payment_id"])

    op.create_table(
        "reminder",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("anchor_invoice_id", schema.RowId, nullable=False),
        sa.Column("after_days", sa.Integer(), nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.ForeignKeyConstraint(["anchor_invoice_id"], ["invoice.id"], name="fk_reminder_anchor_invoice_id"),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name="fk_reminder_contract_id"),
        sa.PrimaryKeyConstraint("id", name="pk_reminder"),
        sa.UniqueConstraint(
            "contract_id",
            "anchor_invoice_id",
            "after_days",
            name="uq_reminder_contract_id_anchor_invoice_id_after_days",
        ),
    )
    op.create_table(
        "service_address",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("service_id", schema.RowId, nullable=False),
        sa.Column("network", sa.String(length=43), nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_service_address_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_service_address"),
        sa.UniqueConstraint("network", name="uq_service_address_network"),
    )
    op.create_index("ix_service_address_service_id", "service_address", ["service_id"])

    op.create_table(
        "showing",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("notice_id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("source_address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"], name="fk_showing_notice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_showing"),
        sa.UniqueConstraint(
            "notice_id", "source_address", "text_sha256", name="uq_showing_notice_id_source_address_text_sha256"
        ),
    )
    op.create_table(
        "acknowledged_invoice",
        sa.Column("acknowledgement_id", schema.RowId, nullable=False),
        sa.Column("invoice_id", schema.RowId, nullable=False),
        sa.Column("open", schema.Amount, nullable=False),
        sa.ForeignKeyConstraint(
            ["acknowledgement_id"], ["acknowledgement.id"], name="fk_acknowledged_invoice_acknowledgement_id"
        ),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_acknowledged_invoice_invoice_id"),
        sa.PrimaryKeyConstraint("acknowledgement_id", "invoice_id", name="pk_acknowledged_invoice"),
    )
