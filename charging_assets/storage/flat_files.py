"""Flat tables as Parquet in the lake: one file a table and hour, replaced in one step.

Belongs here: the files' keys, metadata and versions. Does not belong here: how rows are made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from charging_assets.partitions import Hour
from charging_assets.schemas.flat import SCHEMA_VERSION
from charging_assets.schemas.table import Table
from charging_assets.storage.lake import Lake, ObjectMissing

_VERSION, _CODE, _ARCHIVE = b"schema_version", b"code_version", b"archive_digest"


class StaleFlatFile(Exception):
    """A flat file is missing or of another version; the message says what to materialize."""


@dataclass(frozen=True)
class FlatFile:
    """A flat file of an hour: where it is, what it was made from, and how to read it."""

    lake: Lake
    table: Table
    hour: Hour
    key: str
    uri: str
    row_count: int
    byte_count: int
    digest: str
    archive_digest: str
    code_version: str

    def read(self) -> pa.Table:
        """The rows; StaleFlatFile if the file is damaged, or was replaced since it was opened.

        Only read when rows are wanted: a run over a range opens the files of all of its hours.
        """
        body = self.lake.get(self.key)
        if _digest(body) != self.digest:
            raise StaleFlatFile(
                f"{self.key} was replaced while it was loaded; load {self.hour} again"
            )
        with _damage_as_stale(self.key, self.hour):
            # An hour is small: threads cost more than they bring.
            rows = pq.ParquetFile(pa.BufferReader(body)).read(use_threads=False)
        return rows.replace_schema_metadata(None)


def flat_key(table: Table, hour: Hour) -> str:
    """Where an hour of a flat table stands in the lake."""
    day = f"{hour.start:%Y-%m-%d}"
    return f"flat/{table.name}/date={day}/hour={hour.start:%H}/{table.name}.parquet"


def write_flat(
    lake: Lake, table: Table, hour: Hour, rows: pa.Table, *, archive_digest: str, code_version: str
) -> FlatFile:
    """Write an hour of a flat table: the same rows give the same bytes."""
    described = rows.replace_schema_metadata(
        {
            _VERSION: str(SCHEMA_VERSION),
            _CODE: code_version,
            _ARCHIVE: archive_digest,
        }
    )
    buffer = pa.BufferOutputStream()
    pq.write_table(described, buffer, compression="zstd", coerce_timestamps="us")
    body = buffer.getvalue().to_pybytes()
    key = flat_key(table, hour)
    lake.put(key, body)
    return _flat_file(lake, table, hour, body)


def open_flat(lake: Lake, table: Table, hour: Hour) -> FlatFile:
    """The flat file of an hour; StaleFlatFile if there is none that this program wrote."""
    try:
        body = lake.get(flat_key(table, hour))
    except ObjectMissing:
        raise StaleFlatFile(
            f"{table.name} has no file for {hour}; materialize the flat tables of {hour}"
        ) from None
    return _flat_file(lake, table, hour, body)


def _flat_file(lake: Lake, table: Table, hour: Hour, body: bytes) -> FlatFile:
    key = flat_key(table, hour)
    with _damage_as_stale(key, hour):
        footer = pq.read_metadata(pa.BufferReader(body))
    metadata = footer.metadata or {}
    version = metadata.get(_VERSION, b"none").decode()
    if version != str(SCHEMA_VERSION):
        raise StaleFlatFile(
            f"{key} has schema version {version}, this program reads {SCHEMA_VERSION}; "
            f"materialize the flat tables of {hour} again"
        )
    return FlatFile(
        lake=lake,
        table=table,
        hour=hour,
        key=key,
        uri=lake.uri(key),
        row_count=footer.num_rows,
        byte_count=len(body),
        digest=_digest(body),
        archive_digest=metadata[_ARCHIVE].decode(),
        code_version=metadata[_CODE].decode(),
    )


@contextmanager
def _damage_as_stale(key: str, hour: Hour) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise StaleFlatFile(
            f"{key} is damaged: {error}; materialize the flat tables of {hour} again"
        ) from error


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
