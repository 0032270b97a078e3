"""Read-only access: what is refused, and that loads are not kept out."""

import shutil
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import charging_assets
from charging_assets import deployments
from charging_assets.analyst import Connection, QueryError, connect
from charging_assets.unknown_names import names_of
from charging_assets.warehouse.duckdb import warehouse as warehouse_duckdb
from charging_assets.warehouse.duckdb.connection import connect_duckdb, require_select
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import NoWarehouse, QueryRefused
from charging_assets_tests.modelling import hours


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("home")
    lake = hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING")})
    hours.load(DuckDBWarehouse(tmp_path / "charging.duckdb"), lake)
    return {"CHARGING_HOME": str(tmp_path)}


def test_connect__returns_a_frame(environment):
    charging = charging_assets.connect(environment)
    frame = charging.sql(
        "SELECT status, poll_count FROM warehouse.fact_status WHERE slot_at >= :since ORDER BY 1",
        since=datetime(2022, 1, 11, 20, tzinfo=UTC),
    )
    assert frame.to_dict("records") == [
        {"status": "AVAILABLE", "poll_count": 1},
        {"status": "CHARGING", "poll_count": 1},
    ]


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO warehouse.fact_poll SELECT * FROM warehouse.fact_poll",
        "UPDATE ops.ledger SET row_count = 0",
        "DELETE FROM ops.ledger",
        "DROP TABLE warehouse.fact_poll",
        "CREATE TABLE x AS SELECT 1 AS a",
        "SELECT 1 AS a INTO x",
        "COPY warehouse.fact_poll TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.duckdb' AS x",
        "PRAGMA database_list",
        "SET search_path = original",
        "SELECT 1 AS a; SELECT 2 AS a",
        "SELECT 1 AS a; DROP TABLE warehouse.fact_poll",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/tmp/x.parquet'",
        "",
        "SELECT FROM WHERE (",
    ],
)
def test_sql__other_statements_are_refused(environment, query):
    charging = connect(environment)
    with pytest.raises(QueryError):
        charging.sql(query)
    assert len(charging.table("fact_poll")) == 2


