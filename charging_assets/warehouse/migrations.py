"""Migrate schemas, tables and views to what the code declares, in the caller's transaction.

Only additive changes within a generation: nothing is dropped or retyped here. Any other change
raises the generation (`generation`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.schemas.render import comments, create_table, create_view, sql_type
from charging_assets.schemas.table import Column, Table, Type
from charging_assets.warehouse.generation import DIGEST_TABLE, GENERATION, GENERATION_TABLE
from charging_assets.warehouse.sql_files import sql, sql_names


class Session(Protocol):
    """What a migration needs of a transaction."""

    @property
    def dialect(self) -> str: ...

    def execute(self, sql: str, params: dict[str, Any]) -> None: ...

    def fetch(self, sql: str, params: dict[str, Any]) -> Sequence[tuple[Any, ...]]: ...


def migrate(session: Session, grants: Sequence[str] = ()) -> None:
    """Create missing schemas, tables and views, and grant rights. One query if up to date."""
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
    """Views by name, each with the SQL file of its SELECT."""
    views = {f"original.{name.split('/')[1]}": name for name in sql_names("original")}
    return views | {f"mart.{name.split('/')[1]}": name for name in sql_names("views")}


def view_names() -> list[str]:
    """Full names of the views, which are not in `TABLES`."""
    return list(_views())


def is_current(session: Session, digest: str) -> bool:
    """Whether the warehouse was last migrated by code with this digest."""
    return session.fetch(f"SELECT digest FROM ops.{DIGEST_TABLE}", {}) == [(digest,)]


def schema_digest(dialect: str, grants: Sequence[str] = ()) -> str:
    """The hash of all declarations: generation, tables, columns, comments, views and grants."""
    parts = [f"generation {GENERATION}"]
    parts += [create_table(table, dialect=dialect) for table in TABLES]
    parts += [comment for table in TABLES for comment in comments(table)]
    parts += [sql(name) for name in _views().values()]
    parts += grants
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _add_columns(session: Session) -> None:
    existing = set(
        session.fetch(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns", {}
        )
    )
    for table in TABLES:
        for column in table.columns:
            if (table.schema, table.name, column.name) not in existing:
                _add_column(session, table, column)


def _add_column(session: Session, table: Table, column: Column) -> None:
    session.execute(
        f"ALTER TABLE {table.full_name} ADD COLUMN {column.name} {sql_type(column)}", {}
    )


def widenings(session: Session) -> list[str]:
    """Statements that widen text columns to their declared length.

    Redshift runs them only outside of a transaction. Columns are never narrowed: values would not
    fit.
    """
    existing = session.fetch(
        "SELECT table_schema, table_name, column_name, character_maximum_length "
        "FROM information_schema.columns WHERE character_maximum_length IS NOT NULL",
        {},
    )
    lengths = {(schema, table, column): int(length) for schema, table, column, length in existing}
    return [
        f"ALTER TABLE {table.full_name} ALTER COLUMN {column.name} TYPE {sql_type(column)}"
        for table in TABLES
        for column in table.columns
        if column.type is Type.TEXT
        and lengths.get((table.schema, table.name, column.name), column.length) < column.length
    ]
