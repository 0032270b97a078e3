"""Charts of time as bands: the status of EVSEs over time, and coverage by place and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import altair as alt

from charging_assets.schemas.palette import GAP, INK, QUIET, STATUS

WIDTH = 1100


def timeline(
    runs: Sequence[dict[str, Any]],
    evses: Sequence[str],
    span: tuple[datetime, datetime],
    names: Mapping[str, str],
    legend: str,
) -> Any:
    """Status by EVSE over local time: `evse`, `status`, `start`, `end`, `tooltip`.

    The background is visible where nothing was polled.
    """
    domain = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in span]
    order = [names[status] for status in STATUS]
    values = [
        {**run, "status": names[run["status"]], "start": f"{run['start']:%Y-%m-%dT%H:%M:%SZ}",
         "end": f"{run['end']:%Y-%m-%dT%H:%M:%SZ}"}
        for run in runs
    ]  # fmt: skip
    y = alt.Y("evse:N", title=None, sort=list(evses), scale=alt.Scale(domain=list(evses)),
              axis=alt.Axis(domain=False, ticks=False, labelColor=INK, labelLimit=220))  # fmt: skip
    # Times are already local; as UTC they are not shifted again.
    x = alt.X("start:T", title=None, scale=alt.Scale(domain=domain, type="utc"),
              axis=alt.Axis(format="%x %H:%M", labelOverlap=True, tickCount=8))  # fmt: skip
    ground = alt.Chart(
        alt.InlineData(values=[{"evse": evse, "start": domain[0], "end": domain[1]}
                               for evse in evses])
    ).mark_bar(color=GAP, stroke=QUIET, strokeDash=[2, 2], strokeWidth=0.6, height=20)  # fmt: skip
    bands = alt.Chart(alt.InlineData(values=values)).mark_bar(height=20)
    return alt.layer(
        ground.encode(x=x, x2="end:T", y=y),
        bands.encode(
            x=x, x2="end:T", y=y, description="tooltip:N",
            color=alt.Color("status:N", title=legend,
                            scale=alt.Scale(domain=order, range=list(STATUS.values())),
                            legend=alt.Legend(columns=7)),
        ),
        width=WIDTH - 160, height=32 * max(1, len(evses)),
    )  # fmt: skip


def calendar(cells: Sequence[dict[str, Any]], places: Sequence[str], legend: str) -> Any:
    """Coverage by place and local day: `city`, `day`, `value` (null: no data), `tooltip`."""
    x = alt.X("yearmonthdate(day):O", title=None,
              axis=alt.Axis(format="%x", labelAngle=0, labelOverlap=True, domain=False,
                            ticks=False))  # fmt: skip
    y = alt.Y("city:N", title=None, sort=list(places),
              axis=alt.Axis(domain=False, ticks=False, labelColor=INK, labelLimit=160))  # fmt: skip
    base = alt.Chart(alt.InlineData(values=list(cells))).encode(x=x, y=y, description="tooltip:N")
    gaps = base.transform_filter("!isValid(datum.value)").mark_rect(
        color=GAP, stroke=QUIET, strokeDash=[2, 2], strokeWidth=0.6
    )
    filled = base.transform_filter("isValid(datum.value)").mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", title=legend,
                        scale=alt.Scale(interpolate="rgb", domain=[0, 0.8, 1],
                                        range=["#d55e00", "#e8c98f", "#0b477d"]),
                        legend=alt.Legend(format=".0%", gradientLength=320,
                                          values=[0, 0.4, 0.8, 1]))
    )  # fmt: skip
    width = WIDTH - 180
    return alt.layer(gaps, filled, width=width, height=15 * max(1, len(places)))