@pytest.mark.parametrize(
    "query",
    [
        "SELECT content FROM read_text('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM glob('{file}')",
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql("
        "'SELECT content FROM read_text(''{file}'')'))",
        "SELECT * FROM query('SELECT content FROM read_text(''{file}'')')",
        "SELECT * FROM query_table('{file}')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM parquet_metadata('{file}')",
    ],
)
def test_sql__no_other_file_is_read_by_any_function(environment, tmp_path, query):
    file = tmp_path / "secret.csv"
    file.write_text("sentinel\n1\n", "utf-8")
    with pytest.raises(QueryError) as refused:
        connect(environment).sql(query.format(file=file))
    assert "sentinel" not in str(refused.value)
    setting = "SELECT current_setting('enable_external_access') AS is_allowed"
    assert not connect(environment).sql(setting)["is_allowed"][0]


# Each would write a file, read one, or reopen a lock, if it were run.
_NOT_A_SELECT = [
    ("COPY (SELECT 1 AS a) TO '{home}/x'", "COPY"),
    ("COPY (SELECT 1 AS a) TO '{home}/charging.duckdb'", "COPY"),
    ("COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.wal'", "COPY"),
    ("COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.tmp/x'", "COPY"),
    ("COPY FROM DATABASE charging TO memory", "PRAGMA"),
    ("EXPORT DATABASE '{home}/x'", "EXPORT"),
    ("EXPORT DATABASE '{home}/charging.duckdb.tmp/x'", "EXPORT"),
    ("IMPORT DATABASE '{home}/x'", "PRAGMA"),
    ("ATTACH '{home}/x' AS x", "ATTACH"),
    ("ATTACH ':memory:' AS x", "ATTACH"),
    ("DETACH charging", "DETACH"),
    ("INSTALL httpfs", "LOAD"),
    ("LOAD '{home}/x'", "LOAD"),
    ("PRAGMA enable_external_access = true", "SET"),
    ("PRAGMA profiling_output = '{home}/x'", "SET"),
    ("PRAGMA database_list", "PRAGMA"),
    ("SET enable_external_access = true", "SET"),
    ("SET lock_configuration = false", "SET"),
    ("RESET lock_configuration", "SET"),
    ("SET allowed_directories = ['/']", "SET"),
    ("SET temp_directory = '{home}/x'", "SET"),
    ("SET VARIABLE a = 1", "SET"),
    ("USE memory", "SET"),
    ("CALL enable_logging('QueryLog', storage = 'file')", "CALL"),
    ("CALL pragma_version()", "CALL"),
    ("CHECKPOINT", "CALL"),
    ("FORCE CHECKPOINT", "CALL"),
    ("VACUUM", "VACUUM"),
    ("PREPARE a AS COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.wal'", "PREPARE"),
    ("PREPARE a AS SELECT 1", "PREPARE"),
    ("EXECUTE a", "EXECUTE"),
    ("EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.wal'", "EXPLAIN"),
    ("CREATE TEMP TABLE x AS SELECT 1 AS a", "CREATE"),
    ("CREATE SECRET x (TYPE s3)", "CREATE"),
    ("BEGIN", "TRANSACTION"),
    ("INSERT INTO ops.ledger SELECT * FROM ops.ledger", "INSERT"),
]
_MORE_THAN_ONE = [
    "SELECT 1 AS a; COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.wal'",
    "/* SELECT */ SELECT 1 AS a; -- ' \n COPY (SELECT 1 AS a) TO '{home}/x'",
]


def _files(home):
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("query", [*(query for query, _ in _NOT_A_SELECT), *_MORE_THAN_ONE])
def test_sql__refused_statement_is_named_and_writes_nothing(environment, query):
    home = Path(environment["CHARGING_HOME"])
    connect(environment).sql("SELECT 1 AS a")
    before = _files(home)
    with pytest.raises(QueryError, match="pass one SELECT") as refused:
        connect(environment).sql(query.format(home=home))
    word = query.split(maxsplit=1)[0]
    assert word in {"SELECT", "/*"} or str(refused.value).startswith(f"{word} is not a SELECT")
    assert _files(home) == before


@pytest.mark.parametrize(("query", "kind"), _NOT_A_SELECT)
def test_require_select__uses_the_parser_of_the_engine(environment, query, kind):
    """Whatever a translation into DuckDB's dialect may come to."""
    home = Path(environment["CHARGING_HOME"])
    with (
        closing(connect_duckdb(home / FILE_NAME, read_only=True)) as connection,
        pytest.raises(QueryRefused, match=rf"a single SELECT, not .*{kind}"),
    ):
        require_select(connection, query.format(home=home))


@pytest.mark.parametrize("query", _MORE_THAN_ONE)
def test_require_select__counts_statements(environment, query):
    home = Path(environment["CHARGING_HOME"])
    with closing(connect_duckdb(home / FILE_NAME, read_only=True)) as connection:
        with pytest.raises(QueryRefused, match="not SELECT, COPY"):
            require_select(connection, query.format(home=home))
        with pytest.raises(QueryRefused, match="not no statement"):
            require_select(connection, "")


def test_warehouse__reads_by_select_alone(environment):
    """Not only `connect`: checks and the command line read over the same connections."""
    home = Path(environment["CHARGING_HOME"])
    before = _files(home)
    warehouse = DuckDBWarehouse(home / FILE_NAME)
    with pytest.raises(QueryRefused, match="COPY"):
        warehouse.query(f"COPY (SELECT 1 AS a) TO '{home}/charging.duckdb.wal'")
    assert _files(home) == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'a; COPY x' AS a",
        'SELECT 1 AS "a; COPY x"',
        "SELECT 1 AS a -- */; COPY (SELECT 1) TO 'x'",
        "SELECT 'a\\'; COPY (SELECT 1) TO ''x'' --' AS a",
        "WITH a AS (SELECT 1 AS a) SELECT a FROM a;",
        "(SELECT 1 AS a) UNION ALL (SELECT 2 AS a) ORDER BY a",
        "FROM ops.ledger",
    ],
)
def test_sql__select_with_keywords_of_other_statements_runs(environment, query):
    assert len(connect(environment).sql(query)) > 0


