"""VoIP: numbers with credit, price decks, holds, calls, top-ups."""

import sqlalchemy as sa
from alembic import op

from billing.store import schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# name, table, event, when it is refused, what is said
RULES = (
    ("voip_deck_stays", "voip_deck", "UPDATE", "TRUE", "a price deck never changes"),
    ("voip_deck_is_kept", "voip_deck", "DELETE", "TRUE", "a price deck is never deleted"),
    ("voip_rate_stays", "voip_rate", "UPDATE", "TRUE", "a price never changes: import another deck"),
    ("voip_rate_is_kept", "voip_rate", "DELETE", "TRUE", "a price is never deleted"),
    ("voip_top_up_stays", "voip_top_up", "UPDATE", "TRUE", "a top-up never changes"),
    ("voip_top_up_is_kept", "voip_top_up", "DELETE", "TRUE", "a top-up is never deleted"),
    ("voip_correction_stays", "voip_correction", "UPDATE", "TRUE", "a correction never changes: make another"),
    ("voip_correction_is_kept", "voip_correction", "DELETE", "TRUE", "a correction is never deleted"),
    (
        "voip_call_stays",
        "voip_call",
        "UPDATE",
        "OLD.id <> NEW.id OR OLD.source <> NEW.source OR OLD.uid <> NEW.uid OR OLD.caller <> NEW.caller "
        "OR OLD.called <> NEW.called OR OLD.started_at <> NEW.started_at OR OLD.billed_seconds <> NEW.billed_seconds "
        "OR (OLD.state = 'rated' AND (NEW.state <> 'rated' OR OLD.price <> NEW.price OR OLD.charged <> NEW.charged "
        "OR OLD.number_id <> NEW.number_id OR NEW.number_id IS NULL))",
        "a call that is rated never changes",
    ),
    ("voip_call_is_kept", "voip_call", "DELETE", "TRUE", "a call is never deleted"),
)


