"""Figures of filtered pages equal hand-written SQL over facts."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.e2e.test_now import figure

# Every poll of every EVSE stands for ten minutes; local days of January are UTC minus an hour.
SEEN = """
WITH polled AS (
    SELECT runs.evse_key, runs.status, polls.slot_at,
        ROW_NUMBER() OVER (PARTITION BY runs.evse_key, polls.slot_at ORDER BY runs.place) AS nth
    FROM warehouse.fact_status AS runs
    INNER JOIN warehouse.fact_poll AS polls ON runs.place = polls.place
        AND DATE_TRUNC('hour', runs.slot_at) = DATE_TRUNC('hour', polls.slot_at)
        AND polls.slot_at BETWEEN runs.first_slot_at AND runs.last_slot_at
        AND polls.outcome IN ('ok', 'not_modified')
    WHERE runs.slot_at >= :day_from AND runs.slot_at < :day_to
), seen AS (
    SELECT polled.status, polled.evse_key, stations.station_key, stations.place,
        stations.operator_name
    FROM polled
    INNER JOIN warehouse.dim_evse AS evses
        ON evses.is_current AND polled.evse_key = evses.evse_key
    INNER JOIN warehouse.dim_station AS stations
        ON stations.is_current AND evses.station_key = stations.station_key
    WHERE nth = 1 AND (:place = '' OR stations.place = :place)
)
"""
COUNTS = """
SELECT COUNT(*) AS observed,
    SUM(CASE WHEN status = 'CHARGING' THEN 1 ELSE 0 END) AS charging,
    SUM(CASE WHEN status IN ('AVAILABLE', 'CHARGING', 'RESERVED', 'BLOCKED') THEN 1 ELSE 0 END)
    AS operable,
    SUM(CASE WHEN status IN ('CHARGING', 'RESERVED', 'BLOCKED') THEN 1 ELSE 0 END) AS occupied,
    SUM(CASE WHEN status IN ('INOPERATIVE', 'OUTOFORDER') THEN 1 ELSE 0 END) AS failed
FROM seen
"""
DAYS = {"day_from": datetime(2026, 1, 8, 23), "day_to": datetime(2026, 1, 11, 23)}
QUERY = "from=2026-01-09&to=2026-01-11"


@pytest.fixture(scope="module")
def warehouse(home: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(home / "charging.duckdb")


def counted(warehouse: DuckDBWarehouse, place: str, sql: str = COUNTS) -> list[dict[str, Any]]:
    rows = warehouse.query(SEEN + sql, {**DAYS, "place": place}).to_pylist()
    return [
        {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
        for row in rows
    ]


@pytest.mark.parametrize("place", ["koeln", ""])
def test_city__figures_equal_the_facts(
    page: Page, address: str, warehouse: DuckDBWarehouse, place: str
) -> None:
    page.goto(f"{address}/city?{QUERY}")
    page.get_by_label("City", exact=True).select_option(place)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(f"**place={place}&**")
    (expected,) = counted(warehouse, place)
    assert figure(page, "utilisation") == pytest.approx(expected["charging"] / expected["operable"])
    assert figure(page, "occupancy") == pytest.approx(expected["occupied"] / expected["operable"])
    assert figure(page, "availability") == pytest.approx(
        expected["operable"] / expected["observed"]
    )


def test_reliability__rows_equal_the_facts(
    page: Page, address: str, warehouse: DuckDBWarehouse
) -> None:
    grouped = COUNTS.replace("SELECT", "SELECT operator_name,", 1) + " GROUP BY operator_name"
    expected = {row["operator_name"]: row for row in counted(warehouse, "", grouped)}
    page.goto(f"{address}/reliability?{QUERY}")
    with page.expect_download() as download:
        page.locator("#table-operators a[download]").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    assert {row["operator_name"] for row in rows} == set(expected)
    for row in rows:
        facts = expected[row["operator_name"]]
        reliability = 1 - facts["failed"] / facts["observed"]
        assert float(row["reliability"]) == pytest.approx(reliability)


def test_station__sessions_and_shares_equal_the_facts(
    page: Page, address: str, warehouse: DuckDBWarehouse
) -> None:
    (busiest,) = warehouse.query(
        "SELECT evses.station_key, COUNT(*) AS sessions "
        "FROM warehouse.fact_charging_session AS sessions "
        "INNER JOIN warehouse.dim_evse AS evses "
        "ON evses.is_current AND sessions.evse_key = evses.evse_key "
        "WHERE sessions.slot_at >= :day_from AND sessions.slot_at < :day_to "
        "AND NOT sessions.is_start_censored "
        "GROUP BY evses.station_key ORDER BY COUNT(*) DESC, evses.station_key LIMIT 1",
        DAYS,
    ).to_pylist()
    page.goto(f"{address}/station?station={busiest['station_key']}&{QUERY}")
    assert figure(page, "sessions") == busiest["sessions"]
    one = f" WHERE station_key = {busiest['station_key']}"
    (expected,) = counted(warehouse, "", COUNTS + one)
    assert figure(page, "utilisation") == pytest.approx(expected["charging"] / expected["operable"])
    runs = page.locator("#chart-band title").count()
    assert runs > 10


def test_station__figures_of_one_evse_equal_the_facts(
    page: Page, address: str, warehouse: DuckDBWarehouse
) -> None:
    page.goto(f"{address}/station?place=koeln&{QUERY}")
    page.get_by_label("EVSE", exact=True).select_option(index=2)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**evse=*")
    chosen = page.get_by_label("EVSE", exact=True)
    evse = int(chosen.input_value())
    (expected,) = counted(warehouse, "", f"{COUNTS} WHERE evse_key = {evse}")
    assert figure(page, "utilisation") == pytest.approx(expected["charging"] / expected["operable"])
    assert figure(page, "availability") == pytest.approx(
        expected["operable"] / expected["observed"]
    )
    (begun,) = warehouse.query(
        "SELECT COUNT(*) AS sessions FROM warehouse.fact_charging_session "
        f"WHERE evse_key = {evse} AND slot_at >= :day_from AND slot_at < :day_to "
        "AND NOT is_start_censored", DAYS,
    ).to_pylist()  # fmt: skip
    assert figure(page, "sessions") == begun["sessions"] > 0
    assert chosen.locator("option:checked").inner_text() in page.locator(".figures").inner_text()


def test_quality__polls_equal_the_facts(
    page: Page, address: str, warehouse: DuckDBWarehouse
) -> None:
    (polls,) = warehouse.query(
        "SELECT COUNT(DISTINCT slot_at) AS polls, COUNT(*) AS answers FROM warehouse.fact_poll "
        "WHERE slot_at >= :day_from AND slot_at < :day_to", DAYS,
    ).to_pylist()  # fmt: skip
    page.goto(f"{address}/quality?from=2026-01-01&to=2026-01-11")
    missed = page.locator("#table-polls tbody tr", has_text="4 Jan 2026")
    assert missed.locator("[data-name=missed_count]").inner_text() == "144"
    page.goto(f"{address}/quality?{QUERY}")
    counts = page.locator("#table-polls [data-name=poll_count]").all_inner_texts()
    assert sum(map(int, counts)) == polls["polls"]
