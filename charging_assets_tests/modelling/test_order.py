"""Loading hours in any order, with repeats and replacements, gives the same rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.lake.flat_files import FlatFile
from charging_assets.schemas.catalog import TABLES
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

pytestmark = pytest.mark.slow

HOURS = 3
# Few by default, for time; many with `--hypothesis-profile=explore`.
EXAMPLES = max(5, settings().max_examples // 25)

# One poll: what each of two places says of two stations, or that it does not answer. Few names and
# few stations make the cases that are hard: states that come back, entities in two places.
STATIONS = st.dictionaries(
    st.sampled_from(["s1", "s2"]), st.tuples(st.sampled_from("AB"), st.sampled_from(["e1", "e2"]))
)
STATUS = {"A": "CHARGING", "B": "AVAILABLE"}
POLL = st.fixed_dictionaries({"bonn": st.none() | STATIONS, "koeln": STATIONS})
CONTENT = st.lists(POLL, min_size=1, max_size=3)
NETWORK = st.lists(CONTENT, min_size=HOURS, max_size=HOURS)
ORDER = st.permutations([0, 1, 2]).flatmap(
    lambda order: st.lists(st.integers(0, HOURS - 1), max_size=2).map(lambda more: order + more)
)


def _answer(names: dict[str, tuple[str, str]] | None) -> list[dict[str, Any]] | None:
    if names is None:
        return None
    return [
        station([evse(uid, STATUS[name], physical_reference=name)], station_id, name=name)
        for station_id, (name, uid) in names.items()
    ]


def files_of(content: list[Any], hour: int) -> list[FlatFile]:
    """The flat files of an hour with this content."""
    polls = {
        60.0 * hour + 20 * number: {place: _answer(names) for place, names in poll.items()}
        for number, poll in enumerate(content)
    }
    return hours.flat_files(hours.lake_of(polls), hours.hour_after(hour))


def load(*contents: tuple[int, list[FlatFile]]) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for hour, files in contents:
        hours.load_files(warehouse, files, hours.hour_after(hour))
    return warehouse


def load_as_span(files: list[list[FlatFile]]) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    hours.load_span(warehouse, {hours.hour_after(n): of_hour for n, of_hour in enumerate(files)})
    return warehouse


@settings(max_examples=EXAMPLES)
@given(network=NETWORK, order=ORDER)
def test_loads__in_any_order_with_repeats_give_the_same_warehouse(
    network: list[Any], order: list[int]
) -> None:
    files = [files_of(content, hour) for hour, content in enumerate(network)]
    in_disorder = load(*((hour, files[hour]) for hour in order))
    assert hours.digests(in_disorder) == hours.digests(load_as_span(files))


@settings(max_examples=EXAMPLES)
@given(network=NETWORK, wrong=NETWORK, order=ORDER)
def test_loads__wrong_content_that_is_replaced_leaves_no_trace(
    network: list[Any], wrong: list[Any], order: list[int]
) -> None:
    right = [files_of(content, hour) for hour, content in enumerate(network)]
    first_wrong = [(hour, files_of(wrong[hour], hour)) for hour in order[:HOURS]]
    replaced = load(*first_wrong, *((hour, right[hour]) for hour in reversed(order)))
    assert hours.digests(replaced) == hours.digests(load_as_span(right))


# Which hours of four days there are, and where they are cut into spans.
FAR_APART = st.lists(st.integers(0, 95), min_size=3, max_size=5, unique=True).map(sorted)


@settings(max_examples=max(2, EXAMPLES // 3))
@given(data=st.data(), at=FAR_APART, cut=st.integers(1, 2), turned=st.booleans())
def test_loads__of_spans__give_the_same_warehouse_as_hour_by_hour(
    data: st.DataObject, at: list[int], cut: int, turned: bool
) -> None:
    files = {hour: files_of(data.draw(CONTENT), hour) for hour in at}
    by_span = DuckDBWarehouse(None)
    for part in (at[cut:], at[:cut]) if turned else (at[:cut], at[cut:]):
        by_hour = {hours.hour_after(hour): files[hour] for hour in part}
        hours.load_span(by_span, by_hour)
    assert hours.digests(by_span) == hours.digests(load(*files.items()))


def test_digests__see_every_table_and_any_change() -> None:
    warehouse = load((0, files_of([{"koeln": {"s1": ("A", "e1")}}], 0)))
    before = hours.digests(warehouse)
    assert set(before) == {table.full_name for table in TABLES}
    empty = {name for name, names in before.items() if names.startswith("0 rows")}
    assert {"ops.flat_rejects", "warehouse.bridge_evse_alias"} >= {
        name for name in empty if name.startswith(("staging", "warehouse", "mart"))
    }
    at = {"at": HOUR.start.replace(tzinfo=None)}
    warehouse.execute(("UPDATE warehouse.fact_status SET status = 'X' WHERE slot_at = :at", at))
    after = hours.digests(warehouse)
    assert {name for name in before if before[name] != after[name]} == {"warehouse.fact_status"}
