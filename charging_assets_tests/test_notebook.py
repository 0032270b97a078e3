"""The example notebook runs in order, gives right figures, and is kept without outputs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets.analyst import Connection
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours
from charging_assets_tests.test_queries import rows

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs/example.ipynb"
Cells = list[dict[str, Any]]


@pytest.fixture(scope="module")
def cells() -> Cells:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run(cells: Cells) -> dict[str, Any]:
    """Run the cells in order; the names that they leave."""
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    return names


def test_notebook__has_no_outputs(cells: Cells) -> None:
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)


def test_notebook__reads_the_home_of_its_environment(
    cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = hours.lake_of({0: hours.stand(), 10: hours.stand("CHARGING"), 20: None})
    hours.load(DuckDBWarehouse(tmp_path / "charging.duckdb"), lake)
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    names = run(cells)
    assert rows(names["coverage"], "polls good_polls observed_h window_h coverage") == [
        (3, 2, 1 / 3, 24.0, 1 / 72)
    ]
    assert names["occupancy"].empty
    assert list(names["stations"]["evses"]) == [1]


def test_notebook__of_uneven_data__gives_what_was_worked_out(
    cells: Cells, uneven_home: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charging_assets.connect", lambda: uneven_home)
    names = run(cells)
    assert rows(names["coverage"], "place local_date good_polls observed_h window_h") == [
        ("kiel", datetime(2022, 4, 1), 24, 72.0, 72.0),
        ("kiel", datetime(2022, 4, 2), 24, 72.0, 72.0),
        # a1a 25, a1b 1 (until the poll without it), a1c from the third hour on.
        ("asuncion", datetime(2022, 3, 26), 25, 25 + 1 + 23.0, 49.0),
        ("asuncion", datetime(2022, 3, 27), 6, 12.0, 48.0),
        # Three polls more than hours. b1a, b1b, x1a 24, b1d 13.
        ("bonn", datetime(2022, 3, 26), 27, 85.0, 85.0),
        # b1a, b1b, x1a 23, b1c from 12:00 to 22:00, b1e 6.
        ("bonn", datetime(2022, 3, 27), 23, 85.0, 85.0),
        ("bonn", datetime(2022, 3, 28), 24, 96.0, 96.0),
        ("bonn", datetime(2022, 3, 29), 11, 44.0, 96.0),
        # k1a, k1b, k2a, k2b, k3a; x1a is in bonn. Three hours were not polled.
        ("koeln", datetime(2022, 3, 26), 22, 105.0, 120.0),
        ("koeln", datetime(2022, 3, 27), 23, 115.0, 115.0),
        ("koeln", datetime(2022, 3, 29), 11, 55.0, 120.0),
    ]
    occupancy = names["occupancy"].set_index(["feed", "local_hour"])["occupancy"]
    # The 28th: b1a CHARGING, then two polls BLOCKED, then b1b for three; of b1a, b1b, b1c, x1a.
    busy = occupancy[occupancy > 0]["test"].to_dict()
    assert busy == dict.fromkeys([9, 10, 11, 12, 13, 14], 0.25)
    # 23:00 is twice: one of 2 + 2 EVSE hours.
    assert occupancy["paraguay"].to_dict() == {**dict.fromkeys(range(23), 0.0), 23: 0.25}
    # Hours 24 to 47: m1a is UNKNOWN until 31, m1c charges until 37, m1b from 42 on.
    assert occupancy["april"].to_dict() == {
        **dict.fromkeys(range(8), 1 / 2),
        **dict.fromkeys(range(8, 14), 1 / 3),
        **dict.fromkeys(range(14, 18), 0.0),
        **dict.fromkeys(range(18, 24), 1 / 3),
    }
    assert rows(names["stations"], "station_id operator_name evses") == [
        ("m1", "Werke", 3),
        ("b1", "Netze", 3),
        ("a1", "Electra", 2),
        ("k1", "Netze", 2),
        ("k2", "Netze", 2),
        ("k3", "Netze", 1),
        ("x1", "Stadt", 1),
    ]
