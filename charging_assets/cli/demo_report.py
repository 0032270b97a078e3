"""The report of `demo`: figures of `sql/reports` for a feed and a period, for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from charging_assets.cli import show
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.measures import add_gaps, compute_measures, share, sum_columns
from charging_assets.schemas.outcomes import is_good
from charging_assets.text import count_noun

if TYPE_CHECKING:
    from rich.console import Console

    from charging_assets.warehouse.interface import Warehouse

Rows = Sequence[Mapping[str, Any]]
_CHART_ROWS = 6
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BAR = 20
_NEVER = datetime(2200, 1, 1)
_TOO_LITTLE = "less than four fifths of the period was observed"


def report(console: Console, warehouse: Warehouse, feed: str, first: Hour, last: Hour) -> None:
    """Print the report of a feed, from `first` to `last`, both included."""
    from charging_assets.warehouse.sql_files import sql

    scope = {
        "feed": feed,
        "window_start": to_naive_utc(first.start),
        "window_end": to_naive_utc(last.end),
    }

    def query(name: str, **params: Any) -> Rows:
        result: Rows = warehouse.query(sql(name), {**scope, **params}).to_pylist()
        return result

    (newest,) = query("dashboard/newest_poll", window_end=_NEVER)
    now_at = scope["window_end"]
    if newest["newest_at"] is not None:
        now_at = newest["newest_at"] + timedelta(seconds=newest["cadence_s"])
    zone = ZoneInfo(newest["time_zone"] or "UTC")

    def local_hour(at: datetime) -> dict[str, int]:
        return {"local_hour": at.replace(tzinfo=UTC).astimezone(zone).hour}

    def rows(name: str) -> Rows:
        return query(f"reports/{name}")

    gaps = query("dashboard/city_hour_gaps", now_at=now_at, place="", operator_name="")
    by_hour = add_gaps(query("reports/occupancy_by_hour", now_at=now_at), gaps, local_hour)
    console.rule(f"[bold]feed {feed}, {first} to {last} UTC")
    _network(console, rows("network_size")[0])
    _occupancy(console, by_hour)
    _busiest(console, query("reports/busiest_stations", now_at=now_at))
    _statuses(console, rows("status_share"), sum_columns(by_hour, ("observed_s", "window_s")))
    _quality(console, rows("poll_outcomes"), rows("rejects_by_code"), rows("schema_drift"))


def _network(console: Console, size: Mapping[str, Any]) -> None:
    console.print(
        f"{size['station_count']:,} stations · {size['evse_count']:,} EVSEs · "
        f"{size['connector_count']:,} connectors · {size['place_count']:,} places · "
        f"{size['poll_count']:,} polls in {count_noun(size['hour_count'], 'hour')}\n"
    )


def _occupancy(console: Console, rows: Rows) -> None:
    """A column per local hour; empty if too little of the hour was observed."""
    console.print("[bold]Occupancy by local hour[/] (charging, reserved or blocked, of operable)")
    shares = {row["local_hour"]: compute_measures(row)["occupancy"] for row in rows}
    observed = {hour: value for hour, value in shares.items() if value is not None}
    if not observed:
        console.print(f"  {_TOO_LITTLE}\n")
        return
    top = max(observed.values()) or 1.0
    for line in range(_CHART_ROWS, 0, -1):
        label = f"{100 * top * line / _CHART_ROWS:.1f}%"
        cells = "".join(f" {_cell(observed.get(hour), top, line) * 2}" for hour in range(24))
        console.print(f"{label:>6} │[cyan]{cells}[/]")
    console.print(f"{'':>6} └{'───' * 24}")
    console.print(f"{'':>6}  " + "".join(f" {hour:02}" for hour in range(24)))
    busiest, quietest = (
        max(observed, key=lambda h: observed[h]),
        min(observed, key=lambda h: observed[h]),
    )
    console.print(
        f"  busiest {busiest:02}:00 ({show.percent(observed[busiest])}), "
        f"quietest {quietest:02}:00 ({show.percent(observed[quietest])})\n"
    )


def _cell(value: float | None, top: float, line: int) -> str:
    """The character of a chart column in row `line`, counted from the bottom."""
    eighths = round(8 * _CHART_ROWS * (value or 0.0) / top) - 8 * (line - 1)
    return _EIGHTHS[min(max(eighths, 0), 8)]


def _busiest(console: Console, rows: Rows) -> None:
    from rich.markup import escape

    console.print("[bold]Busiest stations[/] (utilisation: charging, of operable)")
    table = _table(["Station", "City"], ["EVSEs", "Charging", "Utilisation"])
    for row in rows:
        charging = timedelta(seconds=row["charging_s"]) / timedelta(hours=1)
        table.add_row(
            escape(row["name"] or "–"),
            escape(row["city"] or "–"),
            f"{row['evse_count']:,}",
            f"{charging:,.1f} h",
            show.percent(compute_measures(row)["utilisation"]),
        )
    console.print(table if rows else "  no station was observed for long enough")
    console.print()


def _statuses(console: Console, rows: Rows, totals: Mapping[str, Any]) -> None:
    """Hours by status, with shares if enough of `totals` was observed."""
    console.print("[bold]Status[/] (share of the EVSE time observed)")
    for row in rows:
        part = share(totals, row["observed_s"], totals["observed_s"])
        bar = "" if part is None else "█" * round(_BAR * part) or "▏"
        hours = timedelta(seconds=row["observed_s"]) / timedelta(hours=1)
        text = f"{row['status']:<14} {show.percent(part):>8}  {hours:>12,.1f} h"
        console.print(f"  {text}  [cyan]{bar}[/]")
    if rows and share(totals, 1, 1) is None:
        console.print(f"  {_TOO_LITTLE}: no shares")
    console.print("" if rows else "  nothing was observed\n")


def _quality(console: Console, outcomes: Rows, rejects: Rows, drift: Rows) -> None:
    console.print("[bold]Data quality[/]")
    answers = sum(row["answer_count"] for row in outcomes)
    failed = [row for row in outcomes if not is_good(row["outcome"])]
    errors = ", ".join(f"{row['answer_count']:,} {row['outcome']}" for row in failed)
    good = answers - sum(row["answer_count"] for row in failed)
    console.print(f"  answers           {good:,} of {answers:,} good; {errors or 'none failed'}")
    records = sum(row["record_count"] for row in outcomes)
    rejected = sum(row["record_rejected_count"] for row in outcomes)
    console.print(f"  records rejected  {rejected:,} of {records:,}")
    nulled = sum(row["field_rejected_count"] for row in outcomes)
    console.print(f"  fields nulled     {nulled:,}")
    codes = ", ".join(
        f"{row['reject_count']:,} {row['code']} ({row['severity']})" for row in rejects
    )
    console.print(f"  reasons           {codes or 'nothing was rejected'}", markup=False)
    console.print(f"  unknown fields    {_drift(drift) or 'none'}\n", markup=False)


def _drift(rows: Rows) -> str:
    """Fields unknown to this version, with the number of answers that had them."""
    answers: dict[str, int] = {}
    for row in rows:
        for name in json.loads(row["unknown_fields"]):
            answers[name] = answers.get(name, 0) + row["answer_count"]
    return ", ".join(f"{name} ({count:,} answers)" for name, count in sorted(answers.items()))


def _table(texts: Sequence[str], numbers: Sequence[str]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=True, show_edge=False)
    for title in texts:
        table.add_column(title, overflow="ellipsis", no_wrap=True)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True, min_width=len(title))
    return table
