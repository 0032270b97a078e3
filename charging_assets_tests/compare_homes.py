"""Compare the rows of two homes: `python -m charging_assets_tests.compare_homes HOME_A HOME_B`.

It shows that a change of the code changes no figures: load the same archive into two homes, one
with the code before and one with the code after the change. Compared are the tables and views of
the warehouse, the flat files and the published files. The order of rows, versions, hashes of input
and times of loading are ignored; numbers count as equal up to nine digits.

Tables and columns that only one home has are differences too, unless `--common` is given.
`--rename` maps names of home A to those of home B: of a table (`fact_status=fact_run`), or of a
column in all tables that have it (`.first_at=.first_slot_at`). `--ignore` leaves out a column of
all tables, such as a key that is computed in another way.

Exit code: 0 if there are no differences, 1 if there are, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.text import count_noun
from charging_assets.warehouse.generation import FILE_NAME, FORMER_FILE_NAMES

# What differs between versions of the code although the figures are the same.
VERSION_COLUMNS = frozenset(
    {"code_version", "rule_version", "schema_version", "input_digest", "archive_digest",
     "digest", "generation", "load_id", "loaded_at"}
)  # fmt: skip
FOLDERS = ("flat", "published")
_EXAMPLES = 2
_KEYS = {table.name: table.key for table in TABLES}


class HomeProblem(Exception):
    """A folder that cannot be compared; the message names the remedy."""


@dataclass(frozen=True)
class Renames:
    """Names of home A and what they are called in home B."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, options: Sequence[str]) -> Renames:
        """Of `--rename` options; ValueError for anything that is not OLD=NEW or .OLD=.NEW."""
        tables, columns = {}, {}
        for option in options:
            old, _, new = option.partition("=")
            if not old.strip(".") or not new.strip(".") or old[0:1] == "." != new[0:1]:
                raise ValueError(
                    f"--rename {option}: write OLD=NEW for a table, .OLD=.NEW for a column"
                )
            (columns if old[0] == "." else tables)[old.lstrip(".")] = new.lstrip(".")
        return cls(tables, columns)


def compare_homes(
    home_a: Path,
    home_b: Path,
    renames: Renames | None = None,
    *,
    common: bool = False,
    ignore: Collection[str] = (),
) -> list[str]:
    """Describe each difference; an empty list if both homes have the same rows.

    With `common`, tables and columns that only one home has are left out, and always the columns of
    `ignore`.

    Raises:
        HomeProblem: a home has no warehouse.
    """
    renames, ignored = renames or Renames(), VERSION_COLUMNS | {*ignore}
    differences: list[str] = []
    tables_a, tables_b = _tables(home_a), _tables(home_b)
    by_new_name = {_renamed(name, renames): name for name in tables_a}
    for name in sorted(by_new_name.keys() | tables_b):
        if name not in by_new_name or name not in tables_b:
            if not common:
                only = "the first" if name in by_new_name else "the second"
                differences.append(f"{name}: only {only} home has it")
            continue
        rows_a = _read(home_a, tables_a[by_new_name[name]])
        rows_a = rows_a.rename_columns([renames.columns.get(c, c) for c in rows_a.column_names])
        both = [_without(rows, ignored) for rows in (rows_a, _read(home_b, tables_b[name]))]
        differences += _compare(name, *both, common)
    return differences


def _renamed(name: str, renames: Renames) -> str:
    place, _, table = name.rpartition(".")
    return f"{place}.{renames.tables.get(table, table)}"


def _tables(home: Path) -> dict[str, str]:
    """What can be read of a home: a SELECT by name, `flat` and `published` for files."""
    with closing(_connect(home)) as connection:
        names = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = 'loaded'"
        ).fetchall()
    tables = {
        f"{schema}.{name}": f'SELECT * FROM {schema}."{name}"'
        for schema, name in names
        if schema in DATABASE_SCHEMAS
    }
    for folder in FOLDERS:
        for path in sorted((home / "lake" / folder).glob("*")):
            files = [str(file) for file in sorted(path.rglob("*.parquet"))]
            if files:
                tables[f"{folder}.{path.name}"] = (
                    f"SELECT * FROM read_parquet({files!r}, hive_partitioning = false, "
                    "union_by_name = true)"
                )
    return tables


