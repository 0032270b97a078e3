"""Lines, heat maps and bars of shares. A gap in the data is shown as a gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import altair as alt

from charging_assets.schemas.palette import GAP, INK, LINE, QUIET, RULE, SECOND, STATUS

WIDTH, HEIGHT = 560, 220


def trend(
    days: Sequence[datetime],
    series: Mapping[str, Mapping[datetime, float | None]],
    *,
    unit: str,
    gap: str,
    rule: float | None = None,
    low: float | None = None,
    height: int = HEIGHT,
) -> Any:
    """One line per series over local days; a day without a value breaks the line and is shaded."""
    names = list(series)
    values = [
        {"day": f"{day:%Y-%m-%d}T00:00:00", "name": name, "value": values_by_day.get(day),
         "tooltip": f"{day:%Y-%m-%d}, {name}: {_percent(values_by_day.get(day))}"}
        for name, values_by_day in series.items()
        for day in days
    ]  # fmt: skip
    missing = [
        {"day": f"{day:%Y-%m-%d}T00:00:00", "tooltip": f"{day:%Y-%m-%d}: {gap}"}
        for day in days
        if all(values_by_day.get(day) is None for values_by_day in series.values())
    ]
    x = alt.X("yearmonthdate(day):O", title=None, scale=alt.Scale(paddingInner=0),
              axis=alt.Axis(format="%x", labelOverlap=True, labelAngle=0, grid=False)
              )  # fmt: skip
    y = alt.Y(
        "value:Q", title=unit, axis=alt.Axis(format=".1~%" if low is None else ".1%", tickCount=5),
        scale=alt.Scale(zero=low is None, nice=True),
    )  # fmt: skip
    colour = alt.Color(
        "name:N", title=None, scale=alt.Scale(domain=names, range=[LINE, SECOND, RULE]),
        legend=None if len(names) == 1 else alt.Legend(),
    )  # fmt: skip
    dash = alt.StrokeDash("name:N", title=None, sort=names, legend=None)
    base = alt.Chart(alt.InlineData(values=values))
    layers = [
        alt.Chart(alt.InlineData(values=missing)).mark_rect(color=GAP, stroke=QUIET,
            strokeDash=[2, 2], strokeWidth=0.6).encode(x=x, description="tooltip:N"),
        base.mark_line(strokeWidth=2.2, invalid="break-paths-show-path-domains")
            .encode(x=x, y=y, color=colour, strokeDash=dash),
        base.transform_filter("isValid(datum.value)").mark_point(filled=True, size=34, opacity=1)
            .encode(x=x, y=y, color=colour, description="tooltip:N"),
    ]  # fmt: skip
    if rule is not None:
        layers.append(_rule(rule))
    return alt.layer(*layers, width=WIDTH, height=height)


def heat(
    cells: Sequence[dict[str, Any]], weekdays: Sequence[str], *, hour: str, legend: str
) -> Any:
    """Local hour by weekday: `weekday` (1 Monday), `local_hour`, `value` (null: gap), `tooltip`."""
    values = [{**cell, "day": weekdays[cell["weekday"] - 1]} for cell in cells]
    x = alt.X("local_hour:O", title=hour, axis=alt.Axis(labelAngle=0, domain=False, ticks=False,
              values=list(range(0, 24, 3))))  # fmt: skip
    y = alt.Y("day:N", title=None, sort=list(weekdays), axis=alt.Axis(domain=False, ticks=False))
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y, description="tooltip:N")
    gaps = base.transform_filter("!isValid(datum.value)").mark_rect(
        color=GAP, stroke=QUIET, strokeDash=[2, 2], strokeWidth=0.6
    )
    filled = base.transform_filter("isValid(datum.value)").mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", title=legend, scale=alt.Scale(scheme="viridis", reverse=True,
                        zero=True), legend=alt.Legend(format=".0%", gradientLength=240,
                        tickCount=4))
    )  # fmt: skip
    return alt.layer(gaps, filled, width=WIDTH, height=210)


def ranking(rows: Sequence[dict[str, Any]], *, unit: str, height_a_row: int = 21) -> Any:
    """Bars in the given order: `name`, `value`, `tooltip`."""
    names = [row["name"] for row in rows]
    base = alt.Chart(alt.InlineData(values=list(rows))).encode(
        y=alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelLimit=200, domain=False,
                ticks=False, labelColor=INK)),
        x=alt.X("value:Q", title=unit, axis=alt.Axis(format=".1~%", tickCount=5)),
        description="tooltip:N",
    )  # fmt: skip
    bars = base.mark_bar(color=LINE, height=12)
    return alt.layer(bars, width=WIDTH - 200, height=height_a_row * max(1, len(rows)))


def statuses(rows: Sequence[dict[str, Any]], names: Mapping[str, str], *, unit: str) -> Any:
    """Shares of statuses as stacked bars: `name`, `status`, `value` (of 1), `tooltip`."""
    order = [names[status] for status in STATUS]
    values = [
        {**row, "status": names[row["status"]], "rank": list(STATUS).index(row["status"])}
        for row in rows
    ]
    height = 26 * max(1, len({row["name"] for row in rows}))
    chart = alt.Chart(alt.InlineData(values=values)).mark_bar(stroke="white", strokeWidth=0.5)
    return chart.encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=200, domain=False,
                ticks=False, labelColor=INK)),
        x=alt.X("value:Q", stack="zero", title=unit, scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=5, grid=False)),
        color=alt.Color("status:N", title=None,
                        scale=alt.Scale(domain=order, range=list(STATUS.values()))),
        order="rank:Q", description="tooltip:N",
    ).properties(width=WIDTH - 130, height=height)  # fmt: skip


def dots(rows: Sequence[dict[str, Any]], measures: Sequence[str], *, unit: str, rule: float) -> Any:
    """Shares by name as dots: `name`, `measure`, `value`, `tooltip`; `rule` is a dashed line."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    base = alt.Chart(alt.InlineData(values=list(rows)))
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=230, grid=True,
                labelColor=INK)),
        x=alt.X("value:Q", title=unit, scale=alt.Scale(zero=False, nice=True),
                axis=alt.Axis(format=".1~%", tickCount=4)),
        color=alt.Color("measure:N", title=None, scale=alt.Scale(domain=list(measures),
                        range=[LINE, SECOND])),
        shape=alt.Shape("measure:N", title=None, scale=alt.Scale(domain=list(measures),
                        range=["circle", "diamond"])),
        description="tooltip:N",
    )  # fmt: skip
    line = alt.Chart(alt.InlineData(values=[{"at": rule}])).mark_rule(
        color=RULE, strokeDash=[5, 3], strokeWidth=1.5
    )
    return alt.layer(
        line.encode(x="at:Q"), points, width=WIDTH - 220, height=17 * max(2, len(names))
    )


def _rule(at: float) -> Any:
    line = alt.Chart(alt.InlineData(values=[{"at": at}]))
    return line.mark_rule(color=RULE, strokeDash=[5, 3], strokeWidth=1.5).encode(y="at:Q")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
