"""Generations of the warehouse: whether this version of the code can keep its tables.

Additive changes within a generation are in `migrate`. Until the first release, a warehouse of
another generation is never converted: it is renamed (DuckDB) or refused (Redshift), and loaded
again from the archive, which is never migrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.schemas.table import Table, Type
from charging_assets.warehouse.interface import WarehouseError

# Raise by one when loaded rows are not compatible with new rows: other input of hashed keys, a
# column that becomes required, is renamed or changes its type, or another file format.
#   1  warehouse.duckdb, in the newest storage format of the DuckDB that made it; no ops.generation
#   2  charging.duckdb, in the storage format of DuckDB 1.4
#   3  ops.flat_rejects.reject_count is required
#   4  ops.ledger and ops.gaps have rows per feed
#   5  staging.flat_status has a row per run of equal status, not per poll
GENERATION = 5
GENERATION_TABLE = "generation"
DIGEST_TABLE = "schema_digest"

# DuckDB names an attached file by its stem. A stem that is also a schema makes every name of that
# schema ambiguous, also in views: `warehouse.dim_station` in the database `warehouse`.
FILE_NAME = "charging.duckdb"
FORMER_FILE_NAMES = ("warehouse.duckdb",)


class Session(Protocol):
    """What a comparison needs of a connection."""

    def fetch(self, sql: str, params: dict[str, Any]) -> Sequence[tuple[Any, ...]]: ...


def generation_of(session: Session) -> int | None:
    """The generation of a database; None if this project has loaded nothing into it."""
    rows = session.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ops'", {}
    )
    tables = {str(name) for (name,) in rows}
    if GENERATION_TABLE in tables:
        rows = session.fetch(f"SELECT MAX(generation) FROM ops.{GENERATION_TABLE}", {})
        return int(rows[0][0] or 1)
    return 1 if DIGEST_TABLE in tables else None


@dataclass(frozen=True)
class Mismatch:
    """A database whose tables cannot be kept: its generation and a short reason."""

    generation: int
    reason: str


def find_mismatch(session: Session) -> Mismatch | None:
    """Return why the tables cannot be kept; None if they can, at most with new columns.

    Raises:
        WarehouseError: a newer version of this project made the database.
    """
    generation = generation_of(session)
    if generation is not None and generation > GENERATION:
        raise WarehouseError(
            f"the warehouse is of generation {generation}, made by a newer version of "
            f"charging_assets; this version knows generation {GENERATION}. Update this "
            "installation, or set another CHARGING_HOME (or another Redshift database)"
        )
    if generation is not None and generation < GENERATION:
        return Mismatch(generation, f"this version needs generation {GENERATION}")
    reason = _incompatibility(session)
    return Mismatch(GENERATION, reason) if reason else None


def _incompatibility(session: Session) -> str | None:
    """Return the first incompatible table that changed without a new `GENERATION`, as a reason."""
    columns = {
        (schema, table, column): (str(data_type), nullable == "YES")
        for schema, table, column, data_type, nullable in session.fetch(
            "SELECT table_schema, table_name, column_name, data_type, is_nullable "
            "FROM information_schema.columns",
            {},
        )
        if schema in DATABASE_SCHEMAS
    }
    return next(
        (reason for table in TABLES if (reason := _table_incompatibility(table, columns))), None
    )


def _table_incompatibility(
    table: Table, columns: dict[tuple[str, str, str], tuple[str, bool]]
) -> str | None:
    existing = {
        name: kind
        for (schema, of_table, name), kind in columns.items()
        if (schema, of_table) == (table.schema, table.name)
    }
    if not existing:
        return None
    for column in table.columns:
        if column.name not in existing:
            if not column.nullable:
                return f"{table.full_name} lacks the column {column.name}, which is required"
        elif not existing[column.name][0].lower().startswith(_TYPE_NAMES[column.type]):
            return f"{table.full_name}.{column.name} is of type {existing[column.name][0].lower()}"
    for name, (_, nullable) in existing.items():
        if name not in table.names and not nullable:
            return f"{table.full_name} has a required column {name}, which is not known"
    return None


# As information_schema spells them on either engine.
_TYPE_NAMES: dict[Type, tuple[str, ...]] = {
    Type.TEXT: ("character varying", "varchar"),
    Type.BOOLEAN: ("boolean",),
    Type.SMALLINT: ("smallint",),
    Type.INTEGER: ("integer",),
    Type.BIGINT: ("bigint",),
    Type.DOUBLE: ("double",),
    Type.TIMESTAMP: ("timestamp without", "timestamp"),
}
