"""Migrations and grants of a new release in a Redshift of an older release."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from charging_assets.analyst import Connection, QueryError
from charging_assets.lake.s3 import S3Lake
from charging_assets.schemas.catalog import DATABASE_SCHEMAS, TABLES
from charging_assets.schemas.dimensions import DIM_STATION
from charging_assets.schemas.render import create_table
from charging_assets.schemas.table import Column, Table, text
from charging_assets.warehouse import migrations
from charging_assets.warehouse.generation import GENERATION
from charging_assets.warehouse.interface import NoWarehouse, QueryRefused, WarehouseError
from charging_assets.warehouse.redshift.grants import READABLE
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets.warehouse.sql_files import sql_names
from charging_assets_tests.testbed.bed import Redshift
from charging_assets_tests.warehouse.redshifts import resource_of

PASSWORD = "Reader-Password-1"
NARROW = 8


def warehouse_of(redshift: Redshift, lake: S3Lake, group: str = "") -> RedshiftWarehouse:
    """A warehouse as another process would have it, which has looked at nothing yet."""
    resource = resource_of(redshift)
    return RedshiftWarehouse(resource, lake, redshift.iam_role, reader_group=group)


def run(connection: Any, statement: str) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def owner(redshift: Redshift) -> Iterator[Any]:
    """A connection of the owner's, by which nothing is migrated."""
    connection = resource_of(redshift).connect()
    yield connection
    connection.close()


def _of_before(owner: Any, table: Table) -> None:
    run(owner, f"CREATE SCHEMA {table.schema}")
    run(owner, create_table(table, dialect="redshift"))


def _lengths(owner: Any) -> dict[str, int]:
    rows = run(
        owner,
        "SELECT column_name, character_maximum_length FROM information_schema.columns "
        f"WHERE table_name = '{DIM_STATION.name}' AND character_maximum_length IS NOT NULL",
    )
    return {name: int(length) for name, length in rows}


def test_migrate__texts_that_were_shorter_are_widened_and_longer_ones_stay(
    redshift: Redshift, s3_lake: S3Lake, owner: Any
) -> None:
    lengths = {"name": NARROW, "city": NARROW, "address": 5000}
    _of_before(owner, _with(DIM_STATION, **lengths))
    required = [c for c in DIM_STATION.columns if not c.nullable or c.name == "name"]
    values = ", ".join(_literal(column) for column in required)
    names = ", ".join(column.name for column in required)
    run(owner, f"INSERT INTO {DIM_STATION.full_name} ({names}) VALUES ({values})")
    assert _lengths(owner)["name"] == NARROW
    warehouse_of(redshift, s3_lake).execute()
    declared = {c.name: c.length for c in DIM_STATION.columns if c.length}
    assert _lengths(owner) == {**declared, "address": 5000}
    assert run(owner, f"SELECT name FROM {DIM_STATION.full_name}") == [["x"]]


def test_migrate__columns_that_were_missing_are_added_with_their_meaning(
    redshift: Redshift, s3_lake: S3Lake, owner: Any
) -> None:
    kept = tuple(c for c in DIM_STATION.columns if c.name not in {"city", "latitude"})
    _of_before(owner, replace(DIM_STATION, columns=kept))
    warehouse_of(redshift, s3_lake).execute()
    assert run(owner, f"SELECT city, latitude FROM {DIM_STATION.full_name}") == []
    rows = run(
        owner,
        "SELECT description FROM pg_description INNER JOIN pg_attribute "
        "ON objoid = attrelid AND objsubid = attnum WHERE attname = 'city'",
    )
    assert [DIM_STATION.column("city").meaning] in rows


