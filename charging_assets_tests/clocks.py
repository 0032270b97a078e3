"""A moment at which a test can stop the clock, so that no hour ends while it runs.

Belongs here: the moment, and stopping. Does not belong here: clocks that run (`simulator.server`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from charging_assets import clock

# Between two polls, well inside its hour, and past by Dagster's own clock: it knows the partition.
STOPPED_AT = datetime(2026, 3, 3, 10, 4, 30, tzinfo=UTC)


def stop(monkeypatch: pytest.MonkeyPatch, at: datetime = STOPPED_AT) -> None:
    """From now on the package's clock shows one moment, until the test ends."""
    monkeypatch.setattr(clock, "utc_now", lambda: at)
