"""SQLAlchemy engines over both warehouses: reading, reflection, refusals, and loads meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import charging_assets
from charging_assets import deployments
from charging_assets.schemas.catalog import TABLES
from charging_assets.warehouse import cancellation
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets.warehouse.interface import NoWarehouse, QueryRefused
from charging_assets.warehouse.sqlalchemy_engine.engine import Connection, engine_of
from charging_assets.warehouse.sqlalchemy_engine.reflected_types import reflect_type
from charging_assets_tests.modelling import hours

_COUNT = "SELECT COUNT(*) AS n FROM warehouse.fact_poll"


def _lake() -> Any:
    return hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING")})


@pytest.fixture(scope="module")
def homes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Environments with one hour loaded, made on first use."""
    patch = pytest.MonkeyPatch()
    made: dict[str, dict[str, str]] = {}

    def environment(which: str) -> dict[str, str]:
        if which not in made and which == "duckdb":
            home = tmp_path_factory.mktemp("home")
            made[which] = {"CHARGING_HOME": str(home)}
            hours.load(deployments.storage(made[which]).warehouse, _lake())
        elif which not in made:
            bed = request.getfixturevalue("testbed")
            bucket, database = bed.new_bucket(), bed.new_database("snapshot")
            for name, value in bucket.environment().items():
                patch.setenv(name, value)
            made[which] = {
                "CHARGING_DEPLOYMENT": "aws",
                "CHARGING_LAKE": f"s3://{bucket.bucket}/lake",
                **database.environment(),
            }
            hours.load(deployments.storage(made[which]).warehouse, _lake())
        return made[which]

    yield environment
    patch.undo()


@pytest.fixture(params=["duckdb", "redshift"])
def engine(request: pytest.FixtureRequest, homes: Any) -> Iterator[sa.Engine]:
    """The engine of either warehouse, with an hour of two polls."""
    made = charging_assets.engine(homes(request.param))
    yield made
    made.dispose()


def test_read_sql__rows_have_the_types_of_the_columns(engine: sa.Engine) -> None:
    frame = pd.read_sql("SELECT * FROM warehouse.fact_status ORDER BY slot_at", engine)
    assert list(frame["status"]) == ["AVAILABLE", "CHARGING"]
    assert frame["slot_at"].iloc[0] == datetime(2022, 1, 11, 20)
    assert {str(frame[name].dtype) for name in ("evse_key", "poll_count")} == {"int64"}


def test_read_sql__sums_are_integers(engine: sa.Engine) -> None:
    frame = pd.read_sql("SELECT SUM(poll_count) AS n FROM warehouse.fact_status", engine)
    assert (frame["n"].iloc[0], str(frame["n"].dtype)) == (2, "int64")


def test_read_sql__binds_parameters(engine: sa.Engine) -> None:
    statement = sa.text("SELECT slot_at FROM warehouse.fact_status WHERE status = :status")
    for status, count in (("CHARGING", 1), ("' OR 1 = 1 --", 0)):
        assert len(pd.read_sql(statement, engine, params={"status": status})) == count


def test_read_sql__a_percent_sign_in_a_text_needs_no_escape(engine: sa.Engine) -> None:
    query = "SELECT status FROM warehouse.fact_status WHERE status LIKE 'CHARG%'"
    assert list(pd.read_sql(query, engine)["status"]) == ["CHARGING"]


def test_read_sql_table__reads_a_reflected_table(engine: sa.Engine) -> None:
    assert len(pd.read_sql_table("fact_poll", engine, schema="warehouse")) == 2


def test_execute__a_statement_built_of_a_reflected_table(engine: sa.Engine) -> None:
    table = sa.Table("fact_status", sa.MetaData(), schema="warehouse", autoload_with=engine)
    query = (
        sa.select(table.c.status, sa.func.sum(table.c.poll_count).label("polls"))
        .where(table.c.slot_at >= datetime(2022, 1, 11, 20), table.c.status.in_(["CHARGING", "X"]))
        .group_by(table.c.status)
        .limit(5)
    )
    with engine.connect() as connection:
        assert connection.execute(query).all() == [("CHARGING", 1)]


def test_fetch__by_one_by_some_and_the_rest(engine: sa.Engine) -> None:
    query = "SELECT slot_at FROM warehouse.fact_poll ORDER BY slot_at"
    with engine.connect() as connection:
        result = connection.exec_driver_sql(query)
        first = result.fetchone()
        assert first is not None and first.slot_at == datetime(2022, 1, 11, 20)
        assert len(result.fetchmany(5)) == 1
        assert result.fetchall() == []
    chunks = list(pd.read_sql(query, engine, chunksize=1))
    assert [len(chunk) for chunk in chunks] == [1, 1]


