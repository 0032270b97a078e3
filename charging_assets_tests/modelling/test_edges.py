"""The rules of docs/metrics.md, "Rules at the edges", for sessions, marts and versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from charging_assets.lake.memory import MemoryLake
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

# What sessions are made from.
SESSION_TABLES = ("dim_connector", "fact_")
BOUNDS = """
SELECT started_after, started_before, ended_after, ended_before, bridged_poll_count, idle_after_s
FROM warehouse.fact_charging_session WHERE evse_uid = 'e1' ORDER BY slot_at
"""


def loaded(
    polls: Mapping[float, Mapping[str, str | None]],
    only: str | tuple[str, ...] = "",
    *,
    clock_s: float = 0,
    **header: Any,
) -> DuckDBWarehouse:
    """A warehouse of polls by minute: what each place publishes of e1, None for not at all.

    No request has a time, as in imports; the answers' clock is so many seconds late.
    """
    lake = MemoryLake()
    for minute, statuses in polls.items():
        poll = builders.poll(minute, **header)
        at = (poll.slot_at + timedelta(seconds=clock_s)).isoformat()
        bodies = {
            place: builders.envelope(
                *([station([evse("e1", status)])] if status else []),
                station([evse("e2")], "s2"),
                at=at,
            )
            for place, status in statuses.items()
        }
        builders.archived(lake, poll, bodies)
    return hours.span_loaded(lake, only)


def koeln(*statuses: str | None) -> dict[float, dict[str, str | None]]:
    """A poll every ten minutes."""
    return {10.0 * number: {"koeln": status} for number, status in enumerate(statuses)}


A, C, B, U = "AVAILABLE", "CHARGING", "BLOCKED", "UNKNOWN"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        # Before the start, within, and after the end: the bound is the known poll beyond.
        ((A, U, C, A, A), (0, 20, 20, 30, 0, 0)),
        ((A, C, U, C, A), (0, 10, 30, 40, 1, 0)),
        ((A, C, U, A, A), (0, 10, 10, 30, 0, 0)),
        # Two in a row censor the end that they are at.
        ((A, U, U, C, A), (None, 30, 30, 40, 0, 0)),
        ((A, C, U, U, A), (0, 10, 10, None, 0, None)),
    ],
)
def test_sessions__look_through_one_unknown_poll_also_at_their_ends(
    statuses: tuple[str, ...], expected: tuple[Any, ...]
) -> None:
    assert hours.rows(loaded(koeln(*statuses), SESSION_TABLES), BOUNDS) == [expected]


@pytest.mark.parametrize("status", ["REMOVED", "PLANNED"])
def test_removed_and_planned__are_unknown_time_and_end_a_session(status: str) -> None:
    warehouse = loaded(koeln(A, C, status, A, A, A))
    assert hours.rows(warehouse, BOUNDS) == [(0, 10, 10, 20, 0, 0)]
    seconds = (
        "SELECT unknown_s, charging_s, inoperative_s + out_of_order_s FROM mart.mart_evse_hour"
    )
    assert (600, 600, 0) in hours.rows(warehouse, seconds)


def test_places__are_chosen_by_slot_in_marts_and_by_hour_in_sessions() -> None:
    """bonn, the first by name, publishes it in two slots, koeln says CHARGING in all."""
    polls: dict[float, dict[str, str | None]] = {
        10.0 * number: {"koeln": C, **({"bonn": A} if number in (0, 5) else {})}
        for number in range(6)
    }
    polls |= {60.0: {"koeln": A, "bonn": A}}
    warehouse = loaded(polls)
    seconds = (
        "SELECT available_s, charging_s, place FROM mart.mart_evse_hour "
        f"WHERE evse_key = {hours.key_of('evse', 'e1')} ORDER BY slot_at"
    )
    assert hours.rows(warehouse, seconds) == [(1200, 2400, "bonn"), (600, 0, "bonn")]
    assert hours.rows(warehouse, BOUNDS) == []


@pytest.mark.parametrize(("clock_s", "late_min"), [(180, 3), (900, 15), (-900, -15), (901, 0)])
def test_bounds__of_imports_are_by_the_answers_clock(clock_s: int, late_min: int) -> None:
    warehouse = loaded(koeln(A, C, A), SESSION_TABLES, clock_s=clock_s)
    expected = tuple(at + late_min for at in (0, 10, 10, 20))
    assert hours.rows(warehouse, BOUNDS) == [(*expected, 0, 0)]


def test_is_current__is_false_for_every_version_of_what_disappeared() -> None:
    polls = koeln(A, A) | {minute: {"koeln": None} for minute in (20.0, 30.0, 1480.0)}
    warehouse = loaded(polls)
    versions = "SELECT valid_from, valid_to, is_current, close_reason FROM warehouse.dim_evse "
    e1 = f"{versions} WHERE evse_uid = 'e1' ORDER BY valid_from"
    assert hours.rows(warehouse, e1) == [(0, 20, False, "disappeared")]
    e2 = f"{versions} WHERE evse_uid = 'e2' ORDER BY valid_from"
    assert hours.rows(warehouse, e2) == [(0, None, True, None)]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((A, C, B, B, A), 1200),
        ((A, C, A, B, A), 0),
        ((A, C, U, U, B), None),  # whether it was blocked directly after was not observed
        ((A, C, U, B, A), 600),
        ((A, C), None),
    ],
)
def test_idle_after_s__is_null_where_the_end_is_censored(
    statuses: tuple[str, ...], expected: int | None
) -> None:
    ((*_, idle_s),) = hours.rows(loaded(koeln(*statuses), SESSION_TABLES), BOUNDS)
    assert idle_s == expected


def test_idle_after_s__ends_at_a_gap() -> None:
    polls = koeln(A, C, B) | {50.0: {"koeln": B}, 60.0: {"koeln": A}}
    ((*_, idle_s),) = hours.rows(loaded(polls, SESSION_TABLES), BOUNDS)
    assert idle_s == 600


def test_is_stuck__a_run_begins_seven_days_or_more_after_the_first_poll() -> None:
    """Runs begin with an hour, or where the parking status changes; a session ends with a run."""
    start, week = 20, 7 * 24 * 60
    minutes = [0, 10, *range(start, week, 120), *range(week, week + 80, 10)]
    until = {"hour": 60, "next": 80, "changed": 80, "before": 60, "whole": 80}
    changed_at = {"changed": start, "before": start - 10}
    lake = MemoryLake()
    for minute in minutes:
        evses = []
        for uid, end in until.items():
            is_charging = (0 if uid == "whole" else start) <= minute < week + end
            is_occupied = minute >= week + changed_at.get(uid, week)
            evses.append(
                evse(
                    uid,
                    "CHARGING" if is_charging else "AVAILABLE",
                    parkingsensor_status="occupied" if is_occupied else "free",
                )
            )
        header = builders.poll(minute, cadence_s=3600)
        builders.archived(lake, header, {"koeln": builders.envelope(station(evses))})
    sessions = (
        "SELECT evse_uid, slot_at, last_slot_at, is_stuck, is_end_censored "
        "FROM warehouse.fact_charging_session ORDER BY evse_uid"
    )
    assert hours.rows(hours.span_loaded(lake, SESSION_TABLES), sessions) == [
        ("before", start, week + 50, False, False),
        ("changed", start, week + start - 10, True, True),
        # The poll 50 minutes beyond the week is of a run that began before it.
        ("hour", start, week + 50, False, False),
        ("next", start, week + 50, True, True),
        ("whole", 0, week - 100, True, True),
    ]


@pytest.mark.parametrize(("hour", "local_day"), [(18, 11), (19, 12)])
def test_days__of_half_hour_zones_begin_with_the_first_whole_utc_hour(
    hour: int, local_day: int
) -> None:
    """Midnight in Kolkata is 18:30 UTC: a session of 18:40, 00:10 local, is of the day before."""
    begins = 60.0 * (hour - 20) + 30
    polls: dict[float, dict[str, str | None]] = {
        begins: {"koeln": A}, begins + 10: {"koeln": C}, begins + 20: {"koeln": A}
    }  # fmt: skip
    warehouse = loaded(polls, time_zone="Asia/Kolkata")
    days = warehouse.query(
        "SELECT slot_at, local_date, session_count, observed_s FROM mart.mart_station_day "
        "WHERE charging_s > 0"
    ).to_pylist()
    midnight = datetime(2022, 1, local_day)
    assert days == [
        {
            "slot_at": midnight - timedelta(hours=5, minutes=30),
            "local_date": midnight,
            "session_count": 1,
            "observed_s": 1800,
        }
    ]
