"""Rows that never change: the journal, acknowledgements, and the ledger once it is sealed.

The program never does what is refused here; the triggers are for the mistake that somebody makes some day
and for the person with a database shell. A transaction of the ledger is written unsealed, then its postings,
then it is sealed: SQLite has no deferred constraint, so the sum is checked at that moment.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("journal", "acknowledgement", "acknowledged_invoice", "posting")

# A change of a ledger transaction that is no sealing of a balanced one.
NOT_A_SEALING = """
    OLD.is_sealed OR NOT NEW.is_sealed OR NEW.id <> OLD.id OR NEW.key <> OLD.key OR NEW.kind <> OLD.kind
    OR NEW.effective_on <> OLD.effective_on OR NEW.created_at <> OLD.created_at
"""
# A transaction without postings sums to nothing, which is not zero.
UNBALANCED = "COALESCE((SELECT SUM(amount) FROM posting WHERE transaction_id = NEW.id), 1) <> 0"
SEALED = "COALESCE((SELECT is_sealed FROM ledger_transaction WHERE id = NEW.transaction_id), FALSE)"

# name, table, event, when it is refused, what is said
LEDGER_RULES = (
    ("ledger_begins_open", "ledger_transaction", "INSERT", "NEW.is_sealed", "a ledger transaction begins unsealed"),
    ("ledger_only_seals", "ledger_transaction", "UPDATE", NOT_A_SEALING, "a ledger transaction is only ever sealed"),
    ("ledger_balances", "ledger_transaction", "UPDATE", UNBALANCED, "a ledger transaction must sum to zero"),
    ("ledger_stays", "ledger_transaction", "DELETE", "TRUE", "a ledger transaction is never deleted"),
    ("posting_before_seal", "posting", "INSERT", SEALED, "a sealed ledger transaction takes no posting"),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _upgrade_sqlite()
    else:
        _upgrade_postgresql()


def _upgrade_sqlite() -> None:
    rules = [
        (f"{table}_keeps_{event.lower()}", table, event, "TRUE", f"{table} rows are never changed or deleted")
        for table in APPEND_ONLY
        for event in ("UPDATE", "DELETE")
    ]
    for name, table, event, when, message in (*rules, *LEDGER_RULES):
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW WHEN {when} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )


def _upgrade_postgresql() -> None:
    for table in APPEND_ONLY:
        _refuse_on_postgresql(
            f"{table}_keeps", table, "UPDATE OR DELETE", "TRUE", f"{table} rows are never changed or deleted"
        )
    for table in (*APPEND_ONLY, "ledger_transaction"):
        _refuse_on_postgresql(
            f"{table}_stays_full", table, "TRUNCATE", "TRUE", f"{table} is never emptied", "STATEMENT"
        )
    for rule in LEDGER_RULES:
        _refuse_on_postgresql(*rule)


def _refuse_on_postgresql(name: str, table: str, event: str, when: str, message: str, each: str = "ROW") -> None:
    answer = {"DELETE": "OLD", "TRUNCATE": "NULL"}.get(event, "NEW")
    op.execute(f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {when} THEN
                RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN {answer};
        END $$
    """)
    op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()")
