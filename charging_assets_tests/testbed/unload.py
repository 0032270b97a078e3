"""Execute UNLOAD as Parquet to S3, with the rights of the client's database user."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from charging_assets_tests.testbed.backend import Backend
from charging_assets_tests.testbed.errors import Refused, internal
from charging_assets_tests.testbed.objects import Objects
from charging_assets_tests.testbed.unload_options import Unload

_TEXT = pa.string()
# By the OID of PostgreSQL's type. Sums of integers are NUMERIC(38,0).
_TYPES: Mapping[int, pa.DataType] = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1700: pa.decimal128(38, 0),
    1043: _TEXT,
    25: _TEXT,
    114: _TEXT,
}
_SLICES = 2


def unload(backend: Backend, objects: Objects, command: Unload, select: str, user: str) -> int:
    """Execute an UNLOAD whose SELECT is translated to `select`; returns the number of rows.

    Raises:
        Refused: Redshift would refuse it.
        BackendError: PostgreSQL refused the SELECT.
    """
    objects.check_role(command.iam_role, user, "UNLOAD")
    if not command.may_overwrite and objects.urls(command.target):
        raise internal(
            "Specified unload destination on S3 is not empty. Consider using a different bucket / "
            "prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option.",
            command.target,
        )
    rows = _read(backend, select)
    for name, part in _files(rows, command):
        body = io.BytesIO()
        # As Redshift writes them: other readers of Parquet than Spectrum must convert them.
        pq.write_table(part, body, use_deprecated_int96_timestamps=True)
        objects.write(f"{command.target}{name}.parquet", body.getvalue())
    return rows.num_rows


def _read(backend: Backend, select: str) -> pa.Table:
    fields = []
    for name, oid in backend.columns(f"SELECT * FROM ({select}) AS unloaded LIMIT 0"):
        if oid not in _TYPES:
            raise Refused(f"test bed: UNLOAD cannot write the type {oid} of column {name}")
        fields.append(pa.field(name, _TYPES[oid]))
    data = backend.copy_out(f"COPY ({select}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)")
    if not data:
        return pa.schema(fields).empty_table()
    return pacsv.read_csv(
        io.BytesIO(data),
        pacsv.ReadOptions(column_names=[field.name for field in fields], block_size=1 << 28),
        pacsv.ParseOptions(newlines_in_values=True),
        pacsv.ConvertOptions(
            column_types=pa.schema(fields), null_values=[""], strings_can_be_null=True,
            quoted_strings_can_be_null=False, true_values=["t"], false_values=["f"],
        ),
    )  # fmt: skip


def _files(rows: pa.Table, command: Unload) -> Iterator[tuple[str, pa.Table]]:
    """Parts by name: serial ones, or one series per slice, whose rows are in no order together."""
    if not rows.num_rows:
        return
    if not command.is_parallel:
        for number, part in enumerate(_parts(rows, command.max_bytes)):
            yield f"{number:03}", part
        return
    for number in range(_SLICES):
        of_slice = rows.take(pa.array(range(number, rows.num_rows, _SLICES), pa.int64()))
        for part_number, part in enumerate(_parts(of_slice, command.max_bytes)):
            yield f"{number:04}_part_{part_number:02}", part


def _parts(rows: pa.Table, max_bytes: int) -> Iterator[pa.Table]:
    count = max(1, -(-rows.nbytes // max_bytes))
    size = max(1, -(-rows.num_rows // count))
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)
