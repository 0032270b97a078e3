"""Bridges: rows for the opening hours, capabilities and former ids of every version."""

from __future__ import annotations

import re
from typing import Any

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.modelling.plans import EVSE, dimension_plan
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import ReplaceFromSelect
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, key_of, rows, station

DIMENSIONS = ("dim_station", "dim_evse")
DAY = 24 * 60


def _hours(*periods: tuple[Any, str, str], is_open: Any = False) -> dict[str, Any]:
    stations = [
        {"weekday": day, "period_begin": begin, "period_end": end} for day, begin, end in periods
    ]
    return {"twentyfourseven": is_open, "regular_hours": stations}


OPENINGS = {
    "always": {"twentyfourseven": True},
    "silent": {"twentyfourseven": False},
    "shop": _hours((1, "08:00", "12:00"), (1, "13:30:00", "18:00:00"), (2, "08:00", "18:00")),
    "street": _hours((1, "00:00:00", "00:00:00"), ("holiday", "00:00", "24:00")),
    "bar": _hours((6, "18:00", "02:30"), (7, "18:00", "02:00"), (1, "00:00", "01:00")),
    "feast": _hours(("holiday", "20:00", "04:00")),
    "shift": _hours((3, "06:00", "06:00")),
    "market": _hours((3, "13:30:00", "23:59:00"), (4, "00:00", "23:59:59"), (5, "23:59", "23:59")),
}


def _openings(warehouse: DuckDBWarehouse, station_id: str) -> list[tuple[Any, ...]]:
    return rows(
        warehouse,
        "SELECT day_number, opens_min, closes_min FROM warehouse.bridge_station_opening "
        "WHERE station_id = :station_id ORDER BY 1, 2",
        station_id=station_id,
    )


def test_openings__of_every_published_shape__are_rows_of_minutes() -> None:
    stations = [
        station([evse(f"e-{name}")], name, opening_times=times) for name, times in OPENINGS.items()
    ]
    warehouse = hours.loaded({0: stations}, only=DIMENSIONS)
    assert _openings(warehouse, "always") == [(day, 0, 1440) for day in range(1, 9)]
    assert _openings(warehouse, "silent") == []
    assert _openings(warehouse, "shop") == [(1, 480, 720), (1, 810, 1080), (2, 480, 1080)]
    assert _openings(warehouse, "street") == [(1, 0, 1440), (8, 0, 1440)]
    assert _openings(warehouse, "bar") == [
        (1, 0, 120),  # of Sunday night, and the hour of its own that it holds
        (6, 1080, 1440),
        (7, 0, 150),
        (7, 1080, 1440),
    ]
    assert _openings(warehouse, "feast") == [(8, 1200, 1440)]
    assert _openings(warehouse, "shift") == [(3, 360, 1440), (4, 0, 360)]
    # Forms that know no 24:00 say 23:59 and mean midnight.
    assert _openings(warehouse, "market") == [
        (3, 810, 1440), (4, 0, 1440), (5, 1439, 1440), (6, 0, 1439),
    ]  # fmt: skip
    holidays = "SELECT DISTINCT day_number FROM warehouse.bridge_station_opening WHERE is_holiday"
    assert rows(warehouse, holidays) == [(8,)]


def test_openings__that_change__are_rows_of_their_version() -> None:
    before = [station(opening_times=_hours((1, "08:00", "18:00")))]
    after = [station(opening_times=_hours((1, "09:00", "18:00")))]
    warehouse = hours.loaded({0: before, 70: after}, only=DIMENSIONS)
    select = (
        "SELECT opens_min, valid_from, valid_to, is_current FROM warehouse.bridge_station_opening"
    )
    assert rows(warehouse, f"{select} ORDER BY 1") == [(480, 0, 70, False), (540, 70, None, True)]


def test_capabilities__are_a_row_each_of_their_version() -> None:
    many = ["RFID_READER", 'NOT,"OF OCPI'.replace('"', ""), "RESERVABLE"]
    before = [station([evse(capabilities=many), evse("e2", capabilities=[])])]
    after = [station([evse(capabilities=["RFID_READER"]), evse("e2", capabilities=None)])]
    warehouse = hours.loaded({0: before, 70: after}, only=DIMENSIONS)
    select = (
        "SELECT evse_uid, capability, valid_from, is_current "
        "FROM warehouse.bridge_evse_capability ORDER BY 3, 2"
    )
    assert rows(warehouse, select) == [
        ("e1", "NOT,OF OCPI", 0, False),
        ("e1", "RESERVABLE", 0, False),
        ("e1", "RFID_READER", 0, False),
        ("e1", "RFID_READER", 70, True),
    ]


def test_capabilities__that_could_be_cut_wrongly__have_no_rows() -> None:
    stations = [station([evse(capabilities=['x",', "RFID_READER"])])]
    warehouse = hours.loaded({0: stations}, only=DIMENSIONS)
    assert rows(warehouse, "SELECT capability FROM warehouse.bridge_evse_capability") == []
    assert rows(warehouse, "SELECT capabilities FROM warehouse.dim_evse") == [
        ('["RFID_READER","x\\","]',)
    ]


