"""Publish dimensions, facts and marts as Parquet in the lake, for readers without a database.

Published columns change only with a major version. The same rows give the same bytes, and a file
whose bytes do not change is not written again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from charging_assets.hours import Hour, to_naive_utc
from charging_assets.lake.store import Lake, ObjectMissing
from charging_assets.schemas import bridges, dimensions, facts, flat, marts
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table
from charging_assets.warehouse.interface import Reader, Warehouse

DIMENSIONS = (
    dimensions.DIM_STATION, dimensions.DIM_EVSE, dimensions.DIM_CONNECTOR, dimensions.DIM_TIME,
    bridges.BRIDGE_STATION_OPENING, bridges.BRIDGE_EVSE_CAPABILITY,
    bridges.BRIDGE_EVSE_ALIAS,
)  # fmt: skip
BY_DAY = (
    marts.MART_EVSE_HOUR, marts.MART_STATION_HOUR, facts.FACT_POLL, facts.FACT_STATUS,
    flat.FLAT_REJECTS,
)  # fmt: skip
# Place and operator are those of the local day, which overlaps the UTC day before or after.
BY_LOCAL_DAY = marts.CITY_HOUR
# A session lasts at most seven days: an hour can change sessions that began seven days before.
SESSIONS = facts.FACT_CHARGING_SESSION
_SESSION_DAYS = 8
# By the month of a local time, which is a column of the table.
BY_MONTH = {
    marts.MART_STATION_DAY: "local_date",
    marts.MART_CITY_DAY: "local_date",
    marts.MART_OPERATOR_MONTH: "local_month",
}
# Files per connection: an hour needs one connection; between those of a month, loads can run.
_FILES_A_READING = 32
# Rows in memory at a time; changing it changes the bytes of large files.
_ROW_GROUP = 1 << 20
PUBLISHED: tuple[Table, ...] = (*DIMENSIONS, *BY_DAY, BY_LOCAL_DAY, SESSIONS, *BY_MONTH)
# Local time is up to 12 hours behind UTC and up to 14 ahead; a late hour can change sessions, and
# so days, until eight days after it.
_BEHIND, _AHEAD = timedelta(hours=12 + 31), timedelta(days=8, hours=14)


@dataclass(frozen=True)
class _File:
    table: Table
    folder: str
    column: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def key(self) -> str:
        return f"published/{self.table.name}/{self.folder}{self.table.name}.parquet"


def publish(lake: Lake, warehouse: Warehouse, *hours: Hour) -> dict[str, int]:
    """Write the files that some hours affect, each once, from the warehouse.

    Returns the row count of each written file, by key. No file is created for zero rows, but an
    existing file whose rows are all gone becomes an empty one.
    """
    written = {}
    files = list(dict.fromkeys(file for hour in hours for file in _files(hour)))
    for at in range(0, len(files), _FILES_A_READING):
        with warehouse.reading() as reader:
            batch = files[at : at + _FILES_A_READING]
            if at + _FILES_A_READING >= len(files):
                batch += [file for file in _last_months(reader, *hours) if file not in files]
            for file in batch:
                existing = _read_existing(lake, file.key)
                body, row_count = _encode(_select(reader, file), arrow_schema(file.table))
                if existing is None and not row_count:
                    continue
                if body != existing:
                    lake.put(file.key, body)
                    written[file.key] = row_count
    return written


def published_counts(lake: Lake, warehouse: Reader, hour: Hour) -> dict[str, tuple[int, int]]:
    """The files that an hour affects: their row counts, and those of the warehouse."""
    files = list(dict.fromkeys([*_files(hour), *_last_months(warehouse, hour)]))
    bodies = [_read_existing(lake, file.key) for file in files]
    rows = [pq.read_metadata(pa.BufferReader(body)).num_rows if body else 0 for body in bodies]
    selects, params = [], dict[str, datetime | None]()
    for number, file in enumerate(files):
        where, file_params = _where(file, str(number))
        select = f"SELECT {number} AS file_number, COUNT(*) AS row_count"
        selects.append(f"{select} FROM {file.table.full_name}{where}")
        params |= file_params
    counts = warehouse.query(" UNION ALL ".join(selects), params).to_pylist()
    expected = {row["file_number"]: row["row_count"] for row in counts}
    return {file.key: (rows[number], expected[number]) for number, file in enumerate(files)}


def _files(hour: Hour) -> Iterator[_File]:
    for table in DIMENSIONS:
        yield _File(table, "")
    day = to_naive_utc(hour.start).replace(hour=0)
    for table in BY_DAY:
        yield _of_day(table, day)
    for days in (-1, 0, 1):
        yield _of_day(BY_LOCAL_DAY, day + timedelta(days=days))
    for before in range(_SESSION_DAYS, -2, -1):
        yield _of_day(SESSIONS, day - timedelta(days=before))
    at = to_naive_utc(hour.start)
    months = sorted({_month(at - _BEHIND), _month(at + _AHEAD)})
    for table, column in BY_MONTH.items():
        for month in months:
            yield _of_month(table, column, month)


def _last_months(warehouse: Reader, *hours: Hour) -> list[_File]:
    """Each feed's last month before some hours: its window may have ended with its last poll."""
    table, column = marts.MART_OPERATOR_MONTH, "local_month"
    last_months = (
        f"SELECT MAX({column}) AS {column} FROM {table.full_name} "
        f"WHERE {column} < :month GROUP BY feed"
    )
    months = set[datetime]()
    for month in {_month(to_naive_utc(hour.start) - _BEHIND) for hour in hours}:
        rows = warehouse.query(
            f"SELECT DISTINCT {column} FROM ({last_months}) AS last_months", {"month": month}
        )
        months.update(rows.column(column).to_pylist())
    return [_of_month(table, column, month) for month in sorted(months)]


