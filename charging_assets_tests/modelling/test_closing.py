"""Entities that disappear: which absences end a version, in any order of loading.

The reference derives versions from all observations and polls at once, in plain Python.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station

EXAMPLES = max(6, settings().max_examples // 16)
DAY = timedelta(days=1)
VERSIONS = """
SELECT name, valid_from, valid_to, close_reason, is_current
FROM warehouse.dim_station WHERE station_id = 's1' ORDER BY valid_from
"""
HOUR_MIN, DAY_MIN = 60.0, 1440.0

# The answer of a place: stations and their names; None is no answer.
StationNames = dict[str, str] | None


def _stations(names: StationNames) -> list[Any] | None:
    if names is None:
        return None
    return [station([evse(f"e-{sid}")], sid, name=name) for sid, name in names.items()]


def lake_of(polls: dict[float, StationNames]) -> MemoryLake:
    return hours.lake_of({minute: {"koeln": _stations(names)} for minute, names in polls.items()})


def load(lake: MemoryLake, order: list[Hour] | None = None) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for hour in order or list(hours_archived(lake)):
        hours.load(warehouse, lake, hour, only="dim_station")
    return warehouse


def versions(polls: dict[float, StationNames]) -> list[tuple[Any, ...]]:
    return hours.rows(load(lake_of(polls)), VERSIONS)


BOTH, OTHER = {"s1": "A", "s2": "B"}, {"s2": "B"}


def test_closing__absent_from_three_good_polls_over_a_day_is_gone_since_the_first() -> None:
    names: dict[float, StationNames] = {0: BOTH, 60: OTHER, 720: OTHER, 60 + DAY_MIN: OTHER}
    assert versions(names) == [("A", 0, 60, "disappeared", False)]


@pytest.mark.parametrize(
    "absence",
    [
        {60: OTHER, 60 + DAY_MIN: OTHER},  # two polls
        {60: OTHER, 720: OTHER, DAY_MIN: OTHER},  # not a day
        {60: OTHER, 720: None, 60 + DAY_MIN: OTHER},  # one failed
        {60: {}, 720: {}, 60 + DAY_MIN: {}},  # the answer shrank
    ],
)
def test_closing__less_than_that_closes_nothing(absence: dict[float, StationNames]) -> None:
    lake = lake_of({0: BOTH, **absence, 70 + DAY_MIN: BOTH})
    *there, back = hours_archived(lake)
    warehouse = load(lake, there)
    assert hours.rows(warehouse, VERSIONS) == [("A", 0, None, None, True)]
    hours.load(warehouse, lake, back, only="dim_station")
    assert hours.rows(warehouse, VERSIONS) == [("A", 0, None, None, True)]


def test_closing__a_shrink_that_lasts_a_week_is_real() -> None:
    names: dict[float, StationNames] = {0: BOTH, 60: {}, 4 * DAY_MIN: {}, 60 + 7 * DAY_MIN: {}}
    assert versions(names) == [("A", 0, 60, "disappeared", False)]


def test_closing__an_entity_that_returns_starts_a_version() -> None:
    gone: dict[float, StationNames] = {60: OTHER, 720: OTHER, 60 + DAY_MIN: OTHER}
    assert versions({0: BOTH, **gone, 3 * DAY_MIN: BOTH}) == [
        ("A", 0, 60, "disappeared", False),
        ("A", 3 * DAY_MIN, None, None, True),
    ]


def test_closing__a_late_hour_reverts_the_absence() -> None:
    names: dict[float, StationNames] = {
        0: BOTH,
        60: OTHER,
        720: OTHER,
        60 + DAY_MIN: OTHER,
        3000: BOTH,
    }
    late = {**names, 780: BOTH}
    lake = lake_of(late)
    there = list(hours_archived(lake))
    order = [hour for hour in there if hour != hours.hour_after(13)]
    warehouse = load(lake, order)
    assert len(hours.rows(warehouse, VERSIONS)) == 2
    hours.load(warehouse, lake, hours.hour_after(13), only="dim_station")
    assert hours.rows(warehouse, VERSIONS) == [("A", 0, None, None, True)]


def test_closing__a_place_that_is_not_polled_closes_nothing() -> None:
    assert versions({0: BOTH, 30 * DAY_MIN: BOTH}) == [("A", 0, None, None, True)]
    assert versions({0: BOTH, 30 * DAY_MIN: OTHER}) == [("A", 0, None, None, True)]


def test_version__that_moves_to_another_place_has_that_reason() -> None:
    one = _stations({"s1": "A"})
    warehouse = DuckDBWarehouse(None)
    lake = hours.lake_of({0: {"bonn": one}, 60: {"koeln": one}})
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, only="dim_station")
    assert [row[3] for row in hours.rows(warehouse, VERSIONS)] == ["moved", None]


# Hours between which absences are too short, just long enough, and of a week.
AT = (0, 1, 13, 25, 26, 27, 50, 51, 200, 201)
STATION_NAMES = st.none() | st.dictionaries(
    st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("AB")
)
CONTENT = st.lists(
    st.fixed_dictionaries({"bonn": STATION_NAMES, "koeln": STATION_NAMES}), min_size=1, max_size=2
)
NETWORK = st.dictionaries(st.sampled_from(AT), CONTENT, min_size=4, max_size=len(AT))


def _archive(network: dict[int, Any]) -> MemoryLake:
    return hours.lake_of(
        {
            HOUR_MIN * at + 30 * number: {place: _stations(names) for place, names in poll.items()}
            for at, content in network.items()
            for number, poll in enumerate(content)
        }
    )


def reference(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    """All versions, from all observations and polls."""
    observations = warehouse.query("SELECT * FROM warehouse.entity_observation").to_pylist()
    polls = warehouse.query("SELECT * FROM warehouse.entity_poll").to_pylist()
    boundaries: dict[int, set[tuple[datetime, int, str]]] = {}
    for row in observations:
        for at in (row["slot_at"], row["last_slot_at"]):
            key = (at, row["attribute_hash"], row["place"])
            boundaries.setdefault(row["entity_key"], set()).add(key)
    all_versions = []
    for entity, seen in boundaries.items():
        all_versions += [(entity, *version) for version in _reference_versions(sorted(seen), polls)]
    return sorted(all_versions)


def _reference_versions(
    seen: list[tuple[datetime, int, str]], polls: list[Any]
) -> list[tuple[Any, ...]]:
    versions: list[tuple[Any, ...]] = []
    begun: tuple[datetime, int, str] | None = None
    for number, (at, state, place) in enumerate(seen):
        begun = begun or (at, state, place)
        following = seen[number + 1] if number + 1 < len(seen) else None
        closed_at = _closed_at(at, place, following[0] if following else datetime.max, polls)
        if closed_at:
            versions.append((*begun, closed_at, "disappeared", at))
        elif following and following[1:] != (state, place):
            reason = "changed" if following[1] != state else "moved"
            versions.append((*begun, following[0], reason, None))
        elif following:
            continue
        else:
            versions.append((*begun, None, None, None))
        begun = None
    return [(begin, state, place, *rest) for begin, state, place, *rest in versions]


def _closed_at(at: datetime, place: str, until: datetime, polls: list[Any]) -> datetime | None:
    place_polls = [poll for poll in polls if poll["place"] == place]
    that_hour = at.replace(minute=0)
    usual = max(
        poll["record_count"]
        for poll in place_polls
        if that_hour <= poll["slot_at"] < that_hour + timedelta(hours=1)
    )
    missed = sorted(
        (poll["slot_at"], poll["record_count"])
        for poll in place_polls
        if at < poll["slot_at"] < until
    )
    whole = [slot for slot, record_count in missed if record_count * 2 >= usual]
    if len(whole) >= 3 and whole[-1] - whole[0] >= DAY:
        return missed[0][0]
    if len(missed) >= 3 and missed[-1][0] - missed[0][0] >= 7 * DAY:
        return missed[0][0]
    return None


def _stored_versions(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    rows = warehouse.query(
        "SELECT entity_key, valid_from, attribute_hash, place, valid_to, close_reason, seen_until "
        "FROM warehouse.entity_version"
    ).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


_S1 = {"koeln": {"s1": "A", "s2": "A"}, "bonn": None}
_GONE = {"koeln": {"s2": "A"}, "bonn": None}
_SHRUNKEN = {"koeln": {}, "bonn": None}


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(network=NETWORK, wrong=NETWORK, data=st.data())
@example(
    network={0: [_S1], 1: [_GONE], 13: [_GONE], 26: [_GONE], 200: [_S1]},
    wrong={13: [_S1], 26: [_SHRUNKEN]},
    data=None,
)
@example(
    network={0: [_S1], 1: [_SHRUNKEN], 50: [_SHRUNKEN], 201: [_SHRUNKEN]},
    wrong={50: [_S1]},
    data=None,
)
def test_versions__in_any_order_with_replacements_equal_a_full_rebuild(
    network: dict[int, Any], wrong: dict[int, Any], data: Any
) -> None:
    right, bad = _archive(network), _archive(wrong)
    there = list(hours_archived(right))
    order = data.draw(st.permutations(there)) if data else there[::-1]
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(bad):
        if hour in there:
            hours.load(warehouse, bad, hour, only="dim_station")
    for hour in (*order, *order[:2]):
        hours.load(warehouse, right, hour, only="dim_station")
    assert _stored_versions(warehouse) == reference(warehouse)
    in_order = load(right)
    assert _stored_versions(in_order) == reference(in_order) == _stored_versions(warehouse)
