"""Loading hours: neighbours together, one bad hour alone."""

from __future__ import annotations

import dagster as dg

from charging_assets import deployments
from charging_assets.automation.load import HourLoaded, load_hours
from charging_assets.automation.pending import pending_hours
from charging_assets.definitions import build
from charging_assets.partitions import Hour
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import lake_of, stand


def loaded(storage: deployments.Storage, wanted: list[Hour]) -> list[HourLoaded]:
    told: list[HourLoaded] = []
    with dg.DagsterInstance.ephemeral() as instance:
        outcomes = load_hours(
            build(storage, feeds={}), instance, wanted, told.append, log_level="CRITICAL"
        )
    assert told == outcomes
    return outcomes


def test_load_hours__neighbours_share_a_run_and_the_last_has_its_own() -> None:
    polls = {60 * n: stand() for n in (0, 1, 2, 5)}
    storage = deployments.Storage(lake_of(polls), deployments.memory_storage().warehouse)
    wanted = [hours.hour_after(n) for n in (5, 0, 2, 1)]
    outcomes = loaded(storage, wanted)
    assert [outcome.hour for outcome in outcomes] == [hours.hour_after(n) for n in (0, 1, 2, 5)]
    assert [outcome.error for outcome in outcomes] == [None] * 4
    runs = [outcome.run_id for outcome in outcomes]
    assert runs[0] == runs[1] == runs[2] != runs[3]
    assert pending_hours(storage.lake, storage.warehouse) == []


def test_load_hours__a_damaged_hour_costs_itself_alone() -> None:
    storage = deployments.Storage(
        lake_of({60 * n: stand() for n in range(4)}), deployments.memory_storage().warehouse
    )
    (key,) = [key for key in storage.lake.keys("raw/") if "hour=21" in key]
    storage.lake.put(key, b"damaged")
    outcomes = loaded(storage, [hours.hour_after(n) for n in range(4)])
    errors = {outcome.hour: outcome.error for outcome in outcomes}
    assert [hour for hour, error in errors.items() if error] == [hours.hour_after(1)]
    assert key in str(errors[hours.hour_after(1)])
    assert [found.hour for found in pending_hours(storage.lake, storage.warehouse)] == [
        hours.hour_after(1)
    ]


def test_load_hours__an_hour_without_partition_is_told_and_the_others_load() -> None:
    storage = deployments.Storage(lake_of({0: stand()}), deployments.memory_storage().warehouse)
    outcomes = loaded(storage, [hours.hour_after(0), Hour.parse("2999-01-01T00")])
    assert [outcome.error is None for outcome in outcomes] == [True, False]
