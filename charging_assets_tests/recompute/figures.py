"""The tables that are recomputed: rows from raw objects, next to those of the warehouse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from charging_assets_tests.recompute import day_marts, hour_marts
from charging_assets_tests.recompute.comparison import (
    Differences,
    Row,
    compare,
    existing_columns,
    open_warehouse,
)
from charging_assets_tests.recompute.dimensions import FOREVER, Dimension, dimension
from charging_assets_tests.recompute.observations import (
    Observations,
    hour_of,
    read_observations,
    status_runs,
)
from charging_assets_tests.recompute.sessions import sessions

_SECONDS = (
    "observed_s", "available_s", "charging_s", "reserved_s", "blocked_s", "inoperative_s",
    "out_of_order_s", "unknown_s", "window_s", "session_exposure_s",
)  # fmt: skip
_SHARES = ("coverage", "utilisation", "occupancy", "availability", "reliability")
_SESSION_COUNTS = ("session_count", "ended_session_count", "dwell_s")

# Table → key, other columns.
_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "warehouse.fact_poll": (
        ("feed", "place", "slot_at"),
        ("feed_kind", "time_zone", "outcome", "is_imported", "requested_at", "observed_at",
         "cadence_s", "elapsed_ms", "http_status", "body_bytes", "raw_key", "answer_count",
         "station_count", "station_rejected_count", "evse_count", "evse_rejected_count",
         "connector_count", "connector_rejected_count", "status_count", "status_rejected_count",
         "carried_count", "is_complete"),
    ),
    "warehouse.fact_status": (
        ("feed", "place", "evse_key", "slot_at"),
        ("evse_uid", "status", "status_published", "parking_status", "connector_status_overrides",
         "first_slot_at", "last_slot_at", "poll_count", "first_status_changed_at",
         "last_status_changed_at"),
    ),
    "warehouse.fact_charging_session": (
        ("feed", "evse_key", "slot_at"),
        ("last_slot_at", "place", "evse_uid", "started_after", "started_before", "started_at",
         "ended_after", "ended_before", "ended_at", "is_start_censored", "is_end_censored",
         "is_stuck", "poll_count", "bridged_poll_count", "duration_min_s", "duration_s",
         "duration_max_s", "idle_after_s", "max_power_kw", "energy_min_kwh", "energy_max_kwh"),
    ),
    "mart.mart_evse_hour": (
        ("feed", "evse_key", "slot_at"),
        ("place", "station_key", "power_class", "max_power_kw", "poll_count", "first_slot_at",
         "last_slot_at", *_SECONDS, *_SHARES),
    ),
    "mart.mart_station_hour": (
        ("feed", "station_key", "slot_at"),
        ("local_date", "place", "evse_count", "station_operable_s", "saturated_s",
         "saturated_or_unknown_s", *_SECONDS),
    ),
    "mart.mart_station_day": (
        ("feed", "station_key", "local_date"),
        ("slot_at", "ends_at", "place", "station_name", "operator_name", "evse_count",
         "station_operable_s", "saturated_s", "saturated_or_unknown_s", "saturation", *_SECONDS,
         *_SHARES, *_SESSION_COUNTS),
    ),
    "mart.mart_city_day": (
        ("feed", "place", "power_class", "local_date"),
        ("slot_at", "ends_at", "station_count", "evse_count", *_SECONDS, *_SHARES,
         *_SESSION_COUNTS),
    ),
    "mart.mart_operator_month": (
        ("feed", "operator_name", "local_month"),
        ("slot_at", "ends_at", "station_count", "evse_count", "day_count", *_SECONDS, *_SHARES,
         *_SESSION_COUNTS),
    ),
}  # fmt: skip

# Dimension → key, and the columns whose change makes a new version here.
_DIMENSIONS = {
    "station": ("station_key", ("name", "operator_name")),
    "evse": ("evse_key", ("station_key",)),
    "connector": (
        "connector_key",
        ("evse_key", "power_type", "ampere", "voltage", "max_power_kw"),
    ),
}


@dataclass
class Report:
    """What was compared."""

    tables: list[Differences] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def difference_count(self) -> int:
        return sum(table.total for table in self.tables)

    @property
    def summary(self) -> str:
        rows = sum(table.row_count for table in self.tables)
        return (
            f"{rows:,} rows of {len(self.tables)} tables compared: "
            f"{self.difference_count:,} differences, {self.seconds:.1f} s"
        )


@dataclass
class Figures:
    """All rows of a home, recomputed from its raw objects."""

    observations: Observations
    dimensions: dict[str, Dimension]
    tables: dict[str, list[Any]]


def recompute(home: Path, progress: Callable[[str], None] = lambda line: None) -> Report:
    """Recompute a home and compare."""
    began = time.monotonic()
    figures = recomputed(home, progress)
    progress("comparing")
    report = compare_figures(figures, home)
    report.seconds = time.monotonic() - began
    return report


def compare_figures(figures: Figures, home: Path) -> Report:
    """Compare rows with the warehouse of a home."""
    report = Report()
    with open_warehouse(home) as connection:
        for table, (key, others) in _COLUMNS.items():
            existing = existing_columns(connection, table)
            columns = [column for column in others if column in existing]
            missing = [column for column in others if column not in existing]
            names = (*key, *columns)
            expected = _rows_of(figures.observations, table, figures.tables[table], names)
            actual = connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
            report.tables.append(compare(table, key, columns, expected, actual, missing))
            if table == "warehouse.fact_status":
                report.tables.append(_compare_polled_rows(connection, figures.observations))
        for entity, made in figures.dimensions.items():
            report.tables.append(_compare_dimension(connection, entity, made))
    return report


def recomputed(home: Path, progress: Callable[[str], None] = lambda line: None) -> Figures:
    """All tables of a home, each from those before it."""
    progress("reading the raw archive")
    observations = read_observations(home)
    progress("dimensions")
    dimensions = {entity: dimension(observations, entity) for entity in _DIMENSIONS}
    progress("sessions")
    runs = status_runs(observations)
    charging = sessions(observations, runs)
    progress("hours")
    evse_rows = hour_marts.evse_hours(observations, dimensions["evse"])
    station_rows = hour_marts.station_hours(observations, evse_rows)
    progress("days and months")
    days = day_marts.station_days(
        observations, dimensions["station"], evse_rows, station_rows, charging
    )
    tables: dict[str, list[Any]] = {
        "warehouse.fact_poll": observations.polls,
        "warehouse.fact_status": runs,
        "warehouse.fact_charging_session": charging,
        "mart.mart_evse_hour": evse_rows,
        "mart.mart_station_hour": station_rows,
        "mart.mart_station_day": days,
        "mart.mart_city_day": day_marts.city_days(observations, evse_rows, days, charging),
        "mart.mart_operator_month": day_marts.operator_months(observations, days),
    }
    return Figures(observations, dimensions, tables)


def _rows_of(
    observations: Observations, table: str, made: Iterable[Any], columns: Sequence[str]
) -> Iterator[Row]:
    """Recomputed rows by the names that the warehouse has for their columns."""
    local = day_marts.calendar(observations)
    for each in made:
        extra: dict[str, Any] = {}
        if table == "warehouse.fact_poll":
            kept = {**dict.fromkeys(_DIMENSIONS, 0), **each.kept_count}
            extra = {
                f"{entity}_rejected_count": getattr(each, f"{entity}_count") - kept[entity]
                for entity in _DIMENSIONS
            }
            extra["feed_kind"] = each.kind
            # Each EVSE record has a status, and answers of this kind are complete.
            extra["status_count"] = each.evse_count
            extra["status_rejected_count"] = extra["evse_rejected_count"]
            extra["carried_count"] = 0
            extra["is_complete"] = True if each.outcome == "ok" else None
        elif table == "mart.mart_station_hour":
            local_date = local.date_of(each.feed, each.slot_at)
            extra["local_date"] = datetime.combine(local_date, datetime.min.time())
        elif table == "warehouse.fact_status":
            extra = {
                "evse_uid": each.uid,
                "status_published": each.published,
                "connector_status_overrides": each.overrides,
                "first_status_changed_at": None,
                "last_status_changed_at": None,
                "first_slot_at": each.slot_at,
            }
        yield tuple(extra[name] if name in extra else getattr(each, name) for name in columns)


def _compare_polled_rows(
    connection: duckdb.DuckDBPyConnection, observations: Observations
) -> Differences:
    """The runs of fact_status, each expanded to the good polls of its place within it."""
    key = ("feed", "place", "evse_key", "slot_at")
    columns = ("status", "status_published", "parking_status", "connector_status_overrides")
    expanded = connection.execute(
        "SELECT runs.feed, runs.place, runs.evse_key, polls.slot_at, runs.status, "
        "runs.status_published, runs.parking_status, runs.connector_status_overrides "
        "FROM warehouse.fact_status AS runs INNER JOIN warehouse.fact_poll AS polls "
        "ON runs.feed = polls.feed AND runs.place = polls.place "
        "AND polls.outcome IN ('ok', 'not_modified') "
        "AND polls.slot_at BETWEEN runs.first_slot_at AND runs.last_slot_at"
    ).fetchall()
    polled: list[tuple[Any, ...]] = []
    for evse_key, statuses in observations.statuses.items():
        for each in statuses:
            row_key = each.feed, each.place, evse_key, each.slot_at
            state = each.status, each.published, each.parking_status, each.overrides
            polled.append((*row_key, *state))
    return compare("fact_status, as polled rows", key, columns, polled, expanded)


def _compare_dimension(
    connection: duckdb.DuckDBPyConnection, entity: str, made: Dimension
) -> Differences:
    """What was valid at the start of each UTC hour, as the hours at which that changes."""
    key, attributes = _DIMENSIONS[entity]
    stored: dict[int, list[tuple[datetime, datetime, tuple[Any, ...]]]] = {}
    for entity_key, valid_from, valid_to, *state in connection.execute(
        f"SELECT {key}, valid_from, valid_to, {', '.join(attributes)} FROM warehouse.dim_{entity} "
        f"ORDER BY {key}, valid_from"
    ).fetchall():
        stored.setdefault(entity_key, []).append((valid_from, valid_to or FOREVER, tuple(state)))
    mine = {
        entity_key: [(v.valid_from, v.valid_to, v.state[: len(attributes)]) for v in versions]
        for entity_key, versions in made.versions.items()
    }
    return compare(
        f"dim_{entity}, by the hour",
        (key, "hour"),
        attributes,
        _hourly_changes(mine, len(attributes)),
        _hourly_changes(stored, len(attributes)),
    )


def _hourly_changes(
    versions: dict[int, list[tuple[datetime, datetime, tuple[Any, ...]]]], width: int
) -> Iterator[Row]:
    """Entity, hour, and the state from that hour on; nothing but None where none is valid."""
    gone: tuple[Any, ...] = (None,) * width
    for entity_key, of_entity in versions.items():
        states: dict[datetime, tuple[Any, ...]] = {}
        for valid_from, valid_to, state in of_entity:
            states[_next_hour(valid_from)] = state
            if valid_to != FOREVER:
                states[_next_hour(valid_to)] = gone
        before = gone
        for hour in sorted(states):
            if states[hour] != before:
                yield entity_key, hour, *states[hour]
            before = states[hour]


def _next_hour(instant: datetime) -> datetime:
    """The first start of an hour at or after an instant."""
    hour = hour_of(instant)
    return hour if hour == instant else hour + timedelta(hours=1)
