"""Schemas, tables and views brought to what the code declares, in the caller's transaction.

Belongs here: additive changes within a generation. Nothing is ever dropped or retyped here: a
change that is not additive raises the generation (`generation`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.schemas.render import comments, create_table, create_view, sql_type
from charging_assets.schemas.table import Column, Table, Type
from charging_assets.storage.generation import DIGEST_TABLE, GENERATION, GENERATION_TABLE
from charging_assets.storage.sql_files import sql, sql_names


class Session(Protocol):
    """What a migration needs of a transaction."""

    @property
    def dialect(self) -> str: ...

    def execute(self, sql: str, params: dict[str, Any]) -> None: ...

    def fetch(self, sql: str, params: dict[str, Any]) -> Sequence[tuple[Any, ...]]: ...


def migrate(session: Session, grants: Sequence[str] = ()) -> None:
    """Make what is missing and give what is granted. What was made before costs one look."""
    session.execute("CREATE SCHEMA IF NOT EXISTS ops", {})
    session.execute(
        f"CREATE TABLE IF NOT EXISTS ops.{DIGEST_TABLE} (digest VARCHAR(64) NOT NULL)", {}
    )
    digest = schema_digest(session.dialect, grants)
    if is_current(session, digest):
        return
    for schema in DATABASE_SCHEMAS:
        session.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}", {})
    for table in TABLES:
        session.execute(create_table(table, dialect=session.dialect), {})
    _add_columns(session)
    for table in TABLES:
        for comment in comments(table):
            session.execute(comment, {})
    for view, name in _views().items():
        for statement in create_view(view, sql(name), dialect=session.dialect):
            session.execute(statement, {})
    for statement in grants:
        session.execute(statement, {})
    session.execute(f"CREATE TABLE IF NOT EXISTS ops.{GENERATION_TABLE} (generation INTEGER)", {})
    for name, column, value in (
        (DIGEST_TABLE, "digest", digest),
        (GENERATION_TABLE, "generation", GENERATION),
    ):
        session.execute(f"DELETE FROM ops.{name}", {})
        session.execute(f"INSERT INTO ops.{name} ({column}) VALUES (:value)", {"value": value})


def _views() -> dict[str, str]:
    """Views by name, each with the file that says what it selects."""
    found = {f"original.{name.split('/')[1]}": name for name in sql_names("original")}
    return found | {f"mart.{name.split('/')[1]}": name for name in sql_names("views")}


def view_names() -> list[str]:
    """Full names of the views, which stand in no list of tables."""
    return list(_views())


def is_current(session: Session, digest: str) -> bool:
    """Whether the warehouse was last made by code of this digest."""
    return session.fetch(f"SELECT digest FROM ops.{DIGEST_TABLE}", {}) == [(digest,)]


def schema_digest(dialect: str, grants: Sequence[str] = ()) -> str:
    """What this code declares: generation, tables, columns, their meaning, views and grants."""
    parts = [f"generation {GENERATION}"]
    parts += [create_table(table, dialect=dialect) for table in TABLES]
    parts += [comment for table in TABLES for comment in comments(table)]
    parts += [sql(name) for name in _views().values()]
    parts += grants
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _add_columns(session: Session) -> None:
    held = set(
        session.fetch(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns", {}
        )
    )
    for table in TABLES:
        for column in table.columns:
            if (table.schema, table.name, column.name) not in held:
                _add_column(session, table, column)


def _add_column(session: Session, table: Table, column: Column) -> None:
    session.execute(
        f"ALTER TABLE {table.full_name} ADD COLUMN {column.name} {sql_type(column)}", {}
    )


def widenings(session: Session) -> list[str]:
    """Statements that widen texts to what is declared. Redshift takes them outside a transaction.

    A text is never made narrower: what is in it would not fit.
    """
    held = session.fetch(
        "SELECT table_schema, table_name, column_name, character_maximum_length "
        "FROM information_schema.columns WHERE character_maximum_length IS NOT NULL",
        {},
    )
    lengths = {(schema, table, column): int(length) for schema, table, column, length in held}
    return [
        f"ALTER TABLE {table.full_name} ALTER COLUMN {column.name} TYPE {sql_type(column)}"
        for table in TABLES
        for column in table.columns
        if column.type is Type.TEXT
        and lengths.get((table.schema, table.name, column.name), column.length) < column.length
    ]
