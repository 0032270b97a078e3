"""The phases of an acceptance. Each returns details for the report, or raises."""

from __future__ import annotations

import functools
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets.publication.publish import publish
from charging_assets.simulator import Network, Polling, write_history
from charging_assets.sources.feeds import load_feeds
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.frames import frame_table
from charging_assets.warehouse.interface import QueryRefused, Warehouse, WarehouseError
from charging_assets.warehouse.plan import Scope
from charging_assets.warehouse.redshift import warehouse as redshift_warehouse
from charging_assets.warehouse.redshift.copy import stage
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.acceptance.report import Skipped
from charging_assets_tests.acceptance.statements import Fault
from charging_assets_tests.acceptance.target import ISOLATIONS, Target
from charging_assets_tests.warehouse import loads, test_both_engines
from charging_assets_tests.warehouse.both_engines import Engines

Operation = Callable[[], Any]
_SAMPLES = Path(
    os.environ.get("CHARGING_SAMPLES") or Path(__file__).parents[2].parent / "shared/samples"
)


def of(target: Target, *, is_quick: bool) -> Iterator[tuple[str, Operation]]:
    """The phases after the bootstrap, in order."""
    for isolation in ISOLATIONS:
        level = isolation.lower()
        yield (
            f"migrate as the user of runs, {level}",
            functools.partial(_migrate, target, isolation),
        )
    yield "grants: services and readers", lambda: _check_grants(target)
    yield "every statement, simulated dirty hours", lambda: _compare_simulated(target, is_quick)
    yield "every statement, real answers", lambda: _compare_real(target)
    yield "publish by UNLOAD, same bytes as DuckDB", lambda: _publish(target)
    for isolation in ISOLATIONS:
        level = isolation.lower()
        for name, check in (
            ("two loaders race", _race),
            ("connection cut in COPY", functools.partial(_cut, pattern="COPY", is_late=False)),
            (
                "connection cut after COMMIT",
                functools.partial(_cut, pattern="COMMIT", is_late=True),
            ),
            ("a reader in a transaction", _read_while_loading),
        ):
            yield f"{name}, {level}", functools.partial(check, target, isolation)
    yield "COPY of hostile texts, in several parts", lambda: _copy_hostile(target)
    yield "VACUUM", lambda: _maintain(target)
    yield "statement timeout", lambda: _time_out(target)
    yield "S3 requests are those of the policies", lambda: _check_policies(target)


def is_serverless(target: Target) -> bool | None:
    """Whether the server has the views of Serverless; None if that is unknown."""
    try:
        target.run("SELECT 1 FROM sys_serverless_usage LIMIT 1")
    except Exception as error:
        return False if "does not exist" in str(error) else None
    return True


def usage(target: Target) -> list[tuple[datetime, datetime, float]]:
    """Charged seconds by minute of the last day; Skipped where they are not known."""
    try:
        rows = target.run(
            "SELECT start_time, end_time, charged_seconds FROM sys_serverless_usage "
            "WHERE start_time > DATEADD('day', -1, GETDATE())"
        )
    except Exception as error:
        raise Skipped(f"no SYS_SERVERLESS_USAGE: {error}") from error
    return [(start, end, float(charged)) for start, end, charged in rows]


def _migrate(target: Target, isolation: str) -> str:
    """Create all schemas, tables, comments and views without rights beyond the bootstrap's."""
    target.warehouse(isolation).execute(*loads.made_tables("redshift"))
    target.warehouse(isolation).execute()  # the second finds everything as it should be
    ((level,),) = (
        target.run(
            "SELECT database_isolation_level FROM svv_redshift_databases "
            f"WHERE database_name = '{target.database(isolation)}'"
        )
        if is_serverless(target)
        else [["as requested"]]
    )
    return str(level)


def _check_grants(target: Target) -> str:
    """What `services` and `reader` may read, and that neither may write, COPY or UNLOAD."""
    database = target.database("SNAPSHOT")
    readable = {"services": ("ops", "mart", "staging"), "reader": ("ops", "mart")}
    tables = {"ops": "ledger", "mart": "city_hour", "staging": "flat_polls"}
    for user, schemas in readable.items():
        for schema, table in tables.items():
            statement = f"SELECT COUNT(*) FROM {schema}.{table}"
            if schema in schemas:
                target.run(statement, database=database, user=user)
            else:
                _must_fail(target, statement, user)
        for statement in (
            "CREATE SCHEMA not_allowed",
            "CREATE TABLE public.not_allowed (a INTEGER)",
            "DELETE FROM ops.ledger",
            "INSERT INTO mart.mart_evse_hour SELECT * FROM mart.mart_evse_hour",
        ):
            _must_fail(target, statement, user)
    reader = target.warehouse(user="reader")
    try:
        reader.query("SELECT 1 AS one FROM staging.flat_polls")
    except WarehouseError:
        return "refused as they should be"
    raise AssertionError("a reader may read staging")


