"""Fixtures of the storage tests: lakes in S3, and every kind of warehouse."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.s3_resource import LakeS3Resource
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets_tests.lake.s3 import one_client
from charging_assets_tests.testbed.bed import S3, Bed
from charging_assets_tests.warehouse import redshifts
from charging_assets_tests.warehouse.loads import with_tables
from charging_assets_tests.warehouse.redshifts import EmptyRedshift

WAREHOUSES = [
    "duckdb-file",
    "duckdb-memory",
    "redshift-snapshot",
    pytest.param("redshift-serializable", marks=pytest.mark.slow),
    pytest.param("redshift-cluster", marks=pytest.mark.redshift),
]


@pytest.fixture(scope="session")
def bucket(testbed: Bed) -> S3:
    """A bucket that the session's tests share, each below a prefix of its own."""
    return testbed.new_bucket()


@pytest.fixture(scope="session")
def lake_s3(bucket: S3) -> LakeS3Resource:
    """The store, by the program's own resource."""
    return one_client(bucket)


@pytest.fixture
def s3_lake(bucket: S3, lake_s3: LakeS3Resource) -> S3Lake:
    """A lake of the test's own, below a prefix."""
    return S3Lake(bucket.bucket, f"test-{uuid.uuid4().hex}/in", lake_s3)


@pytest.fixture(scope="session")
def redshift_databases(
    request: pytest.FixtureRequest,
) -> Iterator[dict[str, EmptyRedshift]]:
    """Databases with the schema, created on first use, by the name of a warehouse."""
    made: dict[str, EmptyRedshift] = {}
    yield made
    for each in made.values():
        each.end()


def _redshift(request: pytest.FixtureRequest, which: str) -> Warehouse:
    databases: dict[str, EmptyRedshift] = request.getfixturevalue("redshift_databases")
    if which not in databases:
        if which == "redshift-cluster":
            databases[which] = redshifts.of_a_cluster()
        else:
            bed, bucket = (request.getfixturevalue(name) for name in ("testbed", "bucket"))
            databases[which] = redshifts.of_the_bed(bed, bucket, which.removeprefix("redshift-"))
    return databases[which].empty()


@pytest.fixture(params=WAREHOUSES)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    """Every warehouse in turn, with the two tables of `loads` and no row."""
    which: str = request.param
    if which.startswith("redshift"):
        return _redshift(request, which)
    path = tmp_path / "warehouse.duckdb" if which == "duckdb-file" else None
    return with_tables(DuckDBWarehouse(path))


@pytest.fixture(params=WAREHOUSES[2:])
def redshift_warehouse(request: pytest.FixtureRequest) -> Any:
    """Every Redshift in turn."""
    return _redshift(request, request.param)


@pytest.fixture
def in_file(tmp_path: Path) -> DuckDBWarehouse:
    """A DuckDB file with the two tables, whose lock is waited for."""
    return with_tables(DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout_s=20))
