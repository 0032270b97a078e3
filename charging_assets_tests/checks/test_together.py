"""Hours that are looked at together: each is found what it is found alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.checks import assets
from charging_assets.checks.registry import HOURLY, RULES
from charging_assets.checks.rules import Rule
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.staging import prune
from charging_assets.publication.publish import publish
from charging_assets.schemas.catalog import table
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.checks.worlds import MINUTES, World, evse, network, station
from charging_assets_tests.modelling import hours

HOURS = [hours.hour_after(n) for n in range(4)]
OF_SPANS = [rule for rule in HOURLY if rule.is_of_spans]


def _times(hour: Hour) -> tuple[str, str]:
    naive = [at.strftime("TIMESTAMP '%Y-%m-%d %H:%M:%S'") for at in (hour.start, hour.end)]
    return naive[0], naive[1]


def _doubled(name: str) -> str:
    full = table(name).full_name
    if table(name).schema == "mart" and table(name).hour_column is None:  # of days and months
        return f"INSERT INTO {full} SELECT * FROM {full} LIMIT 1"
    at = "slot_at" if "slot_at" in table(name).names else "valid_from"
    return f"INSERT INTO {full} SELECT * FROM {full} WHERE {at} >= {{0}} AND {at} < {{1}} LIMIT 1"


# Statements about an hour, whose bounds are {0} and {1}.
DAMAGE = [
    *(_doubled(rule.asset) for rule in OF_SPANS if rule.rule == "unique_not_null_fk"),
    "DELETE FROM warehouse.dim_time WHERE slot_at >= {0} AND slot_at < {1}",
    "DELETE FROM warehouse.dim_evse WHERE valid_from >= {0} AND valid_from < {1}",
    "DELETE FROM warehouse.dim_station WHERE valid_from >= {0} AND valid_from < {1}",
    "DELETE FROM warehouse.fact_poll WHERE slot_at >= {0} AND slot_at < {1}",
    "UPDATE warehouse.dim_evse SET valid_from = {1} WHERE valid_from >= {0} AND valid_from < {1}",
    "UPDATE warehouse.fact_charging_session SET last_slot_at = {1} WHERE slot_at < {1}",
    "UPDATE warehouse.fact_charging_session SET ended_before = {0} WHERE slot_at >= {0}",
    "UPDATE mart.mart_evse_hour SET charging_s = charging_s + 1 WHERE slot_at = {0}",
    "UPDATE mart.mart_station_hour SET observed_s = observed_s - 1 WHERE slot_at = {0}",
    "UPDATE mart.mart_station_day SET coverage = 1.5 WHERE slot_at <= {0}",
    "UPDATE mart.mart_operator_month SET unknown_s = -1 WHERE slot_at <= {0}",
    "INSERT INTO ops.key_conflict VALUES ({0}, 'station', 1, 2, 'first', FALSE), "
    "({0}, 'station', 1, 3, 'second', TRUE)",
    "INSERT INTO warehouse.entity_version SELECT entity_type, entity_key, attribute_hash, feed, "
    "place, {0}, NULL, NULL, NULL FROM warehouse.entity_version LIMIT 3",
]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Hours with sessions over their ends, and a station that is there in one of them alone."""
    world = World(MemoryLake(), tmp_path_factory.mktemp("together") / "charging.duckdb")
    for number, hour in enumerate(HOURS):
        for minute in MINUTES:
            status = "CHARGING" if minute in (0, 10, 40, 50) else "AVAILABLE"
            passing = [station([evse("e9")], "s9")] if number == 2 else []
            hours.put(world.lake, 60 * number + minute, [*network(status), *passing])
        hours.load(world.warehouse, world.lake, hour)
        publish(world.lake, world.warehouse, hour)
    return world


def _results(rules: Sequence[Rule], wanted: Sequence[Hour], world: World) -> list[Any]:
    found = assets.evaluate_hours(rules, wanted, world.lake, world.warehouse)
    return [
        (each.partition, each.check_name, each.passed, each.description, dict(each.metadata))
        for each in found
    ]


def _assert_same(rules: Sequence[Rule], world: World) -> int:
    """How many of the results failed."""
    together = _results(rules, HOURS, world)
    assert together == [one for hour in HOURS for one in _results(rules, [hour], world)]
    return sum(not passed for _, _, passed, _, _ in together)


def test_together__whole_and_clean_hours(loaded: World) -> None:
    assert _assert_same(HOURLY, loaded) == 0


def test_together__hours_that_staging_has_in_part(loaded: World, tmp_path: Path) -> None:
    world = loaded.copy(tmp_path / "charging.duckdb")
    prune(world.warehouse, HOURS[1])
    assert _assert_same(HOURLY, world) == 0


@pytest.mark.parametrize("damage", DAMAGE)
def test_together__each_damage_is_found(loaded: World, tmp_path: Path, damage: str) -> None:
    world = loaded.copy(tmp_path / "charging.duckdb")
    world.broken(damage.format(*_times(HOURS[2 if "dim_" in damage else 1])))
    assert _assert_same(OF_SPANS, world) > 0


@settings(max_examples=8)
@given(
    damage=st.sets(
        st.tuples(st.sampled_from(DAMAGE), st.sampled_from(HOURS)), min_size=1, max_size=4
    )
)
def test_together__any_damage_in_any_hours(loaded: World, damage: set[tuple[str, Hour]]) -> None:
    with TemporaryDirectory() as folder:
        world = loaded.copy(Path(folder) / "charging.duckdb")
        world.broken(*(statement.format(*_times(hour)) for statement, hour in sorted(damage)))
        _assert_same(OF_SPANS, world)


def test_together__the_warehouse_is_opened_and_rules_of_spans_are_asked_once(
    loaded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    asked: list[Rule] = []
    reading, found = DuckDBWarehouse.reading, assets.found
    monkeypatch.setattr(
        DuckDBWarehouse, "reading", lambda self: opened.append(self) or reading(self)
    )
    monkeypatch.setattr(
        assets, "found", lambda rule, scene: asked.append(rule) or found(rule, scene)
    )
    assert len(_results(HOURLY, HOURS, loaded)) == len(HOURLY) * len(HOURS)
    assert len(opened) == 1
    assert asked == [rule for _ in HOURS for rule in HOURLY if not rule.is_of_spans]


def test_rules_of_spans__are_of_the_warehouse_and_judge_by_themselves() -> None:
    assert len(OF_SPANS) > len(HOURLY) / 3
    of_spans = [rule for rule in RULES if rule.is_of_spans]
    assert [rule.name for rule in of_spans if rule.population or rule.tolerated] == []
    assert [rule.name for rule in of_spans if rule.asset.startswith(("flat_", "raw_"))] == []


def test_together__a_rule_that_cannot_be_evaluated_is_named_for_each_hour(loaded: World) -> None:
    def broken(scene: Any) -> list[Any]:
        raise ValueError("no such column")

    rule = Rule("fact_poll", "broken", "", "", broken, is_of_spans=True)
    with pytest.raises(dg.Failure) as failure:
        _results([rule], HOURS[:2], loaded)
    assert set(failure.value.metadata[assets.UNCHECKED_HOURS].value) == {
        hour.key for hour in HOURS[:2]
    }
