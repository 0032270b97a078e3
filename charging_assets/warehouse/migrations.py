"""Migrate schemas, tables and views to what the code declares, in the caller's transaction.

Only additive changes within a generation: nothing is dropped or retyped here. Any other change
raises the generation (`generation`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence, Set
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
    # Views without schema binding have no columns in information_schema.
    relations, columns = _existing_relations(session), _existing_columns(session)
    for table in TABLES:
        session.execute(create_table(table, dialect=session.dialect), {})
    _add_columns(session)
    _apply_changed(session, relations, columns)
    for statement in grants:
        session.execute(statement, {})
    session.execute(f"CREATE TABLE IF NOT EXISTS ops.{GENERATION_TABLE} (generation INTEGER)", {})
    for name, column, value in (
        (DIGEST_TABLE, "digest", digest),
        (GENERATION_TABLE, "generation", GENERATION),
    ):
        session.execute(f"DELETE FROM ops.{name}", {})
        session.execute(f"INSERT INTO ops.{name} ({column}) VALUES (:value)", {"value": value})


# What comments and views were last made of, so that only changed ones are sent: a statement costs
# a round trip while other loads wait, and a view that is dropped loses the grants of other people.
OBJECT_TABLE = "schema_object"
_ROWS_AN_INSERT = 100
Relations = Set[tuple[str, str]]
Columns = Set[tuple[str, str, str]]


def _apply_changed(session: Session, relations: Relations, columns: Columns) -> None:
    """Send the comments and views that changed, or whose object was not there before."""
    session.execute(
        f"CREATE TABLE IF NOT EXISTS ops.{OBJECT_TABLE} "
        "(name VARCHAR(256) NOT NULL, digest VARCHAR(64) NOT NULL)",
        {},
    )
    rows = session.fetch(f"SELECT name, digest FROM ops.{OBJECT_TABLE}", {})
    previous = {str(name): str(digest) for name, digest in rows}
    wanted, changed = dict[str, str](), list[str]()
    for name, exists, statements in _objects(session.dialect, relations, columns):
        wanted[name] = hashlib.sha256("\n".join(statements).encode()).hexdigest()[:16]
        if not exists or previous.get(name) != wanted[name]:
            changed.append(name)
            for statement in statements:
                session.execute(statement, {})
    outdated = [name for name in previous if name in changed or name not in wanted]
    for names in _chunks(outdated):
        values = {f"name_{number}": name for number, name in enumerate(names)}
        in_list = ", ".join(f":{name}" for name in values)
        session.execute(f"DELETE FROM ops.{OBJECT_TABLE} WHERE name IN ({in_list})", values)
    for names in _chunks(changed):
        values = {}
        for number, name in enumerate(names):
            values |= {f"name_{number}": name, f"digest_{number}": wanted[name]}
        in_list = ", ".join(f"(:name_{number}, :digest_{number})" for number in range(len(names)))
        session.execute(f"INSERT INTO ops.{OBJECT_TABLE} (name, digest) VALUES {in_list}", values)


def _objects(
    dialect: str, relations: Relations, columns: Columns
) -> Iterator[tuple[str, bool, list[str]]]:
    """Comments and views: a name, whether the object existed before, and its statements."""
    for table in TABLES:
        exists = [(table.schema, table.name) in relations] + [
            (table.schema, table.name, column.name) in columns for column in table.columns
        ]
        for comment, exists_already in zip(comments(table), exists, strict=True):
            yield comment.split(" IS ", 1)[0], exists_already, [comment]
    for view, file in _views().items():
        schema, name = view.split(".")
        exists_already = (schema, name) in relations
        yield f"VIEW {view}", exists_already, create_view(view, sql(file), dialect=dialect)


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _ROWS_AN_INSERT):
        yield names[start : start + _ROWS_AN_INSERT]


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


def _existing_relations(session: Session) -> Relations:
    """All tables and views, as schema and name."""
    return set(session.fetch("SELECT table_schema, table_name FROM information_schema.tables", {}))


def _existing_columns(session: Session) -> Columns:
    """The columns of all tables, as schema, table and column."""
    return set(
        session.fetch(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns", {}
        )
    )


def _add_columns(session: Session) -> None:
    existing = _existing_columns(session)
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
