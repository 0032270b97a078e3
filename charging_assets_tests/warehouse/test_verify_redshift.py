"""`make verify-redshift`: what it creates in a cluster, and that it leaves nothing there.

The cluster is the test bed here, named by the environment as a real one would be.
"""

from __future__ import annotations

from typing import Any

import pytest

from charging_assets_tests.testbed.bed import S3, Redshift
from charging_assets_tests.warehouse import redshifts
from charging_assets_tests.warehouse.loads import a_load, names, sample_rows
from charging_assets_tests.warehouse.redshifts import resource_of


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, redshift: Redshift, bucket: S3) -> Redshift:
    for name, value in {**bucket.environment(), **redshift.environment()}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHARGING_VERIFY_REDSHIFT", "1")
    return redshift


def databases(redshift: Redshift) -> set[str]:
    connection = resource_of(redshift).connect()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'charging_verify%'")
        return {name for (name,) in cursor.fetchall()}
    finally:
        connection.close()


def test_of_a_cluster__is_a_separate_database_that_is_dropped_afterwards(named: Redshift) -> None:
    made = redshifts.of_a_cluster()
    (name,) = databases(named)
    assert made.redshift.database == name != named.database
    for rows in (["a"], ["b", "c"]):  # each a warehouse that stays connected
        warehouse = made.empty()
        warehouse.apply(a_load(sample_rows(*rows)))
        assert names(warehouse) == rows
    made.lake.put("loads/left/behind", b"by a load that was killed")
    made.end()
    assert databases(named) == set()
    assert made.lake.keys("loads/") == []


def test_of_a_cluster__that_cannot_make_its_tables_leaves_nothing(
    named: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(dialect: str) -> list[Any]:
        return [("CREATE TABLE refused (", {})]

    monkeypatch.setattr(redshifts, "made_tables", refused)
    with pytest.raises(Exception, match="syntax"):
        redshifts.of_a_cluster()
    assert databases(named) == set()


def test_of_a_cluster__is_not_made_unasked(
    named: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARGING_VERIFY_REDSHIFT")
    with pytest.raises(pytest.skip.Exception):
        redshifts.of_a_cluster()
    assert databases(named) == set()
