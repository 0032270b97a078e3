"""Read large results of Redshift by UNLOAD: Parquet in the lake, not rows through the leader.

Each UNLOAD has a prefix of its own under `published/unloads/`, the only folder that the cluster's
role may write. Its files are deleted afterwards; a lifecycle rule of the bucket deletes what a
killed process leaves there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from charging_assets.lake.store import Lake, LakeError
from charging_assets.warehouse.plan import Params
from charging_assets.warehouse.redshift.copy import role_clause
from charging_assets.warehouse.redshift.sql import inline_params, quote_text

UNLOADS = "published/unloads/"
# Of a file, which is read at once. Redshift rounds it down to a multiple of 32 MB.
_FILE_MB = 256
_BATCH_ROWS = 1 << 17
_log = logging.getLogger(__name__)


def unload_statement(
    select: str, params: Params, uri: str, iam_role: str, *, file_mb: int = _FILE_MB
) -> str:
    """The UNLOAD of a SELECT: in serial files, whose order is that of the SELECT.

    The SELECT is a text in this statement, so its parameters are written into it.
    """
    return (
        f"UNLOAD ({quote_text(inline_params(select, params))}) TO {quote_text(uri)} "
        f"IAM_ROLE {role_clause(iam_role)} FORMAT AS PARQUET PARALLEL OFF "
        f"MAXFILESIZE {file_mb} MB"
    )


def list_files(lake: Lake, prefix: str) -> list[str]:
    """The keys of the files of an UNLOAD, in the order of their rows; none for no rows."""
    return sorted(key for key in lake.keys(prefix) if key.endswith(".parquet"))


def read_files(lake: Lake, keys: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of some files, in parts, with one file in memory at a time."""
    for key in keys:
        # Redshift may write timestamps as INT96, which has nanoseconds.
        file = pq.ParquetFile(pa.BufferReader(lake.get(key)), coerce_int96_timestamp_unit="us")
        for batch in file.iter_batches(_BATCH_ROWS):
            yield pa.Table.from_batches([batch])


def remove_files(lake: Lake, prefix: str) -> None:
    """Delete the files of an UNLOAD. A failing delete does not fail the work."""
    try:
        for key in lake.keys(prefix):
            lake.delete(key)
    except LakeError as error:
        _log.warning("%s stays until the bucket's lifecycle rule deletes it: %s", prefix, error)
