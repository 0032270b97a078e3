"""Shares from summed seconds, as `docs/metrics.md` defines them.

Belongs here: the arithmetic that pages do on rows of marts: sums are added up, shares computed
again, never averaged; null where less than four fifths was observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from charging_assets.dashboard.blocks import share

SECONDS = (
    "observed_s", "available_s", "charging_s", "reserved_s", "blocked_s", "inoperative_s",
    "out_of_order_s", "unknown_s", "window_s",
)  # fmt: skip
STATUS_COLUMNS = {
    "AVAILABLE": "available_s",
    "CHARGING": "charging_s",
    "RESERVED": "reserved_s",
    "BLOCKED": "blocked_s",
    "INOPERATIVE": "inoperative_s",
    "OUTOFORDER": "out_of_order_s",
    "UNKNOWN": "unknown_s",
}


def summed(rows: Iterable[Mapping[str, Any]], names: Sequence[str] = SECONDS) -> dict[str, int]:
    """Column sums."""
    totals = dict.fromkeys(names, 0)
    for row in rows:
        for name in names:
            totals[name] += row[name] or 0
    return totals


def enough(row: Mapping[str, Any]) -> bool:
    """Whether so much was observed that a share may be told."""
    return is_enough(row["observed_s"], row["window_s"])


def is_enough(observed_s: float, window_s: float) -> bool:
    """Whether coverage is at least 0.8."""
    return bool(observed_s * 5 >= window_s * 4)


def measured(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Coverage and the shares of summed seconds."""
    observed, window = row["observed_s"], row["window_s"]
    operable = row["available_s"] + row["charging_s"] + row["reserved_s"] + row["blocked_s"]
    occupied = operable - row["available_s"]
    working = observed - row["inoperative_s"] - row["out_of_order_s"]
    counts = enough(row)
    coverage = share(observed, window)
    shares = {
        "utilisation": share(row["charging_s"], operable),
        "occupancy": share(occupied, operable),
        "availability": share(operable, observed),
        "reliability": share(working, observed),
        "unknown": share(row["unknown_s"], observed),
    }
    return {
        "coverage": None if coverage is None else min(1.0, coverage),
        **{name: value if counts else None for name, value in shares.items()},
    }


def hour_utilisation(row: Mapping[str, Any] | None) -> float | None:
    """CHARGING of operable, of rows that say operable time as one sum; null where little is."""
    if row is None or not enough(row):
        return None
    return share(row["charging_s"], row["operable_s"])
