"""The whole asset graph in memory: its results and metadata, and how Dagster loads it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from charging_assets import definitions, deployments
from charging_assets.modelling.staged_hours import prune
from charging_assets.schemas.catalog import TABLES
from charging_assets.settings import DeploymentError
from charging_assets_tests.graphs import failure_message, run
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
        metadata = event.step_materialization_data.materialization.metadata
        return {name: entry.value for name, entry in metadata.items()}


@pytest.fixture(scope="module")
def graph() -> Run:
    """Three small polls with a change, an EVSE that goes, a bad field and an unknown one."""
    storage = deployments.memory_storage()
    first = [station([evse("e1"), evse("e2", "NONSENSE")], novelty=1)]
    for minute, state in ((0, first), (10, stand("CHARGING")), (20, None)):
        hours.put(storage.lake, minute, state)
    defs = definitions.build(storage, feeds={})
    return Run(storage, defs, run(defs, HOUR))


def assets(defs: dg.Definitions) -> list[dg.AssetSpec]:
    """The assets of an hour; reports are partitioned by day and run separately."""
    return [spec for spec in defs.resolve_all_asset_specs() if spec.group_name != "reports"]


def test_graph__runs_in_memory(graph: Run) -> None:
    assert graph.result.success
    made = {event.asset_key for event in graph.result.get_asset_materialization_events()}
    assert made == {spec.key for spec in assets(graph.defs)}
    runs = hours.rows(
        graph.storage.warehouse,
        "SELECT evse_uid, first_slot_at, last_slot_at, status FROM warehouse.fact_status "
        "ORDER BY 1, 2",
    )
    assert runs == [
        ("e1", 0, 0, "AVAILABLE"),
        ("e1", 10, 10, "CHARGING"),
        ("e2", 0, 0, None),
    ]


def test_graph__has_the_required_assets(graph: Run) -> None:
    expected = {"raw_api_snapshots", "flat_stations", "flat_evses", "staged_tables", "dim_station"}
    assert {*expected, "fact_status"} <= {spec.key.path[-1] for spec in assets(graph.defs)}


def test_assets__have_group_description_kinds_and_the_one_partitioning(graph: Run) -> None:
    for spec in assets(graph.defs):
        assert spec.group_name not in (None, "", "default"), spec.key
        assert spec.description and len(spec.description) > 15, spec.key
        assert spec.kinds, spec.key
        assert spec.code_version, spec.key
        assert spec.partitions_def == assets(graph.defs)[0].partitions_def, spec.key


def test_assets__tables_report_rows_and_columns(graph: Run) -> None:
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


def test_assets__others_report_rows_and_path(graph: Run) -> None:
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


def test_asset__without_flat_files_names_the_remedy(graph: Run) -> None:
    result = run(graph.defs, hours.hour_after(5), asset_selection=[dg.AssetKey("fact_status")])
    assert "materialize the flat tables of 2022-01-12T01" in failure_message(result)


def test_code_location__every_job_and_sensor_can_be_loaded_together() -> None:
    """As Dagster's processes load it, which refuse a name that two jobs or ops share."""
    defs = definitions.build(deployments.memory_storage(), feeds={})
    dg.Definitions.validate_loadable(defs)
    defs.get_repository_def().load_all_definitions()


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


def test_code_location__unknown_deployment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeploymentError, match="CHARGING_DEPLOYMENT names no deployment"):
        deployments.storage({"CHARGING_DEPLOYMENT": "moon"})