def test_inspect__names_every_table_and_view(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    for schema in ("staging", "warehouse", "mart"):
        names = {table.name for table in TABLES if table.schema == schema}
        assert names <= set(inspector.get_table_names(schema=schema))
    assert "city_hour" in inspector.get_view_names(schema="mart")
    assert "charging_station" in inspector.get_view_names(schema="original")
    assert inspector.has_table("fact_poll", schema="warehouse")
    assert not inspector.has_table("fact_poll", schema="mart")


def test_inspect__columns_have_the_declared_names_types_and_comments(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    for table in TABLES[::4]:  # on DuckDB each one opens the file
        columns = inspector.get_columns(table.name, schema=table.schema)
        assert {each["name"] for each in columns} == set(table.names)
        assert not [each["name"] for each in columns if isinstance(each["type"], sa.types.NullType)]
        assert all(each["comment"] for each in columns)
    types = {
        each["name"]: each["type"]
        for each in inspector.get_columns("mart_evse_hour", schema="mart")
    }
    assert isinstance(types["slot_at"], sa.TIMESTAMP)
    assert isinstance(types["evse_key"], sa.BIGINT)
    assert isinstance(types["feed"], sa.VARCHAR)


def test_inspect__a_table_has_no_constraints(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.get_pk_constraint("fact_poll", schema="warehouse")["constrained_columns"] == []
    assert inspector.get_foreign_keys("fact_poll", schema="warehouse") == []
    assert inspector.get_indexes("fact_poll", schema="warehouse") == []
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("no_such_table", schema="mart")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM warehouse.fact_poll",
        "UPDATE warehouse.fact_poll SET place = 'x'",
        "INSERT INTO warehouse.fact_poll SELECT * FROM warehouse.fact_poll",
        "DROP TABLE warehouse.fact_poll",
        "TRUNCATE warehouse.fact_poll",
        "CREATE TABLE warehouse.x AS SELECT 1 AS a",
        "CREATE TEMP TABLE x AS SELECT 1 AS a",
        "SELECT 1 AS a INTO warehouse.x",
        "/* SELECT */ COPY warehouse.fact_poll TO 'x'",
        "-- SELECT\nUNLOAD ('SELECT 1') TO 's3://x/y'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "BEGIN",
        "COMMIT",
        "CALL x()",
        "VACUUM",
        "SELECT 1 AS a; DELETE FROM warehouse.fact_poll",
        "",
    ],
)
def test_execute__what_would_change_something_is_refused(engine: sa.Engine, statement: str) -> None:
    with engine.connect() as connection:
        with pytest.raises(sa.exc.ProgrammingError) as refused:
            connection.exec_driver_sql(statement)
        connection.commit()
        assert isinstance(refused.value.orig, QueryRefused)
        assert connection.exec_driver_sql(_COUNT).scalar() == 2
    # The driver's own cursor refuses it too.
    raw = engine.raw_connection()
    with pytest.raises(QueryRefused):
        raw.cursor().execute(statement)
    raw.close()


def test_to_sql__is_refused_with_the_reason(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match=r"a single SELECT, not CREATE"):
        pd.DataFrame({"a": [1]}).to_sql("x", engine, index=False)


def test_execute__a_name_that_is_not_there_is_a_programming_error(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="cannot run the query"):
        pd.read_sql("SELECT nothing FROM warehouse.fact_poll", engine)


def test_threads__read_at_the_same_time(engine: sa.Engine) -> None:
    counts: list[int] = []

    def read() -> None:
        with engine.connect() as connection:
            counts.extend(connection.exec_driver_sql(_COUNT).scalar_one() for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [2] * 30


def test_cancellation__a_statement_is_not_begun_for_nobody(engine: sa.Engine) -> None:
    work = cancellation.Cancellation()
    work.cancel()
    with engine.connect() as connection, pytest.raises(cancellation.Cancelled):
        work.run(lambda: connection.exec_driver_sql(_COUNT))


def test_engine__nothing_loaded_names_the_remedy(tmp_path: Path) -> None:
    engine = charging_assets.engine({"CHARGING_HOME": str(tmp_path)})
    with pytest.raises(sa.exc.OperationalError, match="charging-assets load") as error:
        engine.connect()
    assert isinstance(error.value.orig, NoWarehouse)
    assert list(tmp_path.iterdir()) == []


def test_engine__an_open_connection_keeps_no_load_waiting(tmp_path: Path) -> None:
    """Neither one that rests in a transaction, nor one with rows that are still to be fetched."""
    writer = DuckDBWarehouse(tmp_path / FILE_NAME, lock_timeout_s=0)
    hours.load(writer, _lake())
    engine = engine_of(DuckDBWarehouse(tmp_path / FILE_NAME))
    with engine.connect() as connection, connection.begin():
        rows = connection.exec_driver_sql("SELECT slot_at FROM warehouse.fact_poll")
        assert rows.fetchone() is not None
        hours.load(writer, hours.lake_of({60: hours.stand()}), hours.hour_after(1))
        assert len(rows.fetchall()) == 1
        assert connection.exec_driver_sql(_COUNT).scalar() == 3


def test_engine__readers_and_a_load_of_another_process_both_succeed(tmp_path: Path) -> None:
    hours.load(DuckDBWarehouse(tmp_path / FILE_NAME), _lake())
    engine = engine_of(DuckDBWarehouse(tmp_path / FILE_NAME))
    code = (
        "import sys; from pathlib import Path\n"
        "from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse\n"
        "from charging_assets_tests.modelling import hours\n"
        "for n in range(1, 4):\n"
        "    polled = hours.lake_of({60 * n: hours.stand()})\n"
        "    hours.load(DuckDBWarehouse(Path(sys.argv[1])), polled, hours.hour_after(n))\n"
    )
    loader = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / FILE_NAME)])
    counts = []
    while loader.poll() is None:
        counts.append(pd.read_sql(_COUNT, engine)["n"].iloc[0])
        threading.Event().wait(0.02)  # the load needs a processor too
    assert loader.returncode == 0
    assert counts == sorted(counts)
    assert pd.read_sql(_COUNT, engine)["n"].iloc[0] == 5


