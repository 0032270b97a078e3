"""Hours are loaded while the dashboard is used; neither fails or waits for the other."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

from playwright.sync_api import Page

from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.e2e import network
from charging_assets_tests.e2e.browser import Log
from charging_assets_tests.e2e.conftest import served
from charging_assets_tests.e2e.test_pages import PAGES

LONGEST_WAIT_S = 2.0


def test_hours_load__while_pages_are_used(page: Page, log: Log, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "home")
    lake = LocalLake(tmp_path / "home/lake")
    warehouse = DuckDBWarehouse(tmp_path / "home/charging.duckdb", lock_timeout_s=LONGEST_WAIT_S)
    errors: list[BaseException] = []
    took: dict[str, list[float]] = {"load": [], "alone": [], "loading": []}

    def load() -> None:
        try:
            for hour in network.NEXT:
                began = time.perf_counter()
                network.load(lake, warehouse, hour)
                publish(lake, warehouse, hour)
                took["load"].append(time.perf_counter() - began)
        except BaseException as error:
            errors.append(error)

    with served(tmp_path / "home") as address:
        for path in PAGES.values():  # once, so that everything is imported
            page.goto(address + path)
        for path in PAGES.values():
            took["alone"].append(_timed(page, address + path))
        loading = threading.Thread(target=load)
        loading.start()
        while loading.is_alive():
            for path in PAGES.values():
                took["loading"].append(_timed(page, address + path))
                assert page.locator(".figure, dl").count() > 0
        loading.join()
        page.goto(f"{address}/now")
        assert "14 Jan 2026, 02:50" in page.locator(".freshness").inner_text()
    assert not errors, "a load failed, or waited for more than two seconds"
    assert len(took["load"]) == len(network.NEXT)
    assert log.console == []
    # Loads take their share of the processors; a page that waited for one would take seconds more.
    waits = max(took["loading"]) - max(took["alone"])
    assert waits < LONGEST_WAIT_S, took


def _timed(page: Page, url: str) -> float:
    began = time.perf_counter()
    response = page.goto(url)
    assert response
    assert response.status == 200
    return time.perf_counter() - began
