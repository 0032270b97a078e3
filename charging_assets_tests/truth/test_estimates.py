"""Gaps in polling do not bias what pages show, and the score notices what is biased.

The slow tests are a small form of what `make score` does with weeks of gaps.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.built_once import built_once
from charging_assets_tests.truth.__main__ import scored_gaps
from charging_assets_tests.truth.estimates import _distinct, _polled, restricted_mean
from charging_assets_tests.truth.gap_plan import SLOT, plan_gaps
from charging_assets_tests.truth.spans import Span
from charging_assets_tests.truth.weeks import PLACES, Weeks, loaded

START = datetime(2025, 3, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WEEKS = Weeks(days=11, scale=0.15, seed=17, has_gap_plan=True)
# In nine days it depends more than in three weeks on which hours the gaps happen to hide.
WITHIN = 0.05


def test_plan_gaps__of_three_weeks__has_gaps_of_every_kind() -> None:
    plan = plan_gaps(1, START, 23, PLACES)
    lengths = _lengths(plan.missed)
    assert lengths.count(1) > 20
    assert sum(2 <= length <= 9 for length in lengths) > 40
    assert sum(length >= 138 for length in lengths) == 1
    for slug in PLACES:
        failed = _lengths({slot for name, slot in plan.failed if name == slug})
        assert sum(3 <= length <= 6 for length in failed) >= 8
    # Enough is left for pages to show shares.
    assert 0.10 < len(plan.missed) / (23 * 144) < 0.17
    assert plan == plan_gaps(1, START, 23, PLACES) != plan_gaps(2, START, 23, PLACES)


def _lengths(slots: set[datetime] | frozenset[datetime]) -> list[int]:
    """How many slots each stretch has."""
    lengths: list[int] = []
    before: datetime | None = None
    for slot in sorted(slots):
        if before is not None and slot - before == SLOT:
            lengths[-1] += 1
        else:
            lengths.append(1)
        before = slot
    return lengths


@given(
    st.lists(st.tuples(st.integers(1, 100_000), st.booleans(), st.integers(0, 3)), min_size=1)
)  # fmt: skip
def test_restricted_mean__of_weighted_durations__is_that_of_repeated_ones(
    drawn: list[tuple[int, bool, int]],
) -> None:
    durations = np.array([float(duration) for duration, _, _ in drawn])
    is_end = np.array([ended for _, ended, _ in drawn])
    weights = np.array([float(weight) for _, _, weight in drawn])
    if not weights.sum():
        return
    times = weights.astype(int)
    repeated = np.repeat(durations, times), np.repeat(is_end, times)
    mean = restricted_mean(durations, is_end, weights)
    assert mean == pytest.approx(restricted_mean(*repeated, np.ones(times.sum())))


@given(st.lists(st.integers(1, 200_000), min_size=1))
def test_restricted_mean__where_every_end_was_observed__is_the_mean(durations: list[int]) -> None:
    values = np.array(durations, dtype=np.float64)
    mean = restricted_mean(values, np.ones(values.size, dtype=np.bool_), np.ones(values.size))
    assert mean == pytest.approx(float(np.minimum(values, 86_400).mean()))


def test_distinct__of_sessions_that_no_poll_separates__makes_them_one() -> None:
    polls = [START + minute * MINUTE for minute in (0, 10, 20, 30, 40, 50)]
    sessions = [_span(5, 12), _span(13, 18), _span(19, 24), _span(31, 44)]
    distinct = _distinct(sessions, polls)
    assert distinct == [_span(5, 24), _span(31, 44)]
    assert [_polled(span, polls) for span in distinct] == [_span(5, 25), _span(35, 45)]


def _span(start: int, end: int) -> Span:
    return START + start * MINUTE, START + end * MINUTE


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weeks in a file, of which each test opens a copy."""

    def build(folder: Path) -> None:
        loaded(WEEKS, folder / "lake", workers=0, path=folder / "charging.duckdb")

    return built_once(tmp_path_factory, "gaps", build) / "charging.duckdb"


@pytest.fixture
def warehouse(file: Path, tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(Path(shutil.copy(file, tmp_path)))


@pytest.mark.slow
def test_scored_gaps__of_weeks_with_gaps__holds(warehouse: DuckDBWarehouse) -> None:
    result = scored_gaps(WEEKS, warehouse, WITHIN)
    assert result["missed"] == []
    assert 0.8 <= result["coverage"] <= 0.9
    assert result["true sessions"] > 3_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "missed"),
    [
        # As if gaps were time in which starts are seen.
        (
            [
                f"UPDATE mart.{mart} SET session_exposure_s = session_exposure_s * 6 / 5"
                for mart in ("mart_evse_hour", "mart_station_day", "mart_city_day")
            ],
            "sessions",
        ),
        # As if what a gap cuts off had ended.
        (
            [
                "UPDATE warehouse.fact_charging_session SET duration_s = "
                "GREATEST(0, EPOCH_MS(ended_after - started_at) / 1000.0) "
                "WHERE duration_s IS NULL AND NOT is_start_censored"
            ],
            "dwell",
        ),
        # As if every gap had been free.
        (
            [
                f"UPDATE mart.{mart} SET available_s = available_s * 6 / 5"
                for mart in ("mart_evse_hour", "mart_station_day", "mart_city_day")
            ],
            "occupancy",
        ),
    ],
)
def test_scored_gaps__of_a_biased_figure__names_it(
    warehouse: DuckDBWarehouse, wrong: list[str], missed: str
) -> None:
    warehouse.execute(*((statement, {}) for statement in wrong))
    assert missed in scored_gaps(WEEKS, warehouse, WITHIN)["missed"]