def test_sql__a_missing_parameter_is_named(environment):
    with pytest.raises(QueryError, match=":place"):
        connect(environment).sql("SELECT * FROM warehouse.fact_poll WHERE place = :place")


@pytest.mark.parametrize(
    ("query", "explanation"),
    [
        ("SELECT * FROM fact_status", "schema of fact_status is missing: write warehouse.fact_st"),
        ("SELECT * FROM time", "write original.time"),
        ("WITH a AS (SELECT feed FROM fact_poll) SELECT * FROM a", "write warehouse.fact_poll"),
        ("SELECT 1 AS a FROM fact_poll, dim_evse", "warehouse.fact_poll; .*warehouse.dim_evse"),
        ("SELECT * FROM warehouse.fact_statuss", "did you mean warehouse.fact_status"),
        ("SELECT * FROM fact_statuss", "did you mean warehouse.fact_status"),
        ("SELECT * FROM mart.fact_status", "no table mart.fact_status: write warehouse.fact_st"),
        ("SELECT * FROM warehous.fact_status", "no schema warehous: write warehouse.fact_status"),
        ("SELECT * FROM warehous.fact_statuss", "no schema warehous .*mean warehouse.fact_status"),
        ("SELECT * FROM no_such_thing", "no table no_such_thing; .tables"),
        ("SELECT statuss FROM warehouse.fact_status", "no column statuss .*did you mean status"),
        ("SELECT f.statuss FROM warehouse.fact_status AS f", "did you mean status"),
        ("SELECT evse_key FROM warehouse.fact_poll", "fact_poll; it is in warehouse"),
        ("SELECT qqq FROM mart.city_hour", "no column qqq in mart.city_hour; columns: slot_at,"),
        ("SELECT feed FROM warehouse.fact_poll, ops.gaps AS g, mart.city_hour", "Ambiguous"),
        ("SELECT CAST(feed AS INTEGER) AS a FROM warehouse.fact_poll", "Could not convert"),
        ("SELECT zap(feed) AS a FROM warehouse.fact_poll", "zap"),
    ],
)
def test_sql__unknown_name_is_explained(environment, query, explanation):
    with pytest.raises(QueryError, match=explanation) as caught:
        connect(environment).sql(query)
    assert "load" not in str(caught.value)


def test_sql__missing_schema_of_any_table_or_view_is_suggested(environment):
    charging = connect(environment)
    names = names_of(charging._warehouse)
    for table in names:
        name = table.rpartition(".")[2]
        with pytest.raises(QueryError, match=rf"schema of {name} is missing: write .*{table}"):
            charging.sql(f"SELECT * FROM {name}")


def test_sql__a_name_in_two_schemas_lists_both(environment, tmp_path):
    shutil.copytree(environment["CHARGING_HOME"], tmp_path, dirs_exist_ok=True)
    warehouse = deployments.storage({"CHARGING_HOME": str(tmp_path)}).warehouse
    warehouse.execute(("CREATE VIEW mart.fact_poll AS SELECT * FROM warehouse.fact_poll", {}))
    charging = connect({"CHARGING_HOME": str(tmp_path)})
    with pytest.raises(QueryError, match=r"write warehouse\.fact_poll or mart\.fact_poll"):
        charging.sql("SELECT * FROM fact_poll")


