"""The current time. All code reads it here, so that tests can replace the clock in one place.

Measure durations with `time.monotonic`, not with this clock.
"""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current time in UTC, timezone-aware.

    Call it as `clock.utc_now()`, so that a test that patches it patches it for all callers.
    """
    return datetime.now(UTC)
