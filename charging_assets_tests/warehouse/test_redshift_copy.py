"""Rows staged for COPY: parts, manifest, types."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.render import arrow_schema
from charging_assets.schemas.table import Table
from charging_assets.warehouse.redshift.copy import (
    StagedRows,
    copy_statement,
    create_incoming,
    remove,
    stage,
    validate_role,
)
from charging_assets_tests.warehouse.loads import GIVEN, sample_rows


def test_stage__the_manifest_lists_each_part_with_bytes_and_rows() -> None:
    lake, rows = MemoryLake(), sample_rows(*(f"n{number:03}" for number in range(100)))
    staged = stage(lake, "load1", GIVEN, rows, part_bytes=rows.nbytes // 3)
    manifest = json.loads(lake.get("loads/load1/given.manifest"))
    parts = []
    for entry in manifest["entries"]:
        body = lake.get(entry["url"].removeprefix("memory://"))
        part = pq.read_table(pa.BufferReader(body))
        assert entry["mandatory"] is True
        assert entry["meta"] == {"content_length": len(body), "record_count": part.num_rows}
        parts.append(part)
    assert len(parts) == 3
    assert pa.concat_tables(parts).cast(rows.schema).equals(rows)
    assert (staged.row_count, staged.manifest_uri) == (100, "memory://loads/load1/given.manifest")
    assert sorted(staged.keys) == lake.keys("loads/")
    remove(lake, staged)
    assert lake.keys("loads/") == []


def test_stage__loads_share_no_key() -> None:
    lake = MemoryLake()
    keys = [set(stage(lake, load, GIVEN, sample_rows("a")).keys) for load in ("one", "other")]
    assert not keys[0] & keys[1]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_stage__columns_are_in_the_order_of_the_temp_table_with_microseconds(table: Table) -> None:
    lake = MemoryLake()
    rows = pa.table(
        [pa.nulls(1, field.type) for field in arrow_schema(table)], names=list(table.names)
    )
    staged = stage(lake, "load1", table, rows)
    schema = pq.read_schema(pa.BufferReader(lake.get(staged.keys[0])))
    assert tuple(schema.names) == table.names
    assert not [f for f in schema if pa.types.is_timestamp(f.type) and f.type.unit != "us"]
    created = create_incoming(staged)
    places = [created.index(f"{'(' if n == 0 else ', '}{name} ") for n, name in
              enumerate(table.names)]  # fmt: skip
    assert places == sorted(places)


def test_remove__a_failing_delete_does_not_fail_the_load(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Clinging(MemoryLake):
        def delete(self, key: str) -> None:
            raise LakeError("denied")

    lake = Clinging()
    remove(lake, stage(lake, "load1", GIVEN, sample_rows("a")))
    assert "stays until the bucket's lifecycle rule deletes it" in caplog.text


@pytest.mark.parametrize("role", ["default", "arn:aws:iam::111122223333:role/path/a-role"])
def test_copy_statement__names_a_role(role: str) -> None:
    staged = stage(MemoryLake(), "load1", GIVEN, sample_rows("a"))
    written = copy_statement(staged, role)
    assert f"IAM_ROLE {role if role == 'default' else repr(role)} FORMAT AS PARQUET" in written


@pytest.mark.parametrize(
    "role", ["", "admin", "aws_access_key_id=AKIA", "arn:aws:iam::1:role/x", "x' CREDENTIALS '"]
)
def test_validate_role__refuses_other_texts(role: str) -> None:
    with pytest.raises(ValueError, match="not an IAM role"):
        validate_role(role)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.full_name)
def test_create_incoming__rows_are_on_the_nodes_of_the_target(table: Table) -> None:
    statement = create_incoming(StagedRows(table, "s3://x", (), 1))
    if table.distribution in table.names:
        assert statement.endswith(f"DISTSTYLE KEY DISTKEY ({table.distribution})")
    else:
        assert statement.endswith("DISTSTYLE EVEN")
