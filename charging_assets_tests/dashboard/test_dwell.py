"""Mean dwell equals a simple reference implementation of the restricted Kaplan-Meier mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.warehouse.sql_files import sql
from charging_assets.warehouse.transpile import bind_params

DAY = datetime(2026, 1, 13)
HORIZON_MIN = 1440
ALL: dict[str, Any] = {
    "feed": "test", "place": "", "operator_name": "", "station_key": 0, "evse_key": 0,
    "time_zone": "UTC", "from_date": DAY, "to_date": DAY + timedelta(days=1),
    "window_start": DAY, "window_end": DAY + timedelta(days=2),
}  # fmt: skip
TABLES = """
CREATE SCHEMA mart; CREATE SCHEMA warehouse;
CREATE TABLE mart.mart_station_day
    (feed TEXT, station_key BIGINT, local_date TIMESTAMP, place TEXT, operator_name TEXT);
CREATE TABLE mart.mart_evse_hour
    (feed TEXT, evse_key BIGINT, station_key BIGINT, power_class TEXT, slot_at TIMESTAMP);
CREATE TABLE warehouse.fact_charging_session
    (feed TEXT, evse_key BIGINT, slot_at TIMESTAMP, started_at TIMESTAMP, ended_after TIMESTAMP,
    duration_s DOUBLE, is_start_censored BOOLEAN);
"""
# Station, day, seconds, and whether its end was observed.
Session = tuple[int, int, int, bool]
STATIONS = {1: ("bonn", "ac"), 2: ("koeln", "ac"), 3: ("koeln", "hpc")}


def restricted_mean(durations: Sequence[tuple[int, bool]]) -> Fraction | None:
    """By the definition: the area below the curve of those that still last, up to a day.

    Durations are taken to the minute, half a minute rounded up; the area is in seconds.
    """
    durations = [((seconds + 30) // 60, is_end) for seconds, is_end in durations]
    area, at, alive = Fraction(0), 0, Fraction(1)
    for time in sorted({minutes for minutes, _ in durations}):
        until = min(time, HORIZON_MIN)
        area, at = area + alive * (until - at), until
        left = sum(minutes >= time for minutes, _ in durations)
        ends = sum(is_end for minutes, is_end in durations if minutes == time)
        alive *= 1 - Fraction(ends, left)
    longest = max((minutes for minutes, _ in durations), default=0)
    if sum(is_end for _, is_end in durations) < 5:
        return None
    return area * 60 if alive <= Fraction(1, 20) or longest >= HORIZON_MIN else None


def means(sessions: Sequence[Session], **scope: Any) -> dict[tuple[str, Any], float | None]:
    """What the statement finds, by group."""
    days = [(key, DAY + timedelta(days=day)) for key in STATIONS for day in (0, 1)]
    sessions_rows = [
        (key, at, at, at + timedelta(seconds=lasted), float(lasted) if ended else None, False)
        for n, (key, day, lasted, ended) in enumerate(sessions)
        for at in [DAY + timedelta(days=day, seconds=n)]
    ]
    # One whose start was not observed is in no mean.
    sessions_rows.append((1, DAY, None, DAY + timedelta(hours=30), None, True))
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        insert(
            connection,
            "mart.mart_station_day",
            [(key, day, STATIONS[key][0], STATIONS[key][0]) for key, day in days],
        )
        insert(
            connection,
            "mart.mart_evse_hour",
            [(key, key, STATIONS[key][1], day) for key, day in days],
        )
        insert(connection, "warehouse.fact_charging_session", sessions_rows)
        statement, values = bind_params(sql("dashboard/dwell"), {**ALL, **scope})
        names = [each[0] for each in connection.execute(statement, values).description or []]
        result = [dict(zip(names, row, strict=True)) for row in connection.fetchall()]
    return {
        (row["grouped_by"], row.get(row["grouped_by"])): row["dwell_mean_s"] for row in result
    }  # fmt: skip


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]]) -> None:
    one = ", ".join("?" * len(rows[0]))
    values = ", ".join([f"('test', {one})"] * len(rows))
    connection.execute(f"INSERT INTO {table} VALUES {values}", [v for row in rows for v in row])


LASTED = st.one_of(st.integers(0, 12).map(lambda n: 600 * n), st.integers(0, 100_000))
SESSIONS = st.lists(
    st.tuples(st.sampled_from([*STATIONS]), st.integers(0, 1), LASTED, st.sampled_from(
        [True, True, True, False])), max_size=40,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SESSIONS)
def test_dwell__is_the_restricted_mean_of_every_group(sessions: list[Session]) -> None:
    groups: dict[tuple[str, Any], list[tuple[int, bool]]] = {}
    for key, day, lasted, ended in sessions:
        place, power = STATIONS[key]
        for group in (("total", None), ("place", place), ("power_class", power),
                      ("local_date", DAY + timedelta(days=day))):  # fmt: skip
            groups.setdefault(group, []).append((lasted, ended))
    result = means(sessions)
    assert set(result) == set(groups)
    for group, durations in groups.items():
        expected = restricted_mean(durations)
        assert result[group] == (None if expected is None else pytest.approx(float(expected), 1e-6,
                                                                            2e-3))  # fmt: skip


def sessions_of(*durations: tuple[int, bool], key: int = 1) -> list[Session]:
    return [(key, 0, seconds, ended) for seconds, ended in durations]


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([(600, True)] * 4, None),  # too few
        ([(600, True)] * 5, 600),
        ([(600, True)] * 5 + [(600, False)], None),  # a sixth lasts longer than all that is known
        ([(600, True)] * 19 + [(600, False)], 600),  # a twentieth does
        ([(600, True)] * 18 + [(600, False)], None),
        ([(3600, True)] * 5 + [(100_000, False)], (5 * 3600 + 86_400) / 6),
        ([(3600, True)] * 5 + [(100_000, True)], (5 * 3600 + 86_400) / 6),
        ([(89, True)] * 5, 60),
        ([(90, True)] * 5, 120),  # half a minute is rounded up
        # A censored half an hour only shows that the session lasted longer.
        ([(1800, False)] * 5 + [(3600, True)] * 5, 3600),
    ],
)
def test_dwell__by_example(durations: list[tuple[int, bool]], expected: float | None) -> None:
    assert means(sessions_of(*durations))["total", None] == expected


def test_dwell__can_be_narrowed_down() -> None:
    sessions = sessions_of(*[(600, True)] * 5) + sessions_of(*[(1200, True)] * 5, key=2)
    assert means(sessions)["total", None] == 900
    assert means(sessions, place="bonn")["total", None] == 600
    assert means(sessions, operator_name="koeln")["total", None] == 1200
    assert means(sessions, station_key=2)["total", None] == 1200
    assert means(sessions, evse_key=1)["total", None] == 600
    assert means(sessions, from_date=DAY + timedelta(days=1)) == {}
