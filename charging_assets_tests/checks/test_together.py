"""Hours that are checked in one session: each has the same results as when checked alone."""

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
from charging_assets.modelling.staged_hours import prune
from charging_assets.publication.publish import publish
from charging_assets.schemas.catalog import table
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.checks.stores import MINUTES, Stores, evse, network, station
from charging_assets_tests.modelling import hours

HOURS = [hours.hour_after(n) for n in range(3)]
SPAN_SAFE = [rule for rule in HOURLY if rule.is_span_safe]


def _times(hour: Hour) -> tuple[str, str]:
    naive = [at.strftime("TIMESTAMP '%Y-%m-%d %H:%M:%S'") for at in (hour.start, hour.end)]
    return naive[0], naive[1]


def _insert_duplicate(name: str) -> str:
    full = table(name).full_name
    if table(name).schema == "mart" and table(name).hour_column is None:  # of days and months
        return f"INSERT INTO {full} SELECT * FROM {full} LIMIT 1"
    at = "slot_at" if "slot_at" in table(name).names else "valid_from"
    return f"INSERT INTO {full} SELECT * FROM {full} WHERE {at} >= {{0}} AND {at} < {{1}} LIMIT 1"


# SQL statements that damage an hour with the bounds {0} and {1}.
DAMAGE = [
    *(_insert_duplicate(rule.asset) for rule in SPAN_SAFE if rule.rule == "unique_not_null_fk"),
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
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Hours with sessions that cross hours, and a station that is present in only one hour."""
    stores = Stores(MemoryLake(), tmp_path_factory.mktemp("together") / "charging.duckdb")
    for number, hour in enumerate(HOURS):
        for minute in MINUTES:
            status = "CHARGING" if minute in (0, 10, 40, 50) else "AVAILABLE"
            temporary = [station([evse("e9")], "s9")] if number == 2 else []
            hours.put(stores.lake, 60 * number + minute, [*network(status), *temporary])
        hours.load(stores.warehouse, stores.lake, hour)
        publish(stores.lake, stores.warehouse, hour)
    return stores


def _results(rules: Sequence[Rule], wanted: Sequence[Hour], stores: Stores) -> list[Any]:
    results = assets.evaluate_hours(rules, wanted, stores.lake, stores.warehouse)
    return [
        (each.partition, each.check_name, each.passed, each.description, dict(each.metadata))
        for each in results
    ]


def _assert_same(rules: Sequence[Rule], stores: Stores) -> int:
    """Compare with hours checked alone; return the number of failed results."""
    together = _results(rules, HOURS, stores)
    assert together == [one for hour in HOURS for one in _results(rules, [hour], stores)]
    return sum(not passed for _, _, passed, _, _ in together)


def test_together__clean_hours_pass(loaded: Stores) -> None:
    assert _assert_same(HOURLY, loaded) == 0


def test_together__hours_of_which_one_is_pruned_from_staging(
    loaded: Stores, tmp_path: Path
) -> None:
    stores = loaded.copy(tmp_path / "charging.duckdb")
    prune(stores.warehouse, HOURS[1])
    assert _assert_same(HOURLY, stores) == 0


@pytest.mark.parametrize(
    "damage",
    [
        # Of every kind some; `test_together__any_damage_in_any_hours` takes any of them.
        pytest.param(damage, marks=[] if number % 4 == 0 else pytest.mark.slow)
        for number, damage in enumerate(DAMAGE)
    ],
)
def test_together__each_damage_is_reported(loaded: Stores, tmp_path: Path, damage: str) -> None:
    stores = loaded.copy(tmp_path / "charging.duckdb")
    stores.execute(damage.format(*_times(HOURS[2 if "dim_" in damage else 1])))
    assert _assert_same(SPAN_SAFE, stores) > 0


@settings(max_examples=5)
@given(
    damage=st.sets(
        st.tuples(st.sampled_from(DAMAGE), st.sampled_from(HOURS)), min_size=1, max_size=4
    )
)
def test_together__any_damage_in_any_hours(loaded: Stores, damage: set[tuple[str, Hour]]) -> None:
    with TemporaryDirectory() as folder:
        stores = loaded.copy(Path(folder) / "charging.duckdb")
        stores.execute(*(statement.format(*_times(hour)) for statement, hour in sorted(damage)))
        _assert_same(SPAN_SAFE, stores)


def test_together__opens_the_warehouse_and_evaluates_span_safe_rules_once(
    loaded: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Any] = []
    evaluated: list[Rule] = []
    reading, evaluate_rule = DuckDBWarehouse.reading, assets.evaluate_rule
    monkeypatch.setattr(
        DuckDBWarehouse, "reading", lambda self: sessions.append(self) or reading(self)
    )
    monkeypatch.setattr(
        assets,
        "evaluate_rule",
        lambda rule, context: evaluated.append(rule) or evaluate_rule(rule, context),
    )
    assert len(_results(HOURLY, HOURS, loaded)) == len(HOURLY) * len(HOURS)
    assert len(sessions) == 1
    assert evaluated == [rule for _ in HOURS for rule in HOURLY if not rule.is_span_safe]


def test_span_safe_rules__read_only_the_warehouse_and_have_no_tolerance() -> None:
    assert len(SPAN_SAFE) > len(HOURLY) / 3
    span_safe = [rule for rule in RULES if rule.is_span_safe]
    assert [rule.name for rule in span_safe if rule.population or rule.tolerated] == []
    assert [rule.name for rule in span_safe if rule.asset.startswith(("flat_", "raw_"))] == []


def test_together__rule_error_is_reported_for_each_hour(loaded: Stores) -> None:
    def fail(context: Any) -> list[Any]:
        raise ValueError("no such column")

    rule = Rule("fact_poll", "broken", "", "", fail, is_span_safe=True)
    with pytest.raises(dg.Failure) as failure:
        _results([rule], HOURS[:2], loaded)
    assert set(failure.value.metadata[assets.UNCHECKED_HOURS].value) == {
        hour.key for hour in HOURS[:2]
    }