def test_migrate__sends_only_comments_and_views_that_changed(
    redshift: Redshift, s3_lake: S3Lake, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse_of(redshift, s3_lake).execute()
    run(owner, "CREATE USER other_reader PASSWORD 'Password-1'")
    run(owner, "GRANT SELECT ON mart.city_hour TO other_reader")
    run(owner, "DROP VIEW original.charging_station")
    other = tuple(
        replace(column, meaning="another meaning") if column.name == "city" else column
        for column in DIM_STATION.columns
    )
    tables = [replace(t, columns=other) if t is DIM_STATION else t for t in TABLES]
    monkeypatch.setattr(migrations, "TABLES", tables)
    redshift.faults.statements.clear()
    warehouse_of(redshift, s3_lake).execute()
    sent = [
        sql for sql in redshift.faults.statements if re.match("COMMENT|DROP VIEW|CREATE VIEW", sql)
    ]
    assert [sql.split(" AS ")[0].split(" IS ")[0] for sql in sent] == [
        "COMMENT ON COLUMN warehouse.dim_station.city",
        "DROP VIEW IF EXISTS original.charging_station",
        "CREATE VIEW original.charging_station",
    ]
    rights = "SELECT has_table_privilege('other_reader', 'mart.city_hour', 'SELECT')"
    assert run(owner, rights) == [[True]]
    run(owner, "REVOKE SELECT ON mart.city_hour FROM other_reader")
    run(owner, "DROP USER other_reader")
    redshift.faults.statements.clear()
    warehouse_of(redshift, s3_lake).execute()
    assert not [sql for sql in redshift.faults.statements if re.match("COMMENT|DROP|CREATE", sql)]


def test_migrate__a_column_that_may_not_be_null_is_refused_and_nothing_changed(
    redshift: Redshift, s3_lake: S3Lake, owner: Any
) -> None:
    kept = tuple(c for c in DIM_STATION.columns if c.name != "station_id")
    _of_before(owner, replace(DIM_STATION, columns=kept))
    with pytest.raises(
        WarehouseError,
        match=rf"lacks the column station_id.*RENAME TO mart_{GENERATION}_\d{{8}}t\d{{6}}z",
    ):
        warehouse_of(redshift, s3_lake).execute()
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('staging', 'mart', 'original')"
    assert run(owner, schemas) == []


def test_migrate__an_older_generation_is_refused_until_its_schemas_are_renamed(
    redshift: Redshift, s3_lake: S3Lake, owner: Any
) -> None:
    warehouse_of(redshift, s3_lake).execute()
    run(owner, "DROP TABLE ops.generation")
    run(owner, "UPDATE ops.schema_digest SET digest = 'older'")
    for use in (lambda w: w.execute(), lambda w: w.query("SELECT asset FROM ops.ledger")):
        with pytest.raises(WarehouseError, match="generation 1") as caught:
            use(warehouse_of(redshift, s3_lake))
        assert not isinstance(caught.value, NoWarehouse)  # not taken for an empty warehouse
    for statement in re.findall(r"ALTER SCHEMA \w+ RENAME TO \w+", str(caught.value)):
        run(owner, statement)
    warehouse_of(redshift, s3_lake).execute()
    assert warehouse_of(redshift, s3_lake).query("SELECT asset FROM ops.ledger").num_rows == 0
    (renamed,) = re.findall(r"RENAME TO (ops_1_\w+)", str(caught.value))
    assert run(owner, f"SELECT asset FROM {renamed}.ledger") == []


def test_migrate__the_remedy_names_schemas_that_are_free_the_second_time_too(
    redshift: Redshift, s3_lake: S3Lake, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2):
        now = datetime(2026, 1, day, tzinfo=UTC)
        monkeypatch.setattr("charging_assets.clock.utc_now", lambda now=now: now)
        warehouse_of(redshift, s3_lake).execute()
        run(owner, "UPDATE ops.generation SET generation = 1")
        run(owner, "UPDATE ops.schema_digest SET digest = 'older'")
        with pytest.raises(WarehouseError, match=f"RENAME TO staging_1_2026010{day}t") as caught:
            warehouse_of(redshift, s3_lake).execute()
        for statement in re.findall(r"ALTER SCHEMA \w+ RENAME TO \w+", str(caught.value)):
            run(owner, statement)


def test_migrate__a_newer_generation_is_refused(
    redshift: Redshift, s3_lake: S3Lake, owner: Any
) -> None:
    warehouse_of(redshift, s3_lake).execute()
    run(owner, f"UPDATE ops.generation SET generation = {GENERATION + 1}")
    run(owner, "UPDATE ops.schema_digest SET digest = 'newer'")
    with pytest.raises(WarehouseError, match="newer version of charging_assets"):
        warehouse_of(redshift, s3_lake).execute()


def test_query__an_unknown_name_is_no_empty_warehouse(redshift: Redshift, s3_lake: S3Lake) -> None:
    warehouse = warehouse_of(redshift, s3_lake)
    with pytest.raises(NoWarehouse, match="load some hours first"):
        warehouse.query("SELECT asset FROM ops.ledger")
    warehouse_of(redshift, s3_lake).execute()
    for name in ("fact_statuss", "warehous.fact_status"):
        with pytest.raises(QueryRefused) as caught:
            warehouse.query(f"SELECT * FROM {name}")
        assert "load some hours" not in str(caught.value)
    charging = Connection(warehouse)
    for query, explanation in {
        "SELECT * FROM fact_status": "fact_status is missing: write warehouse.fact_status",
        "SELECT * FROM charging_station": "write original.charging_station",
        "SELECT * FROM warehous.fact_status": "no schema warehous: write warehouse.fact_status",
        "SELECT statuss FROM warehouse.fact_status": "did you mean status",
        "SELECT f.statuss FROM warehouse.fact_status AS f": "did you mean status",
    }.items():
        with pytest.raises(QueryError, match=explanation):
            charging.sql(query)


def test_migrate__an_up_to_date_schema_costs_one_query(redshift: Redshift, s3_lake: S3Lake) -> None:
    warehouse_of(redshift, s3_lake).execute()
    redshift.faults.statements.clear()
    warehouse_of(redshift, s3_lake).execute()
    assert [sql for sql in redshift.faults.statements if "CREATE" in sql or "COMMENT" in sql] == []


def _with(table: Table, **lengths: int) -> Table:
    """The table with texts of other lengths."""
    columns = (
        replace(text(c.name, lengths[c.name], c.meaning), nullable=c.nullable)
        if c.name in lengths
        else c
        for c in table.columns
    )
    return replace(table, columns=tuple(columns))


def _literal(column: Column) -> str:
    literals = {"TEXT": "'x'", "TIMESTAMP": "'2022-01-11 20:00:00'", "BOOLEAN": "TRUE"}
    return literals.get(column.type.name, "1")


# --- grants -----------------------------------------------------------------------------------


@pytest.fixture
def reader(redshift: Redshift, owner: Any) -> Iterator[Any]:
    """The name of a group, and how its one user connects. Both are the whole server's."""
    name = uuid.uuid4().hex[:12]
    group, user = f"readers_{name}", f"analyst_{name}"
    run(owner, f"CREATE GROUP {group}")
    run(owner, f"CREATE USER {user} PASSWORD '{PASSWORD}' IN GROUP {group}")
    connection = resource_of(replace(redshift, user=user, password=PASSWORD)).connect()
    yield group, connection
    connection.close()


def test_grants__a_reader_reads_all_but_staging_and_changes_nothing(
    redshift: Redshift, s3_lake: S3Lake, reader: Any
) -> None:
    group, connection = reader
    warehouse_of(redshift, s3_lake, group).execute()
    views = [name.replace("/", ".") for name in sql_names("original")]
    readable = [t.full_name for t in TABLES if t.schema in READABLE] + views
    for name in readable:
        run(connection, f"SELECT COUNT(*) FROM {name}")
    for table in TABLES:
        _assert_refused(connection, f"DELETE FROM {table.full_name}")
        if table.schema not in READABLE:
            _assert_refused(connection, f"SELECT COUNT(*) FROM {table.full_name}")
    assert {name.split(".")[0] for name in readable} == set(READABLE)
    assert set(DATABASE_SCHEMAS) - set(READABLE) == {"staging"}


def test_grants__come_with_the_group_and_hold_for_later_tables(
    redshift: Redshift, s3_lake: S3Lake, owner: Any, reader: Any
) -> None:
    group, connection = reader
    warehouse_of(redshift, s3_lake).execute()
    _assert_refused(connection, f"SELECT COUNT(*) FROM {DIM_STATION.full_name}")
    warehouse_of(redshift, s3_lake, group).execute()
    assert run(connection, f"SELECT COUNT(*) FROM {DIM_STATION.full_name}") == [[0]]
    run(owner, "CREATE TABLE mart.later (a INTEGER)")
    assert run(connection, "SELECT COUNT(*) FROM mart.later") == [[0]]


def _assert_refused(connection: Any, statement: str) -> None:
    with pytest.raises(Exception, match="permission denied"):
        run(connection, statement)
