"""P5: fact_status of a day at a hundred times the network, against the bare query over integers.

The database generates the polled statuses, and from them the runs of staging. The bare query finds
changes with LAG and LEAD over the polled statuses as three integers, the minimum cost of deriving
runs in the database. Both have 2 GB of memory and may not spill. fact_status is derived hour by
hour, as in a load, with the settings of loading connections; the bare query has DuckDB's default
settings, with which it is fastest.
CHARGING_BENCH_STATUS_HOURS is the number of hours (default: 24).
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from charging_assets.schemas.flat import FLAT_STATUS
from charging_assets.schemas.render import create_table
from charging_assets.warehouse.duckdb.connection import STAGING_ROW_GROUP_SIZE, connect_duckdb
from charging_assets.warehouse.sql_files import sql
from charging_assets.warehouse.transpile import bind_params

EVSES = 523_600  # times 144 polls: 75.4 M rows
POLLS_AN_HOUR = 6
TARGET = 1.5
RUNS = 3
START = datetime(2025, 6, 2)
MEMORY = "2GB"

_POLLED = """
SELECT
    polls.n AS poll_number,
    TIMESTAMP '2025-06-02' + to_minutes(CAST(10 * polls.n AS INTEGER)) AS slot_at,
    'simulated' AS feed,
    'place-' || (evses.n % 38) AS place,
    CAST(hash(evses.n)::HUGEINT - 9223372036854775808 AS BIGINT) AS evse_key,
    CAST(evses.n AS VARCHAR) AS evse_uid,
    -- A state lasts two and a half hours; one poll in a hundred is UNKNOWN.
    CASE
        WHEN hash(evses.n, polls.n) % 100 = 0 THEN 'UNKNOWN'
        WHEN hash(evses.n, (polls.n + evses.n) // 15) % 5 = 0 THEN 'CHARGING'
        WHEN hash(evses.n, (polls.n + evses.n) // 15) % 50 = 1 THEN 'OUTOFORDER'
        ELSE 'AVAILABLE'
    END AS status,
    CASE WHEN evses.n % 20 = 0 THEN 'FREE' END AS parking_status
FROM range($evses) AS evses(n), range($first, $last) AS polls(n)
"""
_RUNS = """
SELECT
    MIN(slot_at) AS slot_at,
    MAX(slot_at) AS last_slot_at,
    CAST(COUNT(*) AS INTEGER) AS poll_count,
    feed, place, evse_key, evse_uid, status, status AS status_published, parking_status,
    CAST(NULL AS VARCHAR) AS connector_status_overrides,
    CAST(NULL AS TIMESTAMP) AS first_status_changed_at,
    CAST(NULL AS TIMESTAMP) AS last_status_changed_at
FROM (
    SELECT
        *,
        poll_number - ROW_NUMBER() OVER (PARTITION BY evse_key, status ORDER BY poll_number)
            AS run_number
    FROM polled
)
GROUP BY feed, place, evse_key, evse_uid, status, parking_status, run_number
ORDER BY evse_key, slot_at
"""
_BARE = """
WITH compared AS (
    SELECT evse_key, slot, status,
        LAG(status) OVER (PARTITION BY evse_key ORDER BY slot) AS previous
    FROM integers
)
SELECT evse_key, slot, status, LEAD(slot) OVER (PARTITION BY evse_key ORDER BY slot) AS next_slot
FROM compared
WHERE previous IS NULL OR previous <> status
"""
Statement = tuple[str, dict[str, Any]]


def run() -> list[dict[str, Any]]:
    """The ratio of fact_status to the bare query, the best of three alternating runs each."""
    hours = int(os.environ.get("CHARGING_BENCH_STATUS_HOURS", "24"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "status.duckdb"
        with closing(connect_duckdb(path, row_group=STAGING_ROW_GROUP_SIZE)) as connection:
            rows = _fill(connection, hours)
        fact = [
            bind_params(
                sql("facts/fact_status"),
                {
                    "window_start": START + timedelta(hours=hour),
                    "window_end": START + timedelta(hours=hour + 1),
                },
            )
            for hour in range(hours)
        ]
        # Otherwise pending writes would go to disk during the measurement.
        os.sync()
        took = [
            (_timed(path, [(_BARE, {})], "RESET disabled_optimizers"), _timed(path, fact))
            for _ in range(RUNS)
        ]
        bare_s, fact_s = (min(times) for times in zip(*took, strict=True))
    ratio = fact_s / bare_s
    return [
        {
            "goal": "P5 fact_status, against the bare query over integers",
            "ratio": round(ratio, 2),
            "target": TARGET,
            "met": ratio <= TARGET and hours >= 24,
            "rows": rows,
            "hours": hours,
            "memory": MEMORY,
            "seconds_bare": round(bare_s, 2),
            "seconds_fact_status": round(fact_s, 2),
        }
    ]


def _fill(connection: duckdb.DuckDBPyConnection, hours: int) -> int:
    connection.execute("CREATE SCHEMA staging")
    connection.execute(create_table(FLAT_STATUS, dialect="duckdb"))
    connection.execute("CREATE TABLE integers (evse_key BIGINT, slot BIGINT, status SMALLINT)")
    names = ", ".join(FLAT_STATUS.names)
    for hour in range(hours):
        polls = {"first": hour * POLLS_AN_HOUR, "last": (hour + 1) * POLLS_AN_HOUR}
        connection.execute(
            f"CREATE OR REPLACE TEMPORARY TABLE polled AS {_POLLED}", {"evses": EVSES, **polls}
        )
        connection.execute(
            f"INSERT INTO staging.flat_status ({names}) SELECT {names} FROM ({_RUNS})"
        )
        connection.execute(
            "INSERT INTO integers SELECT evse_key, CAST(epoch(slot_at) AS BIGINT) AS slot, "
            "CASE status WHEN 'AVAILABLE' THEN 1 WHEN 'CHARGING' THEN 2 WHEN 'UNKNOWN' THEN 3 "
            "ELSE 4 END AS status FROM polled ORDER BY evse_key, slot_at"
        )
    connection.execute("CHECKPOINT")
    count = connection.execute("SELECT COUNT(*) FROM integers").fetchone()
    return int(count[0]) if count else 0


def _timed(path: Path, statements: Iterable[Statement], *settings: str) -> float:
    # Without a temporary folder a query that must spill fails.
    setup = (f"SET memory_limit = '{MEMORY}'", "SET temp_directory = ''", *settings)
    took = 0.0
    with closing(connect_duckdb(path, row_group=STAGING_ROW_GROUP_SIZE)) as connection:
        for setting in setup:
            connection.execute(setting)
        for statement, values in statements:
            began = time.perf_counter()
            connection.execute(f"CREATE OR REPLACE TEMPORARY TABLE result AS {statement}", values)
            took += time.perf_counter() - began
    return took
