"""Compares recomputed rows with the tables of a warehouse.

Times may differ by a millisecond and durations by two: bounds have milliseconds, and the middle of
two lies between them. All else must be equal.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

WAREHOUSE = "charging.duckdb"
EXAMPLES = 3

Row = tuple[Any, ...]


@dataclass
class Differences:
    """What differs in a table: how often in each column, with the first examples."""

    table: str
    row_count: int = 0
    column_count: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, column: str, example: str) -> None:
        self.counts[column] += 1
        examples = self.examples.setdefault(column, [])
        if len(examples) < EXAMPLES:
            examples.append(example)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def lines(self) -> Iterator[str]:
        counted = f"{self.row_count:>10,} rows  {self.column_count:>2} columns"
        yield f"{self.table:<32}{counted}  {self.total:,} differences"
        for column, count in sorted(self.counts.items()):
            yield f"    {column}: {count:,}"
            yield from (f"        {example}" for example in self.examples[column])


@contextmanager
def open_warehouse(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of a home, read only; a copy of it where another process writes to it."""
    path = home / WAREHOUSE
    with tempfile.TemporaryDirectory() as folder:
        try:
            connection = duckdb.connect(str(path), read_only=True)
        except duckdb.IOException:
            for part in (path, path.with_name(f"{path.name}.wal")):
                if part.exists():
                    shutil.copy(part, folder)
            connection = duckdb.connect(str(Path(folder) / path.name))
        try:
            yield connection
        finally:
            connection.close()


def existing_columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    """The columns of a table; none where there is no such table."""
    schema, name = table.split(".")
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ?",
        [schema, name],
    ).fetchall()
    return {column for (column,) in rows}


def compare(
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    expected: Iterable[Row],
    actual: Iterable[Row],
    missing_columns: Sequence[str] = (),
) -> Differences:
    """Every column of every row, found by its key; rows have the key first, then the columns.

    `missing_columns` are those that the table does not have: neither are they in `columns`.
    """
    differences = Differences(table, column_count=len(key) + len(columns))
    for column in missing_columns:
        differences.add(column, "the table has no such column")
    stored = _by_key(differences, len(key), actual, "in the warehouse")
    recomputed = _by_key(differences, len(key), expected, "recomputed")
    differences.row_count = len(recomputed.keys() | stored.keys())
    differing = [
        row_key
        for row_key, mine in recomputed.items()
        if mine != stored.get(row_key) and not _are_equal(columns, mine, stored.get(row_key))
    ]
    for row_key in sorted([*differing, *(stored.keys() - recomputed.keys())], key=repr):
        mine, theirs = recomputed.get(row_key), stored.get(row_key)
        where = ", ".join(f"{name} {value}" for name, value in zip(key, row_key, strict=True))
        if mine is None or theirs is None:
            side = "the recomputation" if mine is None else "the warehouse"
            differences.add("(row)", f"{where}: no such row in {side}")
            continue
        for column, value, other in zip(columns, mine, theirs, strict=True):
            if not _is_equal(column, value, other):
                differences.add(column, f"{where}: warehouse {other!s}, recomputed {value!s}")
    return differences


def _by_key(
    differences: Differences, key_length: int, rows: Iterable[Row], side: str
) -> dict[Row, Row]:
    by_key: dict[Row, Row] = {}
    for row in rows:
        row_key = row[:key_length]
        if row_key in by_key:
            differences.add("(row)", f"{row_key}: twice {side}")
        by_key[row_key] = row[key_length:]
    return by_key


def _are_equal(columns: Sequence[str], mine: Row, theirs: Row | None) -> bool:
    return theirs is not None and all(map(_is_equal, columns, mine, theirs))


def _is_equal(column: str, mine: Any, theirs: Any) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    if isinstance(mine, datetime):
        return abs(mine - theirs) <= timedelta(milliseconds=1)
    if column == "dwell_s":  # rounded sums of durations
        return abs(mine - theirs) <= 1
    if isinstance(mine, float) or isinstance(theirs, float):
        tolerance = {"duration": 0.002, "energy": 0.001}.get(column.split("_")[0], 1e-9)
        return abs(mine - theirs) <= tolerance
    return bool(mine == theirs)
