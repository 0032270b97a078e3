"""SQLAlchemy's dialect of DuckDB: duckdb-engine's, with reflection that works on SQLAlchemy 2.1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb_engine
import sqlalchemy as sa

from charging_assets.warehouse.sqlalchemy_engine.reflected_types import reflect_type

_COLUMNS = """
SELECT schema_name, table_name, column_name, data_type, is_nullable, column_default, comment
FROM duckdb_columns()
WHERE database_name = current_database()
    AND schema_name = COALESCE(CAST(:schema AS VARCHAR), current_schema())
ORDER BY schema_name, table_name, column_index
"""


def _same_for_all(value: Any) -> Any:
    """A method of a dialect that reflects the same of every table."""

    def reflect(
        self: Any,
        connection: sa.Connection,
        schema: str | None = None,
        filter_names: Sequence[str] | None = None,
        **_: Any,
    ) -> Any:
        names = filter_names or self.get_table_names(connection, schema)
        return {(schema, name): value for name in names}.items()

    return reflect


class DuckDBDialect(duckdb_engine.Dialect):
    """duckdb-engine's dialect, with columns read from DuckDB's own catalog.

    duckdb-engine 0.17 inherits SQLAlchemy's queries of PostgreSQL's catalog. Those of SQLAlchemy
    2.1 read tables that DuckDB does not have. Types that the warehouse does not use are not
    reflected.
    """

    supports_statement_cache = False

    def initialize(self, connection: sa.Connection) -> None:
        """Set what duckdb-engine would query first: each statement opens the file."""
        self.server_version_info, self.default_schema_name = (8, 0), "main"

    def get_multi_columns(  # type: ignore[override]  # the library's own types do not agree
        self,
        connection: sa.Connection,
        schema: str | None = None,
        filter_names: Sequence[str] | None = None,
        **_: Any,
    ) -> Any:
        tables: dict[tuple[str | None, str], list[dict[str, Any]]] = {}
        # Inspectors name schemas of other databases too, as `database.schema`.
        name = schema.rpartition(".")[2] if schema else None
        for row in connection.execute(sa.text(_COLUMNS), {"schema": name}):
            if filter_names is None or row.table_name in filter_names:
                column = {
                    "name": row.column_name,
                    "type": reflect_type(row.data_type),
                    "nullable": row.is_nullable,
                    "default": row.column_default,
                    "comment": row.comment,
                    "autoincrement": False,
                }
                tables.setdefault((schema, row.table_name), []).append(column)
        return tables.items()

    # The warehouse declares no constraints: the keys of tables are in the data dictionary.
    get_multi_pk_constraint = _same_for_all({"constrained_columns": [], "name": None})
    get_multi_foreign_keys = _same_for_all([])
    get_multi_unique_constraints = _same_for_all([])
    get_multi_check_constraints = _same_for_all([])
    get_multi_indexes = _same_for_all([])
    get_multi_table_comment = _same_for_all({"text": None})
    get_multi_table_options = _same_for_all({})

    def get_indexes(self, *_: Any, **__: Any) -> Any:
        return []  # without duckdb-engine's warning that it cannot reflect any
