"""Coverage, shares and rates from sums of seconds, as defined in `docs/metrics.md`.

All shares of the dashboard, the report and the command line are computed here. They follow one
rule: a share is None if less than four fifths of the window was observed. Shares are computed from
sums, and never averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from charging_assets.warehouse.cancellation import raise_if_cancelled

SECONDS = (
    "observed_s", "available_s", "charging_s", "reserved_s", "blocked_s", "inoperative_s",
    "out_of_order_s", "unknown_s", "window_s",
)  # fmt: skip
SESSIONS = ("session_count", "session_exposure_s")
STATUS_COLUMNS = {
    "AVAILABLE": "available_s",
    "CHARGING": "charging_s",
    "RESERVED": "reserved_s",
    "BLOCKED": "blocked_s",
    "INOPERATIVE": "inoperative_s",
    "OUTOFORDER": "out_of_order_s",
    "UNKNOWN": "unknown_s",
}
# The one definition of each status group: EVSEs that can serve a vehicle, and those that do.
OPERABLE = ("AVAILABLE", "CHARGING", "RESERVED", "BLOCKED")
OCCUPIED = ("CHARGING", "RESERVED", "BLOCKED")


def _sum(statuses: Sequence[str]) -> str:
    return " + ".join(STATUS_COLUMNS[status] for status in statuses)


def _share(part: str, whole: str) -> str:
    return f"(CAST({part} AS DOUBLE PRECISION) / NULLIF({whole}, 0))"


_ONE = "CAST(1 AS DOUBLE PRECISION)"
# The one definition of each metric in SQL, over sums of seconds. Statements repeat these
# expressions, so that each can be read and linted by itself; a test compares every statement with
# them. `counted` is 1 where at least four fifths of the window was observed, and `coverage_factor`
# where the status was known for a fifth of that time; elsewhere they are null.
SQL_DEFINITIONS = {
    "counted": f"CASE WHEN observed_s * 5 >= window_s * 4 THEN {_ONE} END",
    "coverage_factor": f"CASE WHEN (observed_s - unknown_s) * 5 >= observed_s THEN {_ONE} END",
    "operable_s": _sum(OPERABLE),
    "occupied_s": _sum(OCCUPIED),
    "working_s": "observed_s - inoperative_s - out_of_order_s",
    "coverage": "LEAST(1.0, CAST(observed_s AS DOUBLE PRECISION) / NULLIF(window_s, 0))",
    "utilisation": f"counted * {_share('charging_s', 'operable_s')}",
    "occupancy": f"counted * {_share('occupied_s', 'operable_s')}",
    "availability": f"counted * {_share('operable_s', 'observed_s')}",
    "reliability": f"counted * coverage_factor * {_share('working_s', 'observed_s')}",
    "saturation": f"counted * {_share('saturated_s', 'station_operable_s')}",
}
# Columns of the time a station was full: certainly, or possibly as some EVSEs were unknown.
CERTAINLY_FULL, POSSIBLY_FULL = "saturated_s", "saturated_or_unknown_s"
_DAY_S = 24 * 60 * 60


def sum_columns(
    rows: Iterable[Mapping[str, Any]], names: Sequence[str] = SECONDS
) -> dict[str, int]:
    """Sums of columns; null counts as 0."""
    totals = dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            totals[name] += row[name] or 0
    return totals


def use_period_windows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of days, with the window they have within a period.

    This is `period_window_s`: the day up to the newest poll, and the days without data after it.
    """
    return [{**row, "window_s": row["period_window_s"]} for row in rows]


def has_enough_coverage(observed_s: float, window_s: float) -> bool:
    """Whether coverage is at least 0.8."""
    return bool(observed_s * 5 >= window_s * 4)


def has_known_status(observed_s: float, unknown_s: float) -> bool:
    """Whether the status is known for at least a fifth of the observed time."""
    return bool((observed_s - unknown_s) * 5 >= observed_s)


def coverage(row: Mapping[str, Any]) -> float | None:
    """Observed time divided by the window, at most 1; None without a window."""
    return observed_share(row["observed_s"], row["window_s"])