def _must_fail(target: Target, statement: str, user: str) -> None:
    try:
        target.run(statement, database=target.database("SNAPSHOT"), user=user)
    except Exception as error:
        if "permission denied" in str(error) or "must be owner" in str(error):
            return
        raise
    raise AssertionError(f"{user} may: {statement}")


def _engines(target: Target, isolation: str, folder: str) -> Engines:
    # The comparison keeps the rows of each step in ordinary tables, where a load has temp tables.
    target.run(
        f"GRANT CREATE ON SCHEMA public TO {target.user('run')}",
        database=target.database(isolation),
    )
    return Engines(DuckDBWarehouse(Path(folder) / "warehouse.duckdb"), target.warehouse(isolation))


def _compare_simulated(target: Target, is_quick: bool) -> dict[str, Any]:
    """A dirty simulated day: each statement is explained, and its rows compared with DuckDB's."""
    lake = MemoryLake()
    network = Network(
        seed=6, scale=0.03 if is_quick else 0.2, hostile=True, overrides=0.3,
        life=test_both_engines.RESTLESS, places=("koeln", "bonn", "bretten", "kiel"),
    )  # fmt: skip
    first = test_both_engines.FIRST
    end = Hour(first.start + timedelta(hours=2 if is_quick else test_both_engines.HOURS))
    write_history(lake, network, first, end, polling=Polling(missed=0.02, failed=0.01))
    with tempfile.TemporaryDirectory(prefix="charging-verify-") as folder:
        engines = _engines(target, "SNAPSHOT", folder)
        params = test_both_engines._load_and_compare(engines, lake, "simulated")
        engines.execute(*((defect, params) for defect in test_both_engines.DEFECTS))
        for name in test_both_engines.CHECKS:
            engines.query_both(test_both_engines.sql(name), params, f"{name}, with defects")
    return _differences(target, engines)


def _compare_real(target: Target) -> dict[str, Any]:
    """Real answers, in the serializable database."""
    if not _SAMPLES.is_dir():
        raise Skipped("no samples of real answers: set CHARGING_SAMPLES to their folder")
    lake = MemoryLake()
    folders = [_SAMPLES / "chargecloud_2022", _SAMPLES / "chargecloud_2024_stuttgart"]
    imported = import_paths(lake, load_feeds()["chargecloud"], folders)
    assert imported.problems == {}, imported.problems
    with tempfile.TemporaryDirectory(prefix="charging-verify-") as folder:
        engines = _engines(target, "SERIALIZABLE", folder)
        test_both_engines._load_and_compare(engines, lake, "chargecloud")
    return _differences(target, engines)


def _differences(target: Target, engines: Engines) -> dict[str, Any]:
    assert engines.differences == {}, engines.differences
    assert target.plans.refused == {}, target.plans.refused
    return {"statements_compared": len(engines.counts), "rows": sum(engines.counts.values())}