def upgrade() -> None:
    op.create_table(
        "voip_deck",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("valid_from_at", schema.Instant, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("imported_at", schema.Instant, nullable=False),
        sa.Column("imported_by", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_deck")),
        sa.UniqueConstraint("version", name=op.f("uq_voip_deck_version")),
    )
    op.create_index("ix_voip_deck_name_valid_from_at", "voip_deck", ["name", "valid_from_at"])
    op.create_table(
        "voip_rate",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("deck_id", schema.RowId, nullable=False),
        sa.Column("prefix", sa.String(length=20), nullable=False),
        sa.Column("destination", sa.String(length=120), nullable=False),
        sa.Column("price_per_minute", sa.BigInteger(), nullable=False),
        sa.Column("connect", sa.BigInteger(), nullable=False),
        sa.Column("first_seconds", sa.Integer(), nullable=False),
        sa.Column("step_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_seconds >= 1 AND step_seconds >= 1", name=op.f("ck_voip_rate_seconds")),
        sa.CheckConstraint("price_per_minute >= 0 AND connect >= 0", name=op.f("ck_voip_rate_price")),
        sa.ForeignKeyConstraint(["deck_id"], ["voip_deck.id"], name=op.f("fk_voip_rate_deck_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_rate")),
        sa.UniqueConstraint("deck_id", "prefix", name=op.f("uq_voip_rate_deck_id_prefix")),
    )
    op.create_table(
        "voip_number",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("ending", sa.String(length=3), nullable=False),
        sa.Column("contract_id", schema.RowId, nullable=False),
        sa.Column("deck", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("password_hash", sa.String(length=200), server_default=sa.text("''"), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("low_since_at", schema.Instant, nullable=True),
        sa.Column("stated_until", sa.String(length=7), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.CheckConstraint("state IN ('active', 'blocked', 'closed')", name=op.f("ck_voip_number_state")),
        sa.CheckConstraint("balance - reserved >= 0", name=op.f("ck_voip_number_balance")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_voip_number_reserved")),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_voip_number_contract_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_number")),
        sa.UniqueConstraint("number", name=op.f("uq_voip_number_number")),
    )
    op.create_index(op.f("ix_voip_number_contract_id"), "voip_number", ["contract_id"])
    op.create_index(op.f("ix_voip_number_ending"), "voip_number", ["ending"])
    op.create_table(
        "voip_call",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("uid", sa.String(length=128), nullable=False),
        sa.Column("call_id", sa.String(length=128), server_default=sa.text("''"), nullable=False),
        sa.Column("caller", sa.String(length=80), nullable=False),
        sa.Column("called", sa.String(length=80), nullable=False),
        sa.Column("started_at", schema.Instant, nullable=False),
        sa.Column("answered_at", schema.Instant, nullable=True),
        sa.Column("billed_seconds", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("why", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("number_id", schema.RowId, nullable=True),
        sa.Column("is_incoming", sa.Boolean(), nullable=False),
        sa.Column("destination", sa.String(length=120), server_default=sa.text("''"), nullable=False),
        sa.Column("rate_id", schema.RowId, nullable=True),
        sa.Column("price", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("charged", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dispute", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("recorded_at", schema.Instant, nullable=False),
        sa.CheckConstraint("state IN ('rated', 'waiting', 'ignored')", name=op.f("ck_voip_call_state")),
        sa.CheckConstraint("charged >= 0 AND charged <= price", name=op.f("ck_voip_call_charged")),
        sa.ForeignKeyConstraint(["number_id"], ["voip_number.id"], name=op.f("fk_voip_call_number_id")),
        sa.ForeignKeyConstraint(["rate_id"], ["voip_rate.id"], name=op.f("fk_voip_call_rate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_call")),
        sa.UniqueConstraint("source", "uid", name=op.f("uq_voip_call_source_uid")),
    )
    op.create_index("ix_voip_call_number_id_started_at", "voip_call", ["number_id", "started_at"])
    op.create_index(
        "ix_voip_call_waiting",
        "voip_call",
        ["id"],
        sqlite_where=sa.text("state = 'waiting' OR dispute <> ''"),
        postgresql_where=sa.text("state = 'waiting' OR dispute <> ''"),
    )
    op.create_table(
        "voip_correction",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("number_id", schema.RowId, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["number_id"], ["voip_number.id"], name=op.f("fk_voip_correction_number_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_correction")),
    )
    op.create_index(op.f("ix_voip_correction_number_id"), "voip_correction", ["number_id"])
    op.create_table(
        "voip_hold",
        sa.Column("call_id", sa.String(length=128), nullable=False),
        sa.Column("number_id", schema.RowId, nullable=False),
        sa.Column("called", sa.String(length=20), nullable=False),
        sa.Column("rate_id", schema.RowId, nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("seconds_max", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_at", schema.Instant, nullable=False),
        sa.Column("expires_at", schema.Instant, nullable=False),
        sa.Column("ended_at", schema.Instant, nullable=True),
        sa.CheckConstraint("state IN ('open', 'settled', 'expired')", name=op.f("ck_voip_hold_state")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_voip_hold_amount")),
        sa.ForeignKeyConstraint(["number_id"], ["voip_number.id"], name=op.f("fk_voip_hold_number_id")),
        sa.ForeignKeyConstraint(["rate_id"], ["voip_rate.id"], name=op.f("fk_voip_hold_rate_id")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_voip_hold")),
    )
    op.create_index("ix_voip_hold_ended_at", "voip_hold", ["ended_at"])
    op.create_index("ix_voip_hold_number_id", "voip_hold", ["number_id"])
    op.create_index(
        "ix_voip_hold_open",
        "voip_hold",
        ["expires_at"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "voip_month",
        sa.Column("number_id", schema.RowId, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("topped_up", schema.Amount, server_default="0", nullable=False),
        sa.Column("cap", schema.Amount, server_default="0", nullable=False),
        sa.Column("raised_by", schema.Amount, server_default="0", nullable=False),
        sa.CheckConstraint("topped_up >= 0 AND topped_up <= cap", name=op.f("ck_voip_month_cap")),
        sa.ForeignKeyConstraint(["number_id"], ["voip_number.id"], name=op.f("fk_voip_month_number_id")),
        sa.PrimaryKeyConstraint("number_id", "month", name=op.f("pk_voip_month")),
    )
    op.create_table(
        "voip_top_up",
        sa.Column("id", schema.RowId, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("number_id", schema.RowId, nullable=False),
        sa.Column("amount", schema.Amount, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("invoice_id", schema.RowId, nullable=False),
        sa.Column("at", schema.Instant, nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_voip_top_up_amount")),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name=op.f("fk_voip_top_up_invoice_id")),
        sa.ForeignKeyConstraint(["number_id"], ["voip_number.id"], name=op.f("fk_voip_top_up_number_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voip_top_up")),
        sa.UniqueConstraint("invoice_id", name=op.f("uq_voip_top_up_invoice_id")),
        sa.UniqueConstraint("key", name=op.f("uq_voip_top_up_key")),
    )
    op.create_index(op.f("ix_voip_top_up_number_id"), "voip_top_up", ["number_id"])
    refuse = _refuse_on_sqlite if op.get_bind().dialect.name == "sqlite" else _refuse_on_postgresql
    for rule in RULES:
        refuse(*rule)


def _refuse_on_sqlite(name: str, table: str, event: str, when: str, message: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _refuse_on_postgresql(name: str, table: str, event: str, when: str, message: str) -> None:
    op.execute(f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {when} THEN
                RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN {"OLD" if event == "DELETE" else "NEW"};
        END $$
    """)
    op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
