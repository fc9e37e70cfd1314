"""One statement for many rows, without what SQLAlchemy does anew for each of them.

For every row of an executemany it builds a dictionary of parameters and asks each value's type what to make of it: a
fifth of an import's time. Here the statement is compiled once and the values are made ready column by column.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.compiler import SQLCompiler

FEW_ROWS = 20
"""So few that compiling would take longer than it saves: SQLAlchemy keeps what it compiled."""

Rows = Sequence[Mapping[str, Any]]


async def execute_many(session: AsyncSession, statement: Insert | Update, rows: Rows) -> None:
    """Runs a statement for each of the rows, all with the first one's names; an update is one of a table, not of a
    mapped class."""
    if len(rows) < FEW_ROWS:
        await session.execute(statement, rows)
        return
    connection = await session.connection()
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, column_keys=list(rows[0]), for_executemany=True)
    assert isinstance(compiled, SQLCompiler)
    assert compiled.positiontup is not None  # both drivers count their parameters
    columns = [_values(compiled, name, rows, dialect) for name in compiled.positiontup]
    await connection.exec_driver_sql(str(compiled), list(zip(*columns, strict=True)))


def _values(compiled: SQLCompiler, name: str, rows: Rows, dialect: Dialect) -> Sequence[Any]:
    """What a parameter is in each row, as the driver takes it."""
    process = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
    if name in rows[0]:
        values = [row[name] for row in rows]
        return values if process is None else _made(values, process)
    value = _fixed(compiled, name)
    return [value if process is None else process(value)] * len(rows)


def _fixed(compiled: SQLCompiler, name: str) -> Any:
    """A constant of the statement, or the default of a column that the rows leave out."""
    column = next((each for each in compiled.insert_prefetch if each.key == name), None)
    if column is None:
        return compiled.binds[name].effective_value
    assert column.default is not None
    assert column.default.is_scalar, f"{column} has no fixed default: name it in the rows"
    return column.default.arg  # type: ignore[attr-defined]


def _made(values: list[Any], process: Callable[[Any], Any]) -> list[Any]:
    if len(set(map(id, values))) == 1:  # an import's rows share their instant, or their day
        return [process(values[0])] * len(values)
    return list(map(process, values))
