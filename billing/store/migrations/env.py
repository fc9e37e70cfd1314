"""Alembic runs this for each of its commands; the connection comes from `schema_version`."""

from alembic import context

from billing.store.metadata import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    user_module_prefix="schema.",
    render_as_batch=True,  # SQLite changes a table by making it anew; its triggers must be made anew, too
    transactional_ddl=True,  # on SQLite as well: the store begins transactions itself
)
with context.begin_transaction():
    context.run_migrations()
