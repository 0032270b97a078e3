"""The medians of the volume check equal `statistics.median`, although computed by rank."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.checks.rules import parameters
from charging_assets.hours import Hour, to_naive_utc
from charging_assets.lake.memory import MemoryLake
from charging_assets.schemas.facts import FACT_POLL
from charging_assets.schemas.table import Type
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.interface import Warehouse
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets.warehouse.sql_files import sql
from charging_assets_tests.testbed.bed import Redshift
from charging_assets_tests.warehouse.redshifts import resource_of

HOUR = Hour.of(datetime(2025, 6, 29, 8, tzinfo=UTC))
CHECK = "checks/fact_poll__volume_matches_past_weeks"
_FILLERS = {Type.TEXT: "x", Type.TIMESTAMP: to_naive_utc(HOUR.start), Type.BOOLEAN: False}

# By place, newest week first: the EVSEs of each good poll in the same hour of that week.
Weeks = dict[str, list[list[int]]]

each_week = st.lists(st.integers(0, 5000), min_size=1, max_size=6)
many_weeks = st.lists(each_week, min_size=2, max_size=4)


def replace_polls(warehouse: Warehouse, places: Weeks) -> None:
    """Replace `fact_poll` with polls of past weeks and none in the hour itself."""
    filler = {c.name: _FILLERS.get(c.type, 0) for c in FACT_POLL.columns if not c.nullable}
    rows = [
        {
            **filler,
            "place": place,
            "slot_at": to_naive_utc(
                HOUR.start - timedelta(weeks=ago) + timedelta(minutes=10 * number)
            ),
            "outcome": "ok",
            "evse_count": evse_count,
        }
        for place, weeks in places.items()
        for ago, week in enumerate(weeks, start=1)
        for number, evse_count in enumerate(week)
    ]
    values = ", ".join(
        f"({', '.join(f':{name}_{number}' for name in filler)})" for number in range(len(rows))
    )
    params = {f"{name}_{number}": row[name] for number, row in enumerate(rows) for name in filler}
    insert = f"INSERT INTO {FACT_POLL.full_name} ({', '.join(filler)}) VALUES {values}"
    warehouse.execute((f"DELETE FROM {FACT_POLL.full_name}", {}), (insert, params))


def usual(warehouse: Warehouse) -> dict[str, tuple[int, float, float]]:
    """The medians by place; every place is a failing row, as none has a poll in the hour."""
    rows = warehouse.query(sql(CHECK), parameters(HOUR, HOUR.end)).to_pylist()
    return {
        row["place"]: (row["week_count"], row["usual_poll_count"], row["usual_evse_count"])
        for row in rows
    }


def medians(places: Weeks) -> dict[str, tuple[int, float, Any]]:
    return {
        place: (
            len(weeks),
            statistics.median(map(len, weeks)),
            pytest.approx(statistics.median(map(statistics.fmean, weeks))),
        )
        for place, weeks in places.items()
    }


@pytest.fixture(scope="module")
def duckdb() -> DuckDBWarehouse:
    return DuckDBWarehouse(None)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["berlin", "bonn", "kiel"]), many_weeks, min_size=1))
def test_usual_volume__is_the_median_of_the_weeks(duckdb: DuckDBWarehouse, places: Weeks) -> None:
    replace_polls(duckdb, places)
    assert usual(duckdb) == medians(places)


def test_usual_volume__is_the_same_median_on_both_engines(
    redshift: Redshift, duckdb: DuckDBWarehouse
) -> None:
    places = {
        "berlin": [[10, 11], [20], [12, 12, 12]],
        "bonn": [[1, 2], [4], [7, 7, 7, 7], [8, 8, 8, 9]],
        "kiel": [[3], [3], [3]],
        "trier": [[5], [6, 6]],
    }
    warehouse = RedshiftWarehouse(resource_of(redshift), MemoryLake(), redshift.iam_role)
    for each in (duckdb, warehouse):
        replace_polls(each, places)
        assert usual(each) == medians(places)
    warehouse.close()
