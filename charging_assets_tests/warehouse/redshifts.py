"""Redshift warehouses for tests: of the test bed, and of a real cluster.

Their databases have the schema, are emptied between tests and dropped in the end.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, cast

import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.store import Lake
from charging_assets.warehouse.redshift.connection import RedshiftResource
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.lake.s3 import one_client
from charging_assets_tests.testbed.bed import S3, Bed, Redshift
from charging_assets_tests.warehouse.loads import DERIVED, GIVEN, made_tables


@dataclass(frozen=True)
class EmptyRedshift:
    """A database with the schema and the two tables of `loads`."""

    redshift: RedshiftResource
    lake: Lake
    iam_role: str
    drop: Callable[[], None]
    made: list[RedshiftWarehouse] = field(default_factory=list)

    def warehouse(self) -> RedshiftWarehouse:
        """A warehouse object of its own, as another process would have."""
        self.made.append(RedshiftWarehouse(self.redshift, self.lake, self.iam_role))
        return self.made[-1]

    def end(self) -> None:
        """Nothing of it is left. A database that somebody is connected to cannot be dropped."""
        for each in self.made:
            each.close()
        self.drop()

    def empty(self) -> RedshiftWarehouse:
        """The warehouse without a row in what `loads` loads."""
        made = self.warehouse()
        tables = (GIVEN.full_name, DERIVED.full_name, "ops.ledger")
        made.execute(*((f"DELETE FROM {name}", {}) for name in tables))
        return made


def resource_of(redshift: Redshift) -> RedshiftResource:
    """The program's resource for a database of the bed."""
    return RedshiftResource(
        host=redshift.host,
        port=redshift.port,
        database=redshift.database,
        user=redshift.user,
        password=redshift.password,
        statement_timeout_s=120,
    )


def of_the_bed(bed: Bed, bucket: S3, isolation: str) -> EmptyRedshift:
    """A database of the bed, with the schema."""
    redshift = bed.new_database(cast("Literal['snapshot', 'serializable']", isolation))
    lake = S3Lake(bucket.bucket, f"redshift-{uuid.uuid4().hex}", one_client(bucket))
    return _with_schema(EmptyRedshift(resource_of(redshift), lake, redshift.iam_role, lambda: None))


def of_a_cluster() -> EmptyRedshift:
    """A throw-away database of the cluster that the environment names; it is dropped at the end.

    The test is skipped where CHARGING_VERIFY_REDSHIFT does not say that this is wanted.
    """
    if os.environ.get("CHARGING_VERIFY_REDSHIFT") != "1":
        pytest.skip("no cluster is named; see `make verify-redshift`")
    from charging_assets.aws_environment import engines
    from charging_assets.settings import Settings

    lake, given = engines(Settings.read({**os.environ, "CHARGING_DEPLOYMENT": "aws"}))
    name = f"charging_verify_{uuid.uuid4().hex[:12]}"
    home: RedshiftResource = given._redshift

    _run(home, f"CREATE DATABASE {name}")
    throw_away = RedshiftResource(**{**home.model_dump(), "database": name})
    test_lake = S3Lake(lake.bucket, f"{lake.prefix}{name}", lake._s3)

    def drop() -> None:
        try:
            _drop(home, name)
        finally:
            for key in test_lake.keys("loads/"):
                test_lake.delete(key)

    made = EmptyRedshift(throw_away, test_lake, os.environ["CHARGING_REDSHIFT_IAM_ROLE"], drop)
    try:
        return _with_schema(made)
    except BaseException:
        made.end()
        raise


def _drop(home: RedshiftResource, name: str) -> None:
    """Drop a database. The server may learn only later that its sessions have ended."""
    for wait in (0.5, 1, 2, 4, 8):
        try:
            _run(home, f"DROP DATABASE {name}")
            return
        except Exception as error:
            if "being accessed" not in str(error):
                raise
            time.sleep(wait)
    _run(home, f"DROP DATABASE {name}")


def _run(home: RedshiftResource, statement: str) -> None:
    connection = home.connect()
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def _with_schema(database: EmptyRedshift) -> EmptyRedshift:
    database.warehouse().execute(*made_tables("redshift"))
    return database
