"""Load rows into Redshift by COPY: Parquet in the lake, a manifest, and a temp table.

Redshift reads the objects itself. Each load has its own keys under `loads/`, which are deleted
afterwards. A lifecycle rule of the bucket deletes what a killed load leaves there.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from charging_assets.lake.store import Lake, LakeError
from charging_assets.schemas.render import sql_type
from charging_assets.schemas.table import Table

LOADS = "loads/"
_PART_BYTES = 100 * 1000**2
_ROLE = re.compile(r"default|arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]+")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StagedRows:
    """Rows in the lake, for one table and one load."""

    table: Table
    manifest_uri: str
    keys: tuple[str, ...]
    row_count: int

    @property
    def incoming(self) -> str:
        """The temp table that takes them in."""
        return incoming_name(self.table)


def incoming_name(table: Table) -> str:
    """A table's name in the temp table and in the keys of its rows; it may be quoted in SQL."""
    return f"incoming_{_bare(table)}"


def _bare(table: Table) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", table.name.strip('"'))


def stage(
    lake: Lake, load_id: str, table: Table, rows: pa.Table, *, part_bytes: int = _PART_BYTES
) -> StagedRows:
    """Write rows as Parquet parts, with a manifest of their sizes and row counts."""
    folder, keys, entries = f"{LOADS}{load_id}/", [], []
    for number, part in enumerate(_parts(rows, part_bytes)):
        body, key = _parquet(part), f"{folder}{_bare(table)}-{number:04}.parquet"
        lake.put(key, body)
        keys.append(key)
        meta = {"content_length": len(body), "record_count": part.num_rows}
        entries.append({"url": lake.uri(key), "mandatory": True, "meta": meta})
    manifest = f"{folder}{_bare(table)}.manifest"
    lake.put(manifest, json.dumps({"entries": entries}, indent=1).encode())
    return StagedRows(table, lake.uri(manifest), (*keys, manifest), rows.num_rows)


def remove(lake: Lake, staged: StagedRows) -> None:
    """Delete staged objects. A failing delete does not fail the load."""
    for key in staged.keys:
        try:
            lake.delete(key)
        except LakeError as error:
            _log.warning("%s stays until the bucket's lifecycle rule deletes it: %s", key, error)
            return


def create_incoming(staged: StagedRows) -> str:
    """The statement for the temp table; columns in Parquet order, since COPY maps by position."""
    columns = ", ".join(
        f"{column.name} {sql_type(column)}{'' if column.nullable else ' NOT NULL'}"
        for column in staged.table.columns
    )
    distribution = staged.table.distribution
    # As in the target, so that no row changes its node in the transaction.
    attributes = (
        "EVEN" if distribution in {"AUTO", "ALL", "EVEN"} else f"KEY DISTKEY ({distribution})"
    )
    return f"CREATE TEMP TABLE {staged.incoming} ({columns}) DISTSTYLE {attributes}"


def copy_statement(staged: StagedRows, iam_role: str) -> str:
    """The COPY statement for the manifest, with a role of the cluster: SQL never has a key."""
    return (
        f"COPY {staged.incoming} FROM '{staged.manifest_uri}' IAM_ROLE {role_clause(iam_role)} "
        "FORMAT AS PARQUET MANIFEST"
    )


def role_clause(iam_role: str) -> str:
    """What follows IAM_ROLE in COPY and UNLOAD."""
    return "default" if iam_role == "default" else f"'{validate_role(iam_role)}'"


def validate_role(iam_role: str) -> str:
    """Return the role; raise ValueError if it is neither an ARN nor `default`."""
    if not _ROLE.fullmatch(iam_role):
        raise ValueError(
            "not an IAM role: give arn:aws:iam::<account>:role/<name>, or default; chained roles "
            "are not supported"
        )
    return iam_role


def _parts(rows: pa.Table, part_bytes: int) -> Iterator[pa.Table]:
    parts = max(1, -(-rows.nbytes // part_bytes))
    size = max(1, -(-rows.num_rows // parts))
    for start in range(0, rows.num_rows, size):
        yield rows.slice(start, size)


def _parquet(rows: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(rows, buffer, compression="snappy", coerce_timestamps="us")
    body: bytes = buffer.getvalue().to_pybytes()
    return body
