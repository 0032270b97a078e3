"""Network now: figures equal those computed from facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

AT = "2026-01-13T12:00"
STATES = """
WITH latest AS (
    SELECT place, MAX(slot_at) AS slot_at FROM warehouse.fact_poll
    WHERE outcome IN ('ok', 'not_modified')
        AND slot_at <= TIMESTAMP '2026-01-13 11:00:00' GROUP BY place
), seen AS (
    SELECT runs.evse_key, runs.status,
        ROW_NUMBER() OVER (PARTITION BY runs.evse_key ORDER BY latest.slot_at DESC, runs.place)
        AS place_rank
    FROM warehouse.fact_status AS runs
    INNER JOIN latest ON runs.place = latest.place
        AND latest.slot_at BETWEEN runs.first_slot_at AND runs.last_slot_at
)
SELECT seen.status, COUNT(*) AS evses
FROM seen
INNER JOIN warehouse.dim_evse AS evses ON evses.is_current AND seen.evse_key = evses.evse_key
INNER JOIN warehouse.dim_station AS stations
    ON stations.is_current AND evses.station_key = stations.station_key
WHERE seen.place_rank = 1 AND (:place = '' OR stations.place = :place)
GROUP BY seen.status
"""
GROUPS = {
    "free": {"AVAILABLE"}, "charging": {"CHARGING"}, "reserved_or_blocked": {"RESERVED", "BLOCKED"},
    "failed": {"INOPERATIVE", "OUTOFORDER"}, "unknown": {"UNKNOWN", None},
}  # fmt: skip


def figure(page: Page, name: str) -> float:
    return float(page.locator(f"#figure-{name}").get_attribute("data-raw") or "nan")


@pytest.mark.parametrize("place", ["", "koeln"])
def test_now__figures_equal_the_facts(page: Page, address: str, home: Path, place: str) -> None:
    page.goto(f"{address}/now?at={AT}")
    page.get_by_label("City", exact=True).select_option(place)
    page.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url(f"**place={place}**")
    expected = DuckDBWarehouse(home / "charging.duckdb").query(STATES, {"place": place}).to_pylist()
    counted = {row["status"]: row["evses"] for row in expected}
    figures = {name: figure(page, name) for name in GROUPS}
    assert figures == {
        name: sum(counted.get(status, 0) for status in statuses)
        for name, statuses in GROUPS.items()
    }
    assert figure(page, "evses") == sum(counted.values())
