"""The machine's clock: the one place that asks it for the time of day.

Belongs here: what time it is. Does not belong here: how long something takes (`time.monotonic`),
hours and slots (`partitions`), the simulator's clocks (`simulator.server`).
"""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present moment, UTC, timezone-aware.

    Called as `clock.utc_now()` where no clock is handed in, so that a test which stops it stops it
    for all.
    """
    return datetime.now(UTC)