def _connect(home: Path) -> duckdb.DuckDBPyConnection:
    for name in (FILE_NAME, *FORMER_FILE_NAMES):
        if (home / name).is_file():
            connection = duckdb.connect()
            # A name of its own: a file called as one of its schemas would make names ambiguous.
            connection.execute(f"ATTACH '{home / name}' AS loaded (READ_ONLY); USE loaded")
            return connection
    raise HomeProblem(f"{home} has no warehouse ({FILE_NAME}); load it with `charging-assets load`")


def _read(home: Path, select: str) -> pa.Table:
    with closing(_connect(home)) as connection:
        return connection.sql(select).to_arrow_table()


def _without(rows: pa.Table, ignored: Collection[str]) -> pa.Table:
    return rows.select([name for name in rows.column_names if name not in ignored])


def _compare(name: str, rows_a: pa.Table, rows_b: pa.Table, common: bool) -> list[str]:
    columns_a, columns_b = {*rows_a.column_names}, {*rows_b.column_names}
    differences = []
    if not common:
        for which, only in (("first", columns_a - columns_b), ("second", columns_b - columns_a)):
            if only:
                differences.append(f"{name}: only the {which} home has {', '.join(sorted(only))}")
    columns = sorted(columns_a & columns_b)
    if not columns:
        return differences
    with closing(duckdb.connect()) as connection:
        for alias, rows in (("a", rows_a), ("b", rows_b)):
            comparable = ", ".join(_comparable(rows, column) for column in columns)
            connection.register(f"{alias}_rows", rows)
            connection.execute(f"CREATE TABLE {alias} AS SELECT {comparable} FROM {alias}_rows")
        only_a, only_b = (_except(connection, *pair) for pair in (("a", "b"), ("b", "a")))
        if not only_a.num_rows and not only_b.num_rows:
            return differences
        differences.append(
            f"{name}: {count_noun(only_a.num_rows, 'row')} of {rows_a.num_rows:,} only in the "
            f"first home, {only_b.num_rows:,} of {rows_b.num_rows:,} only in the second"
            + _differing_columns(connection, name, columns)
        )
    for which, rows in (("first", only_a), ("second", only_b)):
        differences += [f"  {which}: {row}" for row in rows.slice(0, _EXAMPLES).to_pylist()]
    return differences


def _comparable(rows: pa.Table, column: str) -> str:
    kind = rows.schema.field(column).type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return f'printf(\'%.9g\', CAST("{column}" AS DOUBLE)) AS "{column}"'
    return f'CAST("{column}" AS VARCHAR) AS "{column}"'


def _except(connection: duckdb.DuckDBPyConnection, of: str, without: str) -> pa.Table:
    return connection.sql(
        f"SELECT * FROM {of} EXCEPT ALL SELECT * FROM {without} ORDER BY ALL"
    ).to_arrow_table()


def _differing_columns(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Sequence[str]
) -> str:
    """In which columns rows with the same key differ, and in how many rows."""
    key = _KEYS.get(name.rpartition(".")[2], ())
    others = [column for column in columns if column not in key]
    if not key or not others or not {*key} <= {*columns}:
        return ""
    counts = ", ".join(
        f'COUNT(*) FILTER (a."{column}" IS DISTINCT FROM b."{column}")' for column in others
    )
    joined = " AND ".join(f'a."{column}" IS NOT DISTINCT FROM b."{column}"' for column in key)
    counted = connection.execute(f"SELECT {counts} FROM a JOIN b ON {joined}").fetchone() or ()
    differing = {column: n for column, n in zip(others, counted, strict=True) if n}
    if not differing:
        return ""
    return "; by key: " + ", ".join(f"{column} in {n:,}" for column, n in differing.items())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m charging_assets_tests.compare_homes", description="Compare two homes."
    )
    parser.add_argument("home_a", type=Path, metavar="HOME_A")
    parser.add_argument("home_b", type=Path, metavar="HOME_B")
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW",
        help="a table of HOME_A, or a .column, and its name in HOME_B",
    )  # fmt: skip
    parser.add_argument(
        "--common", action="store_true", help="ignore tables and columns that only one home has"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="COLUMN", help="leave out a column"
    )
    chosen = parser.parse_args(arguments)
    try:
        differences = compare_homes(
            chosen.home_a,
            chosen.home_b,
            Renames.parse(chosen.rename),
            common=chosen.common,
            ignore=chosen.ignore,
        )
    except (ValueError, HomeProblem) as error:
        parser.error(str(error))
    for difference in differences:
        print(difference)
    print("the homes differ" if differences else "the homes have the same rows")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
