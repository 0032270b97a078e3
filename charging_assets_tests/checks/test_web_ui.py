"""Each way to launch runs in the web UI records the checks of each hour, with equal results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from charging_assets.checks.registry import HOURLY
from charging_assets.lake.store import LocalLake
from charging_assets.modelling.staged_hours import prune
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests.checks.stores import MINUTES, network
from charging_assets_tests.checks.web_ui import (
    PARTITION,
    RANGE_END,
    RANGE_START,
    WebUi,
    hours_of,
    serve,
)
from charging_assets_tests.modelling import hours

pytestmark = pytest.mark.slow

ARCHIVED = [hours.hour_after(n).key for n in range(48)]
KEYS = ARCHIVED[:3]
GREEN = {rule.name: "SUCCEEDED" for rule in HOURLY}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two archived days; none is loaded."""
    folder = tmp_path_factory.mktemp("home")
    lake = LocalLake(folder / "lake")
    for hour in range(len(ARCHIVED)):
        for minute in MINUTES:
            hours.put(lake, 60 * hour + minute, network())
    return folder


@pytest.fixture(scope="module")
def ui(home: Path) -> Iterator[WebUi]:
    with serve(home) as url:
        yield WebUi(url)


@pytest.fixture(scope="module")
def hourly(ui: WebUi) -> list[str]:
    return [name for name in ui.assets() if name != "utilisation_report"]


def test_run__of_one_hour(ui: WebUi, hourly: list[str]) -> None:
    run = ui.finished_run(ui.launch_run(hourly, {PARTITION: KEYS[0]}))
    assert run["status"] == "SUCCESS"
    assert ui.checks(KEYS[0], [run["runId"]]) == GREEN


def test_run__of_a_range(ui: WebUi, hourly: list[str]) -> None:
    tags = {RANGE_START: KEYS[0], RANGE_END: KEYS[1]}
    run = ui.finished_run(ui.launch_run(hourly, tags, job="load_hour"))
    assert run["status"] == "SUCCESS"
    assert [ui.checks(key, [run["runId"]]) for key in KEYS[:2]] == [GREEN, GREEN]


def test_backfill__of_assets_shares_a_run(ui: WebUi, hourly: list[str]) -> None:
    backfill = ui.finished_backfill(ui.launch_backfill(hourly, KEYS))
    assert backfill["status"] == "COMPLETED_SUCCESS"
    (run,) = backfill["runs"]
    assert (run["status"], [hour.key for hour in hours_of(run)]) == ("SUCCESS", KEYS)
    assert [ui.checks(key, [run["runId"]]) for key in KEYS] == [GREEN] * 3


def test_backfill__of_a_job_has_one_run_per_isolated_hour(ui: WebUi, hourly: list[str]) -> None:
    isolated = [KEYS[0], KEYS[2]]
    backfill = ui.finished_backfill(ui.launch_backfill(hourly, isolated, job="load_hour"))
    assert backfill["status"] == "COMPLETED_SUCCESS"
    runs = {hours_of(run)[0].key: run for run in backfill["runs"]}
    assert sorted(runs) == isolated
    assert {run["status"] for run in runs.values()} == {"SUCCESS"}
    assert [ui.checks(key, [run["runId"]]) for key, run in runs.items()] == [GREEN, GREEN]


def test_runs__of_three_hours_launched_at_once(ui: WebUi, hourly: list[str]) -> None:
    launched = {key: ui.launch_run(hourly, {PARTITION: key}, job="load_hour") for key in KEYS}
    runs = {key: ui.finished_run(run_id) for key, run_id in launched.items()}
    assert {run["status"] for run in runs.values()} == {"SUCCESS"}
    assert [ui.checks(key, [run["runId"]]) for key, run in runs.items()] == [GREEN] * 3


def test_backfill__of_a_job_shares_a_run_too(ui: WebUi) -> None:
    # The page of the job launches it without a selection of assets.
    backfill = ui.finished_backfill(ui.launch_backfill([], KEYS, job="load_hour"))
    assert backfill["status"] == "COMPLETED_SUCCESS"
    (run,) = backfill["runs"]
    assert (run["status"], [hour.key for hour in hours_of(run)]) == ("SUCCESS", KEYS)
    assert [ui.checks(key, [run["runId"]]) for key in KEYS] == [GREEN] * 3


def test_backfill__of_two_days_shares_a_run(ui: WebUi, hourly: list[str]) -> None:
    backfill = ui.finished_backfill(ui.launch_backfill(hourly, ARCHIVED))
    assert backfill["status"] == "COMPLETED_SUCCESS"
    (run,) = backfill["runs"]
    assert (run["status"], [hour.key for hour in hours_of(run)]) == ("SUCCESS", ARCHIVED)
    sampled_hours = (ARCHIVED[0], ARCHIVED[23], ARCHIVED[-1])
    assert [ui.checks(key, [run["runId"]]) for key in sampled_hours] == [GREEN] * 3


def test_run__of_one_table_of_a_pruned_hour(ui: WebUi, home: Path) -> None:
    pruned = hours.hour_after(1)
    prune(DuckDBWarehouse(home / FILE_NAME), pruned)
    run = ui.finished_run(ui.launch_run(["fact_status"], {PARTITION: pruned.key}))
    assert run["status"] == "SUCCESS"
    of_facts = {rule.name for rule in HOURLY if rule.asset == "fact_status"}
    states = ui.checks(pruned.key, [run["runId"]])
    assert {states[name] for name in of_facts} == {"SUCCEEDED"}


def test_backfill__of_all_assets_includes_the_daily_report(ui: WebUi) -> None:
    backfill = ui.finished_backfill(ui.launch_backfill(ui.assets(), KEYS[:2]))
    assert backfill["status"] == "COMPLETED_SUCCESS"
    assert {run["status"] for run in backfill["runs"]} == {"SUCCESS"}
    of_hours = [run for run in backfill["runs"] if hours_of(run)]
    assert [[hour.key for hour in hours_of(run)] for run in of_hours] == [KEYS[:2]]
    assert len(backfill["runs"]) == 2
    assert [ui.checks(key, [of_hours[0]["runId"]]) for key in KEYS[:2]] == [GREEN, GREEN]


def test_backfill__with_an_hour_without_polls_fails_like_its_run(
    ui: WebUi, hourly: list[str]
) -> None:
    beyond = hours.hour_after(len(ARCHIVED)).key
    backfill = ui.finished_backfill(ui.launch_backfill(hourly, [ARCHIVED[-1], beyond]))
    assert backfill["status"] == "COMPLETED_FAILED"
    assert [run["status"] for run in backfill["runs"]] == ["FAILURE"]
