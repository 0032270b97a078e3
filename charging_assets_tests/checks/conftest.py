"""A lake and a warehouse in which every rule holds, and copies for tests that damage them."""

from __future__ import annotations

from pathlib import Path

import pytest

from charging_assets_tests.checks.stores import Stores, load_clean_stores


@pytest.fixture(scope="session")
def clean_stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    return load_clean_stores(tmp_path_factory.mktemp("clean") / "charging.duckdb")


@pytest.fixture
def stores(clean_stores: Stores, tmp_path: Path) -> Stores:
    return clean_stores.copy(tmp_path / "charging.duckdb")