def test_sql__failing_query_never_opens_the_file_for_writing(environment, monkeypatch):
    modes, original = [], warehouse_duckdb.connect_duckdb
    monkeypatch.setattr(
        warehouse_duckdb,
        "connect_duckdb",
        lambda path, **how: (modes.append(how["read_only"]), original(path, **how))[1],
    )
    with pytest.raises(QueryError):
        connect(environment).sql("SELECT * FROM fact_status")
    assert set(modes) == {True}


def test_sql__opens_the_file_read_only(environment, monkeypatch):
    modes, original = [], warehouse_duckdb.connect_duckdb

    def noted(path, *, read_only=False, **how):
        modes.append(read_only)
        return original(path, read_only=read_only, **how)

    monkeypatch.setattr(warehouse_duckdb, "connect_duckdb", noted)
    connect(environment).sql("SELECT 1 AS one")
    assert modes == [True]


def test_sql__a_load_runs_between_queries(environment, tmp_path):
    shutil.copytree(environment["CHARGING_HOME"], tmp_path, dirs_exist_ok=True)
    charging = connect({"CHARGING_HOME": str(tmp_path)})
    assert len(charging.table("fact_poll")) == 2
    later = hours.lake_of({60: hours.stand()})
    writer = DuckDBWarehouse(tmp_path / "charging.duckdb", lock_timeout_s=0)
    hours.load(writer, later, hours.hour_after(1))
    assert len(charging.table("fact_poll")) == 3


def test_sql__empty_warehouse_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(NoWarehouse, match="charging-assets load"):
        connect({"CHARGING_HOME": str(tmp_path)}).sql("SELECT 1 AS one")


def test_table__columns_and_bounds_choose_rows(environment):
    charging = connect(environment)
    frame = charging.table("warehouse.fact_poll", ["slot_at"], start="2022-01-11T20:10:00+00:00")
    assert list(frame.columns) == ["slot_at"]
    assert len(frame) == 1
    assert len(charging.table("fact_poll", end="2022-01-11T20:10")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "nothing"}, "nothing"),
        ({"name": "fact_statuss"}, "did you mean warehouse.fact_status"),
        ({"name": "mart.fact_status"}, "write warehouse.fact_status"),
        ({"name": "charging_station"}, "original.charging_station is a view"),
        ({"name": "fact_poll", "columns": ["nonsense"]}, "nonsense"),
        ({"name": "fact_poll", "columns": []}, "none given"),
        ({"name": "fact_poll", "start": "yesterday"}, "yesterday"),
        ({"name": "dim_evse", "start": "2022-01-11"}, "slot_at"),
    ],
)
def test_table__unknown_names_are_errors(environment, arguments, message):
    with pytest.raises(QueryError, match=message):
        connect(environment).table(**arguments)


def test_tables__list_grain_and_columns():
    charging = Connection(DuckDBWarehouse(None))
    assert list(charging.tables().columns) == ["schema", "table", "grain"]
    assert "fact_status" in set(charging.tables()["table"])
    assert "cadence_s" in set(charging.columns("fact_poll")["column"])


def test_import__of_the_package_is_cheap():
    code = "import sys, charging_assets; print({'pandas', 'duckdb', 'dagster'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_frames__are_alike_on_both_engines(environment, redshift, s3, monkeypatch):
    """Loaded into the test bed, the hour comes out with the same values and the same types."""
    on_aws = {
        "CHARGING_DEPLOYMENT": "aws",
        "CHARGING_LAKE": f"s3://{s3.bucket}/lake",
        **redshift.environment(),
    }
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    lake = hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING")})
    hours.load(deployments.storage(on_aws).warehouse, lake)
    here, there = connect(environment), connect(on_aws)
    names = ("dim_station", "dim_evse", "bridge_station_opening", "fact_status", "mart_evse_hour")
    for name in names:
        one, other = here.table(name), there.table(name)
        assert len(one) or name.startswith("bridge")
        pd.testing.assert_frame_equal(one, other)
    with pytest.raises(QueryError):
        there.sql("DROP TABLE warehouse.fact_status")
