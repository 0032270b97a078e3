"""Flat tables as Parquet in the lake: one file per table, feed and hour, replaced in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from charging_assets.hours import Hour
from charging_assets.lake.store import Lake, LakeError, ObjectMissing
from charging_assets.schemas.flat import SCHEMA_VERSION
from charging_assets.schemas.table import Table

# The feed of the flat files of an hour without polls (an accepted gap), which have no rows.
NO_FEED = ""

_VERSION, _CODE, _ARCHIVE = b"schema_version", b"code_version", b"archive_digest"


class StaleFlatFile(Exception):
    """A flat file is missing or of another version; the message names what to materialize."""


@dataclass(frozen=True)
class FlatFile:
    """A flat file of a feed's hour: where it is, what it was made from, and how to read it."""

    lake: Lake
    table: Table
    feed: str
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


@dataclass(frozen=True)
class HourFiles:
    """An hour's flat files of a table; `errors` has, by feed, why its file cannot be used."""

    table: Table
    hour: Hour
    files: Sequence[FlatFile]
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        return sum(file.row_count for file in self.files)

    def read(self) -> pa.Table:
        """The rows of all feeds.

        Raises:
            StaleFlatFile: a file is damaged, of another version, or was replaced since it was
                opened.
        """
        for error in self.errors.values():
            raise StaleFlatFile(error)
        return pa.concat_tables([file.read() for file in self.files])


def flat_folder(table: Table, hour: Hour, feed: str) -> str:
    """The folder that holds a feed's hour of a flat table."""
    return f"flat/{table.name}/feed={feed}/date={hour.start:%Y-%m-%d}/hour={hour.start:%H}/"


def flat_key(table: Table, hour: Hour, feed: str) -> str:
    """Where a feed's hour of a flat table stands in the lake."""
    return f"{flat_folder(table, hour, feed)}{table.name}.parquet"


def flat_feeds(lake: Lake, table: Table) -> list[str]:
    """The feeds that have flat files of a table, of any hour, sorted."""
    prefix = "feed="
    folders = lake.folders(f"flat/{table.name}/")
    return [name.removeprefix(prefix) for name in folders if name.startswith(prefix)]


def write_flat(
    lake: Lake,
    table: Table,
    feed: str,
    hour: Hour,
    rows: pa.Table,
    *,
    archive_digest: str,
    code_version: str,
) -> FlatFile:
    """Write a feed's hour of a flat table: the same rows give the same bytes."""
    with_metadata = rows.replace_schema_metadata(
        {
            _VERSION: str(SCHEMA_VERSION),
            _CODE: code_version,
            _ARCHIVE: archive_digest,
        }
    )
    buffer = pa.BufferOutputStream()
    pq.write_table(with_metadata, buffer, compression="zstd", coerce_timestamps="us")
    body = buffer.getvalue().to_pybytes()
    lake.put(flat_key(table, hour, feed), body)
    return _flat_file(lake, table, feed, hour, body)


def open_flat(lake: Lake, table: Table, feed: str, hour: Hour) -> FlatFile:
    """The flat file of a feed's hour; StaleFlatFile if there is none that this program wrote."""
    try:
        body = lake.get(flat_key(table, hour, feed))
    except ObjectMissing:
        raise StaleFlatFile(_missing(table, hour, feed)) from None
    return _flat_file(lake, table, feed, hour, body)


def open_hour(
    lake: Lake, table: Table, hour: Hour, feeds: Sequence[str] | None = None
) -> HourFiles:
    """The flat files of an hour, by feed. One that cannot be used does not hide the others.

    Args:
        lake: where they are.
        table: the flat table.
        hour: the hour.
        feeds: the result of `flat_feeds`, for several hours; it is looked up where it is None.

    Raises:
        StaleFlatFile: no feed has a file of the hour.
        LakeError: the feeds cannot be listed.
    """
    files: list[FlatFile] = []
    errors: dict[str, str] = {}
    for feed in flat_feeds(lake, table) if feeds is None else feeds:
        try:
            body = lake.get(flat_key(table, hour, feed))
            files.append(_flat_file(lake, table, feed, hour, body))
        except ObjectMissing:
            continue
        except (StaleFlatFile, LakeError) as error:
            errors[feed] = f"{type(error).__name__}: {error}"
    if not files and not errors:
        raise StaleFlatFile(_missing(table, hour))
    return HourFiles(table, hour, files, errors)


def delete_flat(lake: Lake, tables: Sequence[Table], feed: str, hour: Hour) -> bool:
    """Delete the flat files of a feed's hour; whether there was any of the first table."""
    if not lake.keys(flat_folder(tables[0], hour, feed)):
        return False
    # The first table's goes last: until then a deletion that was cut off is repeated.
    for table in reversed(tables):
        lake.delete(flat_key(table, hour, feed))
    return True


def _missing(table: Table, hour: Hour, feed: str = NO_FEED) -> str:
    whose = f" of feed {feed}" if feed else ""
    return f"{table.name} has no file{whose} for {hour}; materialize the flat tables of {hour}"


def _flat_file(lake: Lake, table: Table, feed: str, hour: Hour, body: bytes) -> FlatFile:
    key = flat_key(table, hour, feed)
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
        feed=feed,
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
