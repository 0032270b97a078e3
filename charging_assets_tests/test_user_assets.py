"""The example of users' own assets, run on both engines, and shown in the docs as it is."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.hours import Hour, hours_between
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.resources import for_storage
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import evse, station
from charging_assets_tests.snippets import ROOT
from charging_assets_tests.warehouse.redshifts import resource_of

EXAMPLE = ROOT / "docs/examples/own_assets/own_assets.py"
HOURS = [Hour.parse("2022-01-11T20"), Hour.parse("2022-01-11T21")]


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("own_assets", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["own_assets"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["own_assets"]


@pytest.mark.parametrize("engine", ["duckdb", "redshift"])
def test_example__stores_its_frames_next_to_the_tables_that_it_reads(
    example: ModuleType, engine: str, request: pytest.FixtureRequest
) -> None:
    full = station([evse("e1", "CHARGING")])
    lake = hours.lake_of({minute: [full] for minute in range(0, 120, 10)})
    if engine == "duckdb":
        warehouse: Any = DuckDBWarehouse(None)
    else:
        redshift, s3_lake = (request.getfixturevalue(name) for name in ("redshift", "s3_lake"))
        warehouse = RedshiftWarehouse(resource_of(redshift), s3_lake, redshift.iam_role)
    storage = deployments.Storage(lake, warehouse)
    for hour in HOURS:
        hours.load(warehouse, lake, hour)
    defs = example.defs()
    example_assets = [example.city_ranking, example.full_stations]
    upstream = [asset for asset in defs.assets if asset not in example_assets]
    resources = for_storage(storage, feeds={})
    tags = {FIRST_TAG: HOURS[0].key, LAST_TAG: HOURS[-1].key}
    for _ in range(2):  # materialized again, they are replaced
        for asset, how in ((example_assets[0], {}), (example_assets[1], {"tags": tags})):
            done = dg.materialize([*upstream, asset], selection=[asset], resources=resources, **how)
            assert done.success
    (city,) = warehouse.query("SELECT * FROM user_tables.city_ranking").to_pylist()
    assert city["charging_share"] == 1 and city["observed_s"] == city["charging_s"] > 0
    rows = warehouse.query("SELECT slot_at, saturated_s FROM own.full_stations ORDER BY 1")
    wanted = [hour.start.replace(tzinfo=None) for hour in hours_between(*HOURS)]
    assert rows.column("slot_at").to_pylist() == wanted
    assert min(rows.column("saturated_s").to_pylist()) > 0


def test_example__loads_as_a_code_location_and_stays_out_of_our_jobs(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    defs = example.defs()
    dg.Definitions.validate_loadable(defs)
    defs.get_repository_def().load_all_definitions()
    for name in ("load_hour", "load_without_checks", "poll", "maintain"):
        steps = set(defs.resolve_job_def(name).graph.node_dict)
        assert not steps & {"city_ranking", "own__full_stations"}, name


def test_example__stands_in_the_docs_as_it_is() -> None:
    page = (ROOT / "docs/own-assets.md").read_text("utf-8")
    assert f"```python\n{EXAMPLE.read_text('utf-8')}```" in page