def _publish(target: Target) -> dict[str, Any]:
    """The published files of an hour, all by UNLOAD, are those that DuckDB's rows give."""
    lake = _polls()
    (hour,) = hours_archived(lake)
    published: dict[str, dict[str, bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="charging-verify-") as folder:
        embedded: Warehouse = DuckDBWarehouse(Path(folder) / "warehouse.duckdb")
        clustered = target.warehouse("SERIALIZABLE")
        clustered.execute(*((f"DELETE FROM {table.full_name}", {}) for table in _all_tables()))
        run_lake = target.acting_lake("run")
        clustered._lake = run_lake
        for name, warehouse, to in (
            ("duckdb", embedded, MemoryLake()), ("redshift", clustered, run_lake),
        ):  # fmt: skip
            files = test_both_engines.hours.flat_files(lake, hour)
            warehouse.apply_all(
                [test_both_engines.staging_plan(hour, files),
                 *test_both_engines.derived_plans(hour)]
            )  # fmt: skip
            with mock.patch.object(redshift_warehouse, "MAX_CURSOR_ROWS", 0):
                publish(to, warehouse, hour)
            published[name] = {key: to.get(key) for key in to.keys("published/")}
    assert published["redshift"] == published["duckdb"], [
        key for key, body in published["duckdb"].items() if published["redshift"].get(key) != body
    ]
    return {"files": len(published["duckdb"])}


def _all_tables() -> list[Any]:
    from charging_assets.schemas.catalog import TABLES

    return list(TABLES)


def _polls() -> Lake:
    """An hour of polls of two places."""
    hours = test_both_engines.hours
    return hours.lake_of(
        {
            10.0 * slot: {"koeln": hours.stand(status), "bonn": hours.stand("AVAILABLE")}
            for slot, status in enumerate(["AVAILABLE", "CHARGING", "CHARGING", "BLOCKED"])
        }
    )


def _race(target: Target, isolation: str) -> str:
    """Two processes load one hour at a time; the last committed load is complete."""
    errors: list[Exception] = []

    def load(name: str) -> None:
        try:
            for number in range(3):
                rows = loads.sample_rows(*(f"{name}{each}" for each in range(5)))
                target.warehouse(isolation).apply(loads.a_load(rows, f"{name}-{number}"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=load, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    names = loads.names(target.warehouse(isolation))
    assert len(names) == 5 and len({name[0] for name in names}) == 1, names
    return f"{names[0][0]} was last"


def _cut(target: Target, isolation: str, *, pattern: str, is_late: bool) -> str:
    """A broken connection is repaired by the load itself: the same rows, once."""
    fault = Fault(pattern, is_late)
    warehouse = target.warehouse(isolation, fault=fault)
    warehouse.execute()
    fault.happened = False
    load = loads.a_load(loads.sample_rows("x", "y"), f"cut-{pattern}-{isolation}")
    result = warehouse.apply(load)
    assert fault.happened
    assert result.row_counts == {"given": 2, "derived": 2}, result
    assert loads.names(target.warehouse(isolation)) == ["x", "y"]
    return "loaded again"


def _read_while_loading(target: Target, isolation: str) -> str:
    """A reader that holds a transaction sees one state, and blocks no load."""
    reader = target._resource(target.database(isolation), "run").connect()
    try:
        cursor = reader.cursor()
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM warehouse.derived")
        before = cursor.fetchone()
        rows = loads.sample_rows("one", "two", "three")
        target.warehouse(isolation).apply(loads.a_load(rows, f"read-{isolation}"))
        cursor.execute("SELECT COUNT(*) FROM warehouse.derived")
        assert cursor.fetchone() == before
        cursor.execute("COMMIT")
    finally:
        reader.close()
    assert len(loads.names(target.warehouse(isolation))) == 3
    return "not blocked"


HOSTILE = (
    "", " leading", "it's", '"quoted"', "back\\slash", "a,b\tc", "two\nlines", "%s :name $1 --",
    "größer", "🔌" * 9, "\uffff", "\u202e", "NULL", "\\N", "x" * 65_535,
)  # fmt: skip


def _copy_hostile(target: Target) -> str:
    """Texts of every kind, columns without values, no rows, and more parts than one."""
    count = 40
    rows = pa.table(
        {
            "number": pa.array(range(count), pa.int64()),
            "words": [HOSTILE[n % len(HOSTILE)] for n in range(count)],
            "never": pa.nulls(count, pa.string()),
            "at_time": pa.array([datetime(2026, 1, 1, 0, 0, 0, n) for n in range(count)],
                                pa.timestamp("us")),
            "share": [n / 7 for n in range(count)],
            "is_even": [n % 2 == 0 for n in range(count)],
        }
    )  # fmt: skip
    table = frame_table("user_tables", "hostile", rows.schema)
    warehouse = target.warehouse()
    names = ", ".join(table.names)
    select = f"SELECT {names} FROM {table.full_name} ORDER BY number"
    parts = functools.partial(stage, part_bytes=100_000)
    with mock.patch("charging_assets.warehouse.redshift.frames.stage", parts):
        for part in (rows, rows.slice(0, 0), rows.slice(5)):
            warehouse.replace_rows(table, Scope("TRUE"), part)
            assert warehouse.query(select).to_pylist() == part.to_pylist()
    return f"{count} rows"


def _maintain(target: Target) -> list[str]:
    messages = target.warehouse().maintain()
    assert all(message.endswith(": done") for message in messages), messages
    return messages


def _time_out(target: Target) -> str:
    """A statement that takes too long ends, and the message names the setting."""
    warehouse = target.warehouse(statement_timeout_s=1)
    many = ", ".join(f"warehouse.dim_time AS t{number}" for number in range(5))
    target.warehouse().execute(("DELETE FROM warehouse.dim_time", {}))
    _fill_dim_time(target.warehouse())
    with pytest.raises(QueryRefused, match="CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S"):
        warehouse.query(f"SELECT COUNT(*) AS n FROM {many} WHERE RANDOM() < 2")
    return "ended"


def _fill_dim_time(warehouse: RedshiftWarehouse) -> None:
    from charging_assets.schemas.dimensions import DIM_TIME
    from charging_assets.schemas.render import arrow_schema

    rows = 2000
    columns = []
    for field in arrow_schema(DIM_TIME):
        if pa.types.is_timestamp(field.type):
            start = datetime(2026, 1, 1)
            values: Any = [start + timedelta(hours=n) for n in range(rows)]
        elif pa.types.is_string(field.type):
            values = ["x"] * rows
        elif pa.types.is_boolean(field.type):
            values = [False] * rows
        elif pa.types.is_date(field.type):
            values = [datetime(2026, 1, 1).date()] * rows
        else:
            values = [1] * rows
        columns.append(pa.array(values, field.type))
    filled = pa.Table.from_arrays(columns, schema=arrow_schema(DIM_TIME))
    warehouse.replace_rows(replace(DIM_TIME), Scope("TRUE"), filled)


def _check_policies(target: Target) -> dict[str, int]:
    """All requests of the runs so far are allowed by the policies of `deploy/aws`."""
    refused = {name: acting.refused for name, acting in target.roles.items() if acting.refused}
    assert refused == {}, refused
    return {name: len(acting.requests) for name, acting in target.roles.items()}
