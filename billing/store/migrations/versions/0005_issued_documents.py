"""What is issued never changes: documents, their lines and VAT, the parties they name, and the series of numbers."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _changed(*columns: str) -> str:
    """Any of the columns is another one now; also from or to NULL."""
    return " OR ".join(
        f"OLD.{name} <> NEW.{name} OR (OLD.{name} IS NULL) <> (NEW.{name} IS NULL)" for name in columns
    )


DOCUMENT = _changed(
    "id", "number", "contract_id", "issued_on", "due_on", "total", "created_at", "kind", "series_id", "supplied_on",
    "base", "vat", "corrects_id", "seller_id", "buyer_id", "why",
)
LINE = _changed(
    "id", "invoice_id", "position", "text", "product_id", "service_id", "from_on", "until_on", "quantity",
    "unit_price", "total", "base", "vat", "vat_category", "vat_basis_points", "serial_number", "corrects_line_id",
)
SERIES = _changed("id", "kind", "year", "prefix", "digits")
POSTED = (
    "EXISTS (SELECT 1 FROM invoice JOIN ledger_transaction ON ledger_transaction.key = 'invoice:' || invoice.number "
    "|| '\\:opened' WHERE invoice.id = NEW.invoice_id)"
)

# name, table, event, when it is refused, what is said
RULES = (
    ("document_stays", "invoice", "UPDATE", f"OLD.series_id IS NOT NULL AND ({DOCUMENT})", "an issued document never changes"),
    ("document_is_kept", "invoice", "DELETE", "OLD.series_id IS NOT NULL", "an issued document is never deleted"),
    ("line_stays", "invoice_line", "UPDATE", f"{LINE} OR OLD.released_at IS NOT NULL", "a line of an issued document never changes"),
    ("line_is_kept", "invoice_line", "DELETE", "TRUE", "a line of an issued document is never deleted"),
    ("line_before_posting", "invoice_line", "INSERT", POSTED, "a document that is posted takes no line"),
    ("document_vat_stays", "invoice_vat", "UPDATE", "TRUE", "the VAT of an issued document never changes"),
    ("document_vat_is_kept", "invoice_vat", "DELETE", "TRUE", "the VAT of an issued document is never deleted"),
    ("party_stays", "party", "UPDATE", "TRUE", "a party of issued documents never changes"),
    ("party_is_kept", "party", "DELETE", "TRUE", "a party of issued documents is never deleted"),
    ("series_grows", "number_series", "UPDATE", f"NEW.next < OLD.next OR {SERIES}", "a series of numbers only grows"),
    ("series_is_kept", "number_series", "DELETE", "TRUE", "a series of numbers is never deleted"),
)


def upgrade() -> None:
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
