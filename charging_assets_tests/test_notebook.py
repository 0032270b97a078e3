"""The example notebook runs from top to bottom, and is kept without outputs."""

import json
from pathlib import Path

import pytest

from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse
from charging_assets_tests.modelling import hours

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs/example.ipynb"


@pytest.fixture(scope="module")
def cells():
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_notebook__has_no_outputs(cells):
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)


def test_notebook__cells_run_in_order(cells, tmp_path, monkeypatch):
    lake = hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING"), 20: None})
    hours.load(DuckDBWarehouse(tmp_path / "charging.duckdb"), lake)
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    names = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    assert list(names["coverage"]["good_polls"]) == [2]
    assert names["occupancy"].to_dict() == {21: 0.5}
    assert list(names["stations"]["evses"]) == [1]
