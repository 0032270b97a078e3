"""The state of a station as a driver would find it, and the EVSE counts behind it."""

from __future__ import annotations

from datetime import datetime

from charging_assets.dashboard.reader import Row
from charging_assets.dashboard.request import PageRequest

# State of an EVSE → the column with the count.
COUNTS = {
    "free": "available_count",
    "charging": "charging_count",
    "reserved_or_blocked": "reserved_or_blocked_count",
    "failed": "failed_count",
    "unknown": "unknown_count",
}
STATES = ("free", "busy", "failed", "unknown", "old")


def with_state(row: Row, request: PageRequest, at: datetime) -> Row:
    """The row of a station with its `state`, and whether it `is_fresh`."""
    seen_at = row["seen_at"]
    fresh = seen_at is not None and at - seen_at <= 2 * request.feed.cadence
    if not fresh:
        state = "old"
    elif row["available_count"]:
        state = "free"
    elif row["charging_count"] + row["reserved_or_blocked_count"]:
        state = "busy"
    elif row["failed_count"]:
        state = "failed"
    else:
        state = "unknown"
    return {**row, "state": state, "is_fresh": fresh}