ALIASES = (
    "SELECT evse_uid, evse_id, former_evse_uid, former_evse_id, changed_at, reason, is_guess "
    "FROM warehouse.bridge_evse_alias ORDER BY changed_at, evse_uid, former_evse_uid"
)


def test_aliases__of_a_new_label__are_seen() -> None:
    polls = {
        0: [station([evse(id="DE*A*E1")])],
        70: [station([evse(id="DE*B*E1")])],
        130: [station([evse(id="DE*B*E1", physical_reference="7")])],
    }
    assert rows(hours.loaded(polls, only=DIMENSIONS), ALIASES) == [
        ("e1", "DE*B*E1", "e1", "DE*A*E1", 70, "relabelled", False)
    ]


def _replace_evses(*after: dict[str, Any]) -> dict[float, Any]:
    """`old` and `stays` for an hour, then what comes instead of `old`, for two days."""
    stays = evse("stays", id="DE*S", physical_reference="9")
    old = evse("old", id="DE*OLD", physical_reference="3")
    polls: dict[float, Any] = {0: [station([stays, old])], 20: [station([stays, old])]}
    for minute in (60, 80, 100, DAY + 120, 2 * DAY):
        polls[minute] = [station([stays, *after])]
    return polls


def test_aliases__of_another_uid__are_guessed_by_label_or_position() -> None:
    by_label = evse("new", id="DE*OLD", physical_reference="4")
    by_position = evse("other", id="DE*N", physical_reference="3")
    unlike = evse("third", id="DE*T", physical_reference="5")
    warehouse = hours.loaded(_replace_evses(by_label, by_position, unlike), only=DIMENSIONS)
    assert rows(warehouse, ALIASES) == [
        ("new", "DE*OLD", "old", "DE*OLD", 60, "same_evse_id", True),
        ("other", "DE*N", "old", "DE*OLD", 60, "same_position", True),
    ]


def test_aliases__of_an_evse_that_returns__are_deleted() -> None:
    polls = _replace_evses(evse("new", id="DE*OLD"))
    lake = hours.lake_of(polls)
    warehouse = DuckDBWarehouse(None)
    for hour in sorted({hours.hour_after(int(minute // 60)) for minute in polls}):
        hours.load(warehouse, lake, hour, only=DIMENSIONS)
    assert len(rows(warehouse, ALIASES)) == 1
    hours.put(lake, 3 * DAY, [station([evse("new", id="DE*OLD"), evse("old", id="DE*OLD")])])
    hours.load(warehouse, lake, hours.hour_after(72), only=DIMENSIONS)
    assert rows(warehouse, ALIASES) == []
    assert key_of("evse", "old") != key_of("evse", "new")


def test_rows__of_another_version_are_replaced_with_the_hour() -> None:
    """An hour whose input is the same, loaded by a release that knew no bridges."""
    stations = [
        station(opening_times=_hours((1, "08:00", "18:00"))),
        station([evse("e9", capabilities=["RFID_READER"])], "s9"),
    ]
    lake = hours.lake_of({0: stations, 70: stations})
    warehouse = DuckDBWarehouse(None)
    for hour in (hours.HOUR, hours.hour_after(1)):
        hours.load(warehouse, lake, hour, DIMENSIONS)
    whole = hours.digests(warehouse)
    assert not whole["warehouse.bridge_evse_capability"].startswith("0 ")
    warehouse.execute(
        ("DELETE FROM warehouse.bridge_station_opening", {}),
        ("DELETE FROM warehouse.bridge_evse_capability", {}),
        ("UPDATE ops.ledger SET code_version = 'older'", {}),
    )
    for hour in (hours.HOUR, hours.hour_after(1)):
        hours.load(warehouse, lake, hour, DIMENSIONS)
    assert hours.digests(warehouse) == whole


def test_aliases__scopes_have_no_or() -> None:
    """Redshift cannot make a join of IN under OR, in a DELETE as in a SELECT."""
    plan = dimension_plan(EVSE, HOUR)
    scopes = [step.scope.predicate for step in plan.steps if isinstance(step, ReplaceFromSelect)]
    assert len(scopes) > 4
    assert not [predicate for predicate in scopes if re.search(r"\bOR\b", predicate)]


@pytest.mark.parametrize("late", [0, 1, 2])
def test_aliases__are_the_same_if_one_hour_is_loaded_last(late: int) -> None:
    by_label = evse("new", id="DE*OLD", physical_reference="4")
    polls = _replace_evses(by_label, evse("other", id="DE*N", physical_reference="3"))
    lake = hours.lake_of(polls)
    archived = list(hours_archived(lake))
    order = [hour for hour in archived if hour is not archived[late % len(archived)]]
    warehouse = DuckDBWarehouse(None)
    for hour in [*order, archived[late % len(archived)]]:
        hours.load(warehouse, lake, hour, only=DIMENSIONS)
    assert rows(warehouse, ALIASES) == rows(hours.loaded(polls, only=DIMENSIONS), ALIASES)
