"""What every test may use: the shared samples, the test bed, and Hypothesis that repeats."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from charging_assets_tests import clocks

pytest_plugins = [
    "charging_assets_tests.faults.report",
    "charging_assets_tests.testbed.fixtures",
]

# What these assert is told as what tests assert is: with what differs.
pytest.register_assert_rewrite(
    "charging_assets_tests.cli.shell", "charging_assets_tests.preprocessing.flat_hours"
)

_REPOSITORY = Path(__file__).parent.parent

# Derandomized, so that a run in CI repeats; `--hypothesis-profile=explore` looks further.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the shared samples, if present; else the test is skipped."""
    folder = Path(os.environ.get("CHARGING_SAMPLES") or _REPOSITORY.parent / "shared" / "samples")
    if not folder.is_dir():
        pytest.skip("shared samples are not present")
    return folder


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock shows `clocks.STOPPED_AT` for as long as the test runs."""
    clocks.stop(monkeypatch)
