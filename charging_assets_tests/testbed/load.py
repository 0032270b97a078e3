"""Execute COPY of Parquet from S3 in the client's transaction: manifests and strict types."""

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
    """A column of the target table; `type_name` is the result of format_type."""

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
    command: Copy,
    user: str,
    through: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> int:
    """Execute a COPY and return the number of rows; it loads all rows, or none on errors.

    `through` filters the data on the way, to inject faults.

    Raises:
        Refused: Redshift would refuse it.
        BackendError: PostgreSQL refused it.
    """
    objects.check_role(command.iam_role, user, "COPY")
    columns = _targets(backend, command)
    files = [(url, objects.read(url)) for url in _list_urls(objects, command)]
    tables = [_read_file(url, body, columns) for url, body in files]
    names = ", ".join(quoted(column.name) for column in columns)
    into = f"COPY {command.table} ({names}) FROM STDIN (FORMAT csv)"
    return backend.copy_in(into, through(_as_csv(tables)))


def _targets(backend: Backend, command: Copy) -> list[Target]:
    rows = backend.run(
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute "
        f"WHERE attrelid = {literal(command.table)}::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum"
    )
    columns = [Target(str(name), str(kind), nullable == "t") for name, kind, nullable in rows]
    if not command.columns:
        return columns
    by_name = {column.name: column for column in columns}
    for name in command.columns:
        if name not in by_name:
            raise Refused(f'column "{name}" of relation {command.table} does not exist', "42703")
    return [by_name[name] for name in command.columns]


def _list_urls(objects: Objects, command: Copy) -> list[str]:
    if not command.is_manifest:
        urls = objects.urls(command.source)
        if not urls:
            raise internal(
                f"The specified S3 prefix '{command.source.removeprefix('s3://')}' does not exist",
                command.source,
            )
        return urls
    return list(_manifest_urls(objects, command.source))


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
                f"Manifest states {length} bytes for {entry['url']}, which has {size}", source
            )
        yield entry["url"]


def _read_file(url: str, body: bytes, columns: Sequence[Target]) -> pa.Table:
    """Read a file; its types must be exactly those of the table."""
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


def fits(type_name: str, parquet_type: pa.DataType) -> bool:
    """Whether Parquet values of a type fit into a column without any conversion."""
    if type_name.startswith(("character", "json")):
        return pa.types.is_string(parquet_type) or pa.types.is_large_string(parquet_type)
    if type_name == "timestamp without time zone":
        # Nanoseconds would be read as other instants; the time zone of the file is ignored.
        return pa.types.is_timestamp(parquet_type) and parquet_type.unit in {"us", "ms"}
    if type_name.startswith("numeric"):
        precision, _, scale = type_name[8:].rstrip(")").partition(",")
        return bool(parquet_type == pa.decimal128(int(precision), int(scale or 0)))
    return type_name in _EXACT and bool(parquet_type == _EXACT[type_name])


def _as_csv(tables: Sequence[pa.Table]) -> Iterator[bytes]:
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    for rows in tables:
        for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
            csv = io.BytesIO()
            pacsv.write_csv(_writable(batch), csv, options)
            yield csv.getvalue()


def _writable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch for the CSV writer: decimals as text."""
    columns = [
        values.cast(pa.string()) if pa.types.is_decimal(values.type) else values
        for values in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
