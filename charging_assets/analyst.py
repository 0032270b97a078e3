"""The warehouse for analysts: read only, into pandas or any tool that takes an SQLAlchemy engine.

import charging_assets
charging = charging_assets.connect()
charging.sql("SELECT place, COUNT(*) AS polls FROM warehouse.fact_poll GROUP BY place")

import pandas as pd
pd.read_sql("SELECT * FROM mart.mart_city_day", charging_assets.engine())
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import sql_type
from charging_assets.schemas.table import Table
from charging_assets.unknown_names import explain, names_of, table_problem
from charging_assets.warehouse.interface import QueryRefused, Warehouse
from charging_assets.warehouse.migrations import view_names
from charging_assets.warehouse.sqlalchemy_engine.engine import engine_of, execute, warehouse_errors

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sa


# First words of a SELECT.
_QUERY_WORDS = frozenset({"", "SELECT", "WITH", "FROM", "TABLE"})


class QueryError(ValueError):
    """A query that cannot be run; the message names the problem and the remedy."""


class Connection:
    """Read-only access to a warehouse. Each query opens it and closes it, so loads can run."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._engine = engine_of(warehouse)

    def __repr__(self) -> str:
        return f"<charging_assets connection, read only: {self._warehouse.describe()}>"

    def sql(self, query: str, **params: Any) -> pd.DataFrame:
        """Rows of one SELECT in the Redshift dialect; `:name` is bound to the parameter `name`.

        Raises:
            QueryError: not exactly one SELECT, or a failing one; the message names an unknown table
                or column and suggests similar names.
            NoWarehouse: nothing is loaded yet.
        """
        missing = sorted(_parameters(query) - params.keys())
        if missing:
            raise QueryError(
                f"the query has a parameter :{missing[0]}; call sql(..., {missing[0]}=...)"
            )
        values = {name: _utc(value) for name, value in params.items()}
        try:
            with warehouse_errors(), self._engine.connect() as connection:
                # The cursor's table rather than its rows: Arrow keeps the types of empty columns.
                frame: pd.DataFrame = execute(connection, query, values).cursor.table.to_pandas()
        except QueryRefused as error:
            explanation = explain(query, str(error), names_of(self._warehouse))
            raise QueryError(explanation or str(error)) from error
        return frame

    def tables(self) -> pd.DataFrame:
        """All tables: schema, table, grain."""
        import pandas as pd

        rows = [(each.schema, each.name, each.grain) for each in TABLES]
        return pd.DataFrame(rows, columns=["schema", "table", "grain"])

    def columns(self, name: str) -> pd.DataFrame:
        """The columns of a table: name, type, unit, meaning."""
        import pandas as pd

        rows = [(c.name, sql_type(c).lower(), c.unit, c.meaning) for c in _table(name).columns]
        return pd.DataFrame(rows, columns=["column", "type", "unit", "meaning"])

    def table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        start: datetime | date | str | None = None,
        end: datetime | date | str | None = None,
    ) -> pd.DataFrame:
        """Rows of a table, ordered by its key, with `slot_at` in `[start, end)` (UTC)."""
        source = _table(name)
        chosen = tuple(columns) if columns is not None else source.names
        unknown = sorted(set(chosen) - set(source.names))
        if unknown or not chosen:
            raise QueryError(
                f"{source.full_name} has no column {', '.join(unknown) or '(none given)'}; "
                f"it has {', '.join(source.names)}"
            )
        bounds = {"start": start, "end": end}
        params = {key: _instant(value, key) for key, value in bounds.items() if value is not None}
        if params and "slot_at" not in source.names:
            raise QueryError(f"{source.full_name} has no slot_at; omit start and end")
        terms = [f"slot_at {'>=' if key == 'start' else '<'} :{key}" for key in params]
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        return self.sql(
            f"SELECT {', '.join(chosen)} FROM {source.full_name}{where} "
            f"ORDER BY {', '.join(source.key)}",
            **params,
        )


def connect(environment: Mapping[str, str] | None = None) -> Connection:
    """Read-only access to the deployment's warehouse; DeploymentError where there is none such."""
    from charging_assets import deployments

    return Connection(deployments.warehouse(environment))


def engine(environment: Mapping[str, str] | None = None) -> sa.Engine:
    """A read-only SQLAlchemy engine for the deployment's warehouse.

    Statements are in the dialect of the engine itself: DuckDB's, or Redshift's. Each runs by
    itself, so that an open connection keeps no load waiting; what is not a SELECT is refused with
    `sqlalchemy.exc.ProgrammingError`. A result is fetched as a whole.

    Raises:
        DeploymentError: there is no such deployment, or its settings are incomplete.
    """
    from charging_assets import deployments

    return engine_of(deployments.warehouse(environment))


def _parameters(query: str) -> set[str]:
    """The parameters of one SELECT; QueryError for anything else.

    The engine limits what a SELECT can read: DuckDB is opened without access to other files and
    checks the statement type again; Redshift applies the user's permissions.
    """
    import sqlglot
    from sqlglot import exp

    try:
        statements = [each for each in sqlglot.parse(query, read="redshift") if each is not None]
    except sqlglot.errors.SqlglotError as error:
        if (word := _first_word(query)) not in _QUERY_WORDS:
            raise QueryError(_not_a_query(word)) from error
        raise QueryError(f"invalid SQL (Redshift dialect): {error}") from error
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements; pass one SELECT per call")
    tree = statements[0]
    changing = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Pragma, exp.Attach)
    # In sqlglot a SELECT is itself DML and DDL.
    inner = [each for each in tree.find_all(*changing) if not isinstance(each, exp.Query)]
    if not isinstance(tree, exp.Query) or inner:
        word = _first_word(query)
        raise QueryError(_not_a_query(inner[0].key.upper() if word in _QUERY_WORDS else word))
    for source in tree.find_all(exp.Table):
        if not source.name.replace("_", "").isalnum() and not isinstance(source.this, exp.Func):
            raise QueryError(f"{source.name!r} is not a table; see .tables()")
    return {str(each.this) for each in tree.find_all(exp.Placeholder)}


def _first_word(query: str) -> str:
    """First word of the statement, such as COPY or EXPLAIN; empty if it has none."""
    words = re.search(r"[A-Za-z_]+", re.sub(r"/\*.*?\*/|--[^\n]*", " ", query, flags=re.DOTALL))
    return words[0].upper() if words else ""


def _not_a_query(statement: str) -> str:
    return f"{statement} is not a SELECT; this connection only reads, pass one SELECT"


def _table(name: str) -> Table:
    for each in TABLES:
        if name in {each.name, each.full_name}:
            return each
    for view in view_names():
        if name in {view, view.rpartition(".")[2]}:
            raise QueryError(f"{view} is a view; read it with .sql('SELECT * FROM {view}')")
    tables = {each.full_name: each.names for each in TABLES}
    raise QueryError(table_problem(name, tables) or f"there is no table {name}")


def _instant(value: datetime | date | str, name: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    except ValueError:
        raise QueryError(f"{name}={value!r} is not a time; give 2022-01-11 or a datetime") from None
    naive: datetime = _utc(parsed)
    return naive


def _utc(value: Any) -> Any:
    """An aware time as naive UTC, as in the tables; other values unchanged."""
    aware = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC).replace(tzinfo=None) if aware else value
