"""COPY of Parquet from S3, inside the client's transaction.

Belongs here: manifests, strict types and columns by position. Does not belong here: the words of a
COPY (`copy_options`) or the protocol.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from charging_assets_tests.testbed.backend import Backend
from charging_assets_tests.testbed.copy_options import Copy
from charging_assets_tests.testbed.errors import Refused, internal
from charging_assets_tests.testbed.objects import Objects
from charging_assets_tests.testbed.tokens import literal, quoted

_BATCH_ROWS = 65536


@dataclass(frozen=True)
class Target:
    """A column of the table that is loaded, in order; `type_name` as format_type tells it."""

    name: str
    type_name: str
    is_nullable: bool

    @property
    def byte_limit(self) -> int | None:
        if not self.type_name.startswith("character varying("):
            return None
        return int(self.type_name.partition("(")[2].rstrip(")"))


def copy(
    backend: Backend,
    objects: Objects,
    wanted: Copy,
    user: str,
    through: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> int:
    """Do a COPY; the number of rows. Refused or BackendError leave nothing of it behind.

    `through` is what the data passes on its way, for faults.
    """
    objects.check_role(wanted.iam_role, user)
    columns = _targets(backend, wanted)
    files = [(url, objects.read(url)) for url in _listed(objects, wanted)]
    tables = [_checked(url, body, columns) for url, body in files]
    names = ", ".join(quoted(column.name) for column in columns)
    into = f"COPY {wanted.table} ({names}) FROM STDIN (FORMAT csv)"
    return backend.copy_in(into, through(_as_csv(tables)))


def _targets(backend: Backend, wanted: Copy) -> list[Target]:
    rows = backend.run(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute "
        f"WHERE attrelid = {literal(wanted.table)}::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum"
    )
    found = [Target(str(name), str(kind), nullable == "t") for name, kind, nullable in rows]
    if not wanted.columns:
        return found
    by_name = {column.name: column for column in found}
    for name in wanted.columns:
        if name not in by_name:
            raise Refused(f'column "{name}" of relation {wanted.table} does not exist', "42703")
    return [by_name[name] for name in wanted.columns]


def _listed(objects: Objects, wanted: Copy) -> list[str]:
    if not wanted.is_manifest:
        found = objects.urls(wanted.source)
        if not found:
            raise internal(
                f"The specified S3 prefix '{wanted.source.removeprefix('s3://')}' does not exist",
                wanted.source,
            )
        return found
    return list(_manifest_urls(objects, wanted.source))


def _manifest_urls(objects: Objects, source: str) -> Iterator[str]:
    try:
        entries = json.loads(objects.read(source))["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise internal("Manifest file is not in correct json format", source) from error
    for entry in entries:
        length = (entry.get("meta") or {}).get("content_length")
        if not isinstance(length, int):
            raise internal(
                "Invalid manifest file: meta.content_length is required for columnar formats",
                source,
            )
        try:
            size = len(objects.read(entry["url"]))
        except Refused:
            if entry.get("mandatory", False):
                raise
            continue
        if size != length:
            raise internal(
                f"Manifest says {length} bytes for {entry['url']}, which has {size}", source
            )
        yield entry["url"]


def _checked(url: str, body: bytes, columns: Sequence[Target]) -> pa.Table:
    """A file's rows, if their types are exactly the table's."""
    try:
        rows = pq.read_table(io.BytesIO(body))
    except pa.ArrowException as error:
        raise internal(
            "Spectrum Scan Error", f"File '{url}' is not valid Parquet", code=15007
        ) from error
    if rows.num_columns != len(columns):
        raise internal(
            "Spectrum Scan Error",
            f"Unmatched number of columns between table and file. Table columns: {len(columns)}, "
            f"Data columns: {rows.num_columns}, File name: {url}",
            code=15007,
        )
    for column, field, values in zip(columns, rows.schema, rows.columns, strict=True):
        if not fits(column.type_name, field.type):
            raise internal(
                "Spectrum Scan Error",
                f"File '{url}' has an incompatible Parquet schema for column '{column.name}'. "
                f"Column type: {column.type_name.upper()}, Parquet schema: {field.type}",
                code=15007,
            )
        _check_values(url, column, values)
    return rows.rename_columns([column.name for column in columns])


def _check_values(url: str, column: Target, values: pa.ChunkedArray) -> None:
    if values.null_count and not column.is_nullable:
        raise internal(
            f"Cannot COPY a NULL value into column {column.name}", f"File '{url}'", code=8007
        )
    limit = column.byte_limit
    if limit is None or values.null_count == len(values):
        return
    longest = pc.max(pc.binary_length(values)).as_py()
    if longest > limit:
        raise internal(
            "Spectrum Scan Error",
            f"The length of the data column {column.name} is longer than the length defined in "
            f"the table. Table: {limit}, Data: {longest}, File name: {url}",
            code=15007,
        )


_EXACT: dict[str, Any] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


def fits(type_name: str, found: pa.DataType) -> bool:
    """Whether Parquet values of a type go into a column without any conversion."""
    if type_name.startswith(("character", "json")):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    if type_name == "timestamp without time zone":
        # Nanoseconds are read as other instants; which zone a file means is not asked.
        return pa.types.is_timestamp(found) and found.unit in {"us", "ms"}
    if type_name.startswith("numeric"):
        precision, _, scale = type_name[8:].rstrip(")").partition(",")
        return bool(found == pa.decimal128(int(precision), int(scale or 0)))
    return type_name in _EXACT and bool(found == _EXACT[type_name])


def _as_csv(tables: Sequence[pa.Table]) -> Iterator[bytes]:
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    for rows in tables:
        for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
            written = io.BytesIO()
            pacsv.write_csv(_writable(batch), written, options)
            yield written.getvalue()


def _writable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch as the CSV writer takes it: decimals as text."""
    columns = [
        values.cast(pa.string()) if pa.types.is_decimal(values.type) else values
        for values in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
