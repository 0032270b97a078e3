"""The whole asset graph, in memory: what it makes, what it tells, and when it asks an API."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from charging_assets import definitions, deployments
from charging_assets.acquisition.archive import hours_archived, read
from charging_assets.acquisition.feeds import Feed
from charging_assets.acquisition.missed import missed_slots
from charging_assets.modelling.staging import prune
from charging_assets.partitions import Hour
from charging_assets.schemas.catalog import TABLES
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, stand, station

TABLE_NAMES = {table.name: table for table in TABLES}
REPOSITORY = Path(__file__).parent.parent


@dataclass
class Run:
    storage: deployments.Storage
    defs: dg.Definitions
    result: Any

    def metadata(self, asset: str) -> dict[str, Any]:
        (event,) = [
            event
            for event in self.result.get_asset_materialization_events()
            if event.asset_key.path[-1] == asset
        ]
        found = event.step_materialization_data.materialization.metadata
        return {name: entry.value for name, entry in found.items()}


def run(
    defs: dg.Definitions, hour: Hour, job: str = "load_hour", **settings: Any
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(
        partition_key=hour.key, raise_on_error=False, **settings
    )


def told_failure(result: dg.ExecuteInProcessResult) -> str:
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    described = data.user_failure_data.description if data.user_failure_data else None
    return f"{event.step_key}: {described or data.error}"


@pytest.fixture(scope="module")
def graph() -> Run:
    """Three small polls with a change, an EVSE that goes, a bad field and an unknown one."""
    storage = deployments.memory_storage()
    first = [station([evse("e1"), evse("e2", "NONSENSE")], novelty=1)]
    for minute, told in ((0, first), (10, stand("CHARGING")), (20, None)):
        hours.put(storage.lake, minute, told)
    defs = definitions.build(storage, feeds={})
    return Run(storage, defs, run(defs, HOUR))


def assets(defs: dg.Definitions) -> list[dg.AssetSpec]:
    """The assets of an hour; reports are of days, and asked for one by one."""
    return [spec for spec in defs.resolve_all_asset_specs() if spec.group_name != "reports"]


def test_graph__runs_in_memory(graph: Run) -> None:
    assert graph.result.success
    made = {event.asset_key for event in graph.result.get_asset_materialization_events()}
    assert made == {spec.key for spec in assets(graph.defs)}
    found = hours.rows(
        graph.storage.warehouse,
        "SELECT evse_uid, first_slot_at, last_slot_at, status FROM warehouse.fact_status "
        "ORDER BY 1, 2",
    )
    assert found == [
        ("e1", 0, 0, "AVAILABLE"),
        ("e1", 10, 10, "CHARGING"),
        ("e2", 0, 0, None),
    ]


def test_graph__has_the_assets_that_users_asked_for(graph: Run) -> None:
    asked = {"raw_api_snapshots", "flat_stations", "flat_evses", "staged_tables", "dim_station"}
    assert {*asked, "fact_status"} <= {spec.key.path[-1] for spec in assets(graph.defs)}


def test_assets__have_group_description_kinds_and_the_one_partitioning(graph: Run) -> None:
    for spec in assets(graph.defs):
        assert spec.group_name not in (None, "", "default"), spec.key
        assert spec.description and len(spec.description) > 15, spec.key
        assert spec.kinds, spec.key
        assert spec.code_version, spec.key
        assert spec.partitions_def == assets(graph.defs)[0].partitions_def, spec.key


def test_assets__that_are_tables_tell_rows_and_columns(graph: Run) -> None:
    tables = [spec.key.path[-1] for spec in assets(graph.defs) if spec.key.path[-1] in TABLE_NAMES]
    assert len(tables) >= 11
    declared = {spec.key.path[-1]: spec.metadata for spec in assets(graph.defs)}
    for name in tables:
        columns = [column.name for column in declared[name]["dagster/column_schema"].columns]
        assert columns == list(TABLE_NAMES[name].names), name
        assert isinstance(graph.metadata(name)["dagster/row_count"], int), name
    assert graph.metadata("flat_status")["dagster/row_count"] == 3
    assert graph.metadata("fact_poll")["dagster/row_count"] == 3
    assert graph.metadata("dim_evse")["dagster/row_count"] == 2


def test_assets__that_are_no_tables_tell_what_they_hold(graph: Run) -> None:
    for spec in assets(graph.defs):
        assert spec.metadata["dagster/column_schema"].columns, spec.key
        assert graph.metadata(spec.key.path[-1])["path"], spec.key
    assert graph.metadata("raw_api_snapshots")["dagster/row_count"] == 3
    staged = graph.metadata("staged_tables")
    assert staged["rows"]["flat_polls"] == 3
    assert staged["dagster/row_count"] == sum(staged["rows"].values())


def test_graph__again_is_the_same_warehouse(graph: Run) -> None:
    before = hours.digests(graph.storage.warehouse)
    again = run(graph.defs, HOUR)
    assert again.success
    assert hours.digests(graph.storage.warehouse) == before


@pytest.mark.parametrize("asset", ["fact_status", "dim_station"])
def test_asset__of_a_pruned_hour_is_staged_again_and_never_emptied(graph: Run, asset: str) -> None:
    before = hours.digests(graph.storage.warehouse)
    prune(graph.storage.warehouse, HOUR)
    assert run(graph.defs, HOUR, asset_selection=[dg.AssetKey(asset)]).success
    assert hours.digests(graph.storage.warehouse) == before


def test_asset__without_flat_files_says_what_to_materialize(graph: Run) -> None:
    result = run(graph.defs, hours.hour_after(5), asset_selection=[dg.AssetKey("fact_status")])
    assert "materialize the flat tables of 2022-01-12T01" in told_failure(result)


# --- the API ----------------------------------------------------------------------------------


@dataclass
class Api:
    """An API on loopback that counts what it is asked."""

    asked: list[str] = field(default_factory=list)
    port: int = 0

    def feed(self) -> Feed:
        return Feed(
            name="test",
            kind="chargecloud",
            base_url=f"http://127.0.0.1:{self.port}",
            places=("bonn", "koeln"),
            place_timeout_s=5,
            poll_budget_s=20,
            attempts=1,
        )


@pytest.fixture
def api() -> Iterator[Api]:
    told = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path)
            body = builders.envelope(*stand(), at=datetime.now(UTC).isoformat())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told
    server.shutdown()
    server.server_close()


def running_hour() -> Hour:
    """The running hour, with time enough left in it for a poll."""
    left = Hour.of(datetime.now(UTC)).end - datetime.now(UTC)
    if left < timedelta(seconds=20):
        time.sleep(left.total_seconds() + 0.1)
    return Hour.of(datetime.now(UTC))


def live(is_live: bool) -> dict[str, Any]:
    return {"ops": {"raw_api_snapshots": {"config": {"live": is_live}}}}


def test_raw__a_live_poll_archives_the_running_hour(api: Api) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    hour = running_hour()
    result = run(defs, hour, "poll")
    assert result.success
    assert sorted(api.asked) == ["/bonn", "/koeln"]
    ((archived, (key,)),) = hours_archived(storage.lake).items()
    assert archived == hour
    answers = list(read(storage.lake, key))
    assert [(a.place.slug, a.place.outcome, a.place.http_status) for a in answers] == [
        ("bonn", "ok", 200),
        ("koeln", "ok", 200),
    ]
    assert run(defs, hour, "load_hour").success
    assert len(api.asked) == 2
    assert storage.warehouse.query("SELECT COUNT(*) AS n FROM warehouse.fact_poll").to_pylist() == [
        {"n": 2}
    ]


@pytest.mark.fault(
    "An hour that is over is materialized",
    "its archived polls are found, or the run fails; no API is asked",
    area="time",
)
@pytest.mark.parametrize(
    ("is_live", "told"),
    [
        (False, "no archived polls for 2022-01-11T20.*charging-assets import PATH"),
        (
            True,
            "2022-01-11T20 is over, and the APIs only know the present.*materialize 2022-01-11T20",
        ),
    ],
)
def test_raw__of_a_past_hour_never_asks_the_api(api: Api, is_live: bool, told: str) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    raw = [dg.AssetKey("raw_api_snapshots")]
    result = run(defs, HOUR, run_config=live(is_live), asset_selection=raw)
    failure = told_failure(result)
    assert re.search(told, failure), failure
    assert (api.asked, storage.lake.keys("raw/")) == ([], [])


def test_raw__a_run_that_begins_after_its_hour_notes_the_planned_slot_as_missed(api: Api) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    config = live(True)
    config["ops"]["raw_api_snapshots"]["config"]["planned_at"] = "2022-01-11T20:50:00+00:00"
    raw = [dg.AssetKey("raw_api_snapshots")]
    assert not run(defs, HOUR, run_config=config, asset_selection=raw).success
    (note,) = missed_slots(storage.lake)
    assert (note["feed"], note["slot_at"]) == ("test", "2022-01-11T20:50:00+00:00")
    assert api.asked == []


def test_raw__of_a_past_hour_with_polls_replays_them(api: Api) -> None:
    storage = deployments.memory_storage()
    hours.put(storage.lake, 0, stand())
    before = storage.lake.keys("raw/")
    defs = definitions.build(storage, feeds={"test": api.feed()})
    result = run(defs, HOUR, asset_selection=[dg.AssetKey("raw_api_snapshots")])
    assert result.success
    assert (api.asked, storage.lake.keys("raw/")) == ([], before)


def test_raw__live_for_a_past_hour_with_polls_is_refused_too(api: Api) -> None:
    storage = deployments.memory_storage()
    hours.put(storage.lake, 0, stand())
    defs = definitions.build(storage, feeds={"test": api.feed()})
    raw = [dg.AssetKey("raw_api_snapshots")]
    assert not run(defs, HOUR, run_config=live(True), asset_selection=raw).success
    assert api.asked == []


def test_code_location__every_job_and_sensor_can_be_loaded_together() -> None:
    """As Dagster's processes load it, which refuse a name that two jobs or ops share."""
    defs = definitions.build(deployments.memory_storage(), feeds={})
    dg.Definitions.validate_loadable(defs)
    defs.get_repository_def().load_all_definitions()


# --- the code location ------------------------------------------------------------------------

LOADS = """
import sys
import charging_assets.definitions
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""


def test_code_location__loads_without_pandas(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={"CHARGING_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    heavy = {
        "pandas",
        "dagster_pandas",
        "dagster_aws",
        "boto3",
        "redshift_connector",
        "sqlalchemy_redshift",
    }
    assert set(done.stdout.split()) & heavy == set()
    assert list(tmp_path.iterdir()) == []


def test_code_location__says_which_deployment_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(deployments.DeploymentError, match="CHARGING_DEPLOYMENT is 'moon'"):
        deployments.storage({"CHARGING_DEPLOYMENT": "moon"})