def share(row: Mapping[str, Any], part: float | None, whole: float | None) -> float | None:
    """`part / whole`; None if the whole is 0 or the coverage of `row` is below four fifths."""
    if part is None or not whole or not has_enough_coverage(row["observed_s"], row["window_s"]):
        return None
    return part / whole


def observed_share(observed: float, whole: float) -> float | None:
    """`observed / whole`, at most 1; None if the whole is 0."""
    return min(1.0, observed / whole) if whole else None


def count_share(count: int, observed: int, every: int) -> float | None:
    """`count / every` of EVSEs; None if less than four fifths of them were observed."""
    return share({"observed_s": observed, "window_s": every}, count, every)


def compute_measures(row: Mapping[str, Any], full: str = CERTAINLY_FULL) -> dict[str, float | None]:
    """All shares, rates and means of a row of sums; None for those with missing columns.

    Args:
        row: `observed_s` and `window_s`, and the columns of the required shares. Operable time is
            `operable_s` or the sum of its statuses. `dwell_mean_s` is passed through.
        full: the column of the time in which stations were full.
    """
    observed = row["observed_s"]
    operable = _operable(row)
    occupied = _less(operable, row.get("available_s"))
    working = _less(_less(observed, row.get("inoperative_s")), row.get("out_of_order_s"))
    unknown = row.get("unknown_s")
    if unknown is not None and not has_known_status(observed, unknown):
        working = None
    sessions = row.get("session_count")
    return {
        "coverage": coverage(row),
        "utilisation": share(row, row.get("charging_s"), operable),
        "occupancy": share(row, occupied, operable),
        "availability": share(row, operable, observed),
        "reliability": share(row, working, observed),
        "unknown": share(row, unknown, observed),
        "saturation": share(row, row.get(full), row.get("station_operable_s")),
        "sessions_per_evse": share(
            row, None if sessions is None else sessions * _DAY_S, row.get("session_exposure_s")
        ),
        "dwell_mean_s": share(row, row.get("dwell_mean_s"), 1),
    }


def status_shares(row: Mapping[str, Any]) -> dict[str, float | None]:
    """The share of each status in the observed time, by its column."""
    return {name: share(row, row[name], row["observed_s"]) for name in STATUS_COLUMNS.values()}


def _operable(row: Mapping[str, Any]) -> float | None:
    if "operable_s" in row:
        operable: float | None = row["operable_s"]
        return operable
    names = [STATUS_COLUMNS[status] for status in OPERABLE]
    return sum(row[name] for name in names) if all(name in row for name in names) else None


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def add_gaps(
    rows: Iterable[Mapping[str, Any]],
    gaps: Iterable[Mapping[str, Any]],
    cell_of: Callable[[datetime], Mapping[str, int]],
) -> list[dict[str, Any]]:
    """Add hours without observations to the windows of rows by hour or weekday.

    Args:
        rows: sums of the observed hours, with the columns of their cell.
        gaps: `[gap_from, gap_to)`, naive UTC, and the `evse_count` not observed in it.
        cell_of: the columns of the cell of an hour.

    Returns:
        The rows sorted by cell; a cell without an observed hour has sums of 0.
    """
    cells: dict[tuple[int, ...], dict[str, Any]] = {}
    names = list(cell_of(datetime(2000, 1, 1)))
    for row in rows:
        cells[tuple(row[name] for name in names)] = dict(row)
    empty = dict.fromkeys(("hour_count", "observed_s", "operable_s", "available_s", "charging_s",
                           "window_s"), 0)  # fmt: skip
    for gap in gaps:
        raise_if_cancelled()
        at = gap["gap_from"]
        while at < gap["gap_to"]:
            until = min(at + timedelta(hours=1), gap["gap_to"])
            cell = cell_of(at)
            cell = cells.setdefault(tuple(cell.values()), {**cell, **empty})
            cell["window_s"] += gap["evse_count"] * int((until - at).total_seconds())
            at = until
    return [cells[key] for key in sorted(cells)]
