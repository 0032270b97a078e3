"""Pages without data, or with unreadable data, show a message with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from charging_assets_tests.e2e.conftest import served
from charging_assets_tests.e2e.test_pages import PAGES


@pytest.mark.parametrize("language", ["en", "de"])
def test_empty__is_a_friendly_page(page: Page, tmp_path: Path, language: str) -> None:
    with served(tmp_path) as address:
        for path in PAGES:
            response = page.goto(f"{address}/{path}?lang={language}")
            assert response
            assert response.status == 200
            assert "make demo" in page.locator("main").inner_text()
        assert Axe().run(page).violations_count == 0


def test_dead__is_a_friendly_page(page: Page, tmp_path: Path) -> None:
    for table in ("mart_city_day/month=2026-01", "fact_poll/date=2026-01-13"):
        file = tmp_path / f"lake/published/{table}/{table.split('/')[0]}.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"this was a Parquet file once")
    with served(tmp_path) as address:
        for path in PAGES:
            response = page.goto(f"{address}/{path}?lang=en")
            assert response
            assert response.status == 503
            assert "not available" in page.locator("h1").inner_text()
            assert "Traceback" not in page.content()
        assert Axe().run(page).violations_count == 0