def test_engine__two_of_a_process_do_not_take_each_other_s_lock(tmp_path: Path) -> None:
    """Closing a file ends the lock of the whole process: a load would get in while one reads."""
    hours.load(DuckDBWarehouse(tmp_path / FILE_NAME), _lake())
    environment = {"CHARGING_HOME": str(tmp_path)}
    slow = "SELECT COUNT(*) FROM range(15000) AS a, range(15000) AS b WHERE a.range + b.range = 7"
    ended: list[str] = []
    began = threading.Event()

    def read(name: str, query: str) -> None:
        with charging_assets.engine(environment).connect() as connection:
            began.set()
            connection.exec_driver_sql(query)
            ended.append(name)

    thread = threading.Thread(target=read, args=("slow", slow))
    thread.start()
    began.wait(20)
    threading.Event().wait(0.2)
    read("quick", _COUNT)
    thread.join(120)
    assert ended == ["slow", "quick"]


def test_dispose__the_file_is_free(tmp_path: Path) -> None:
    hours.load(DuckDBWarehouse(tmp_path / FILE_NAME), _lake())
    engine = charging_assets.engine({"CHARGING_HOME": str(tmp_path)})
    pd.read_sql(_COUNT, engine)
    engine.dispose()
    (tmp_path / FILE_NAME).rename(tmp_path / "moved")
    DuckDBWarehouse(tmp_path / "moved", lock_timeout_s=0).execute(("SELECT 1", {}))


def test_pool__redshift_s_connections_are_closed_by_dispose(homes: Any, testbed: Any) -> None:
    environment = homes("redshift")
    engine = charging_assets.engine(environment)
    database = environment["CHARGING_REDSHIFT_DATABASE"]
    count = f"SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{database}'"
    before = int(testbed.postgres.run_sql(count))
    with engine.connect() as one, engine.connect() as other:
        one.exec_driver_sql(_COUNT)
        other.exec_driver_sql(_COUNT)
        assert int(testbed.postgres.run_sql(count)) == before + 2
        idle = f"{count} AND state LIKE 'idle in transaction%'"
        assert int(testbed.postgres.run_sql(idle)) == 0
    engine.dispose()
    for _ in range(50):
        if int(testbed.postgres.run_sql(count)) == before:
            break
        threading.Event().wait(0.1)
    assert int(testbed.postgres.run_sql(count)) == before


def test_cursor__is_one_of_pep_249() -> None:
    import pyarrow as pa

    closed = []
    table = pa.table({"a": [1, None]})
    connection = Connection(lambda statement, values: table, lambda: closed.append(True))
    cursor = connection.cursor()
    assert (cursor.description, cursor.rowcount, cursor.fetchall()) == (None, -1, [])
    cursor.execute("SELECT")
    assert [column[:2] for column in cursor.description or ()] == [("a", "int64")]
    assert (cursor.rowcount, cursor.fetchmany(), cursor.fetchone()) == (2, [(1,), (None,)], None)
    with pytest.raises(QueryRefused):
        cursor.executemany("INSERT", [])
    connection.close()
    assert closed and connection.closed


@pytest.mark.parametrize(
    ("name", "kind", "length"),
    [
        ("VARCHAR", sa.VARCHAR, None),
        ("character varying(64)", sa.VARCHAR, 64),
        ("timestamp without time zone", sa.TIMESTAMP, None),
        ("DOUBLE", sa.DOUBLE, None),
        ("hllsketch", sa.types.NullType, None),
        ("STRUCT(a INTEGER)", sa.types.NullType, None),
    ],
)
def test_reflect_type__by_the_names_of_both_engines(name: str, kind: Any, length: Any) -> None:
    reflected = reflect_type(name)
    assert type(reflected) is kind
    assert getattr(reflected, "length", None) == length


def test_reflect_type__a_number_has_its_precision_and_scale() -> None:
    reflected = reflect_type("numeric(38,2)")
    assert isinstance(reflected, sa.NUMERIC)
    assert (reflected.precision, reflected.scale) == (38, 2)
