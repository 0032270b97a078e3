"""`demo`: what it reports is what the warehouse says."""

from __future__ import annotations

from charging_assets.simulator import Network
from charging_assets_tests.cli.shell import FIRST, SCALE, Shell


def test_demo__with_loaded_data_only_reports(loaded: Shell) -> None:
    assert loaded.run("demo", "--hours", "2", "--scale", SCALE) == 0
    assert "archive: every poll is archived already" in loaded.out
    assert "warehouse: every hour is loaded already" in loaded.out
    stations, evses, _ = Network(1, float(SCALE), whole_at=FIRST.start).counts(FIRST.start)
    assert f"{stations} stations · {evses} EVSEs" in loaded.out
    for part in ("Occupancy by local hour", "Busiest stations", "Status", "Data quality"):
        assert part in loaded.out
    for target in ("make ui", "make dashboard", "make live"):
        assert target in loaded.out
    assert max(map(len, loaded.out.splitlines())) <= 100


def test_demo__figures_equal_the_warehouse(loaded: Shell) -> None:
    loaded.run("demo", "--hours", "2", "--scale", SCALE)
    polls = loaded.storage.warehouse.query(
        "SELECT SUM(CASE WHEN status = 'AVAILABLE' THEN poll_count ELSE 0 END) AS available, "
        "SUM(poll_count) AS polled FROM warehouse.fact_status"
    ).to_pylist()[0]
    (line,) = [each for each in loaded.out.splitlines() if each.strip().startswith("AVAILABLE")]
    assert f"{100 * float(polls['available']) / float(polls['polled']):.1f} %" in line
    assert f"{float(polls['available']) * 600 / 3600:,.1f} h" in line