def _of_day(table: Table, day: datetime) -> _File:
    return _File(table, f"date={day:%Y-%m-%d}/", "slot_at", day, day + timedelta(days=1))


def _of_month(table: Table, column: str, month: datetime) -> _File:
    end = _month(month + timedelta(days=32))
    return _File(table, f"month={month:%Y-%m}/", column, month, end)


def _month(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _where(file: _File, number: str = "") -> tuple[str, dict[str, datetime | None]]:
    if not file.column:
        return "", {}
    where = f" WHERE {file.column} >= :start_at{number} AND {file.column} < :end_at{number}"
    return where, {f"start_at{number}": file.start, f"end_at{number}": file.end}


def _select(warehouse: Reader, file: _File) -> Iterator[pa.Table]:
    table = file.table
    where, params = _where(file)
    return warehouse.query_batches(
        f"SELECT {', '.join(table.names)} FROM {table.full_name}{where} "
        f"ORDER BY {', '.join(table.key)}",
        params,
    )


def _encode(batches: Iterator[pa.Table], schema: pa.Schema) -> tuple[bytes, int]:
    """Rows as Parquet, and their number. The bytes do not depend on the engine's batches."""
    buffer, row_count = pa.BufferOutputStream(), 0
    with pq.ParquetWriter(buffer, schema, compression="zstd", coerce_timestamps="us") as writer:
        for rows in _row_groups(batches, schema):
            # In one chunk: chunks of a column would change the bytes.
            writer.write_table(rows.combine_chunks(), row_group_size=_ROW_GROUP)
            row_count += rows.num_rows
    body: bytes = buffer.getvalue().to_pybytes()
    return body, row_count


def _row_groups(batches: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Rows in parts of a row group each; one empty part without rows."""
    pending = schema.empty_table()
    is_empty = True
    for batch in batches:
        pending = pa.concat_tables([pending, batch.cast(schema)])
        while pending.num_rows >= _ROW_GROUP:
            yield pending.slice(0, _ROW_GROUP)
            pending, is_empty = pending.slice(_ROW_GROUP), False
    if pending.num_rows or is_empty:
        yield pending


def _read_existing(lake: Lake, key: str) -> bytes | None:
    try:
        return lake.get(key)
    except ObjectMissing:
        return None
