"""A world in which every rule holds, and copies of it to break."""

from __future__ import annotations

from pathlib import Path

import pytest

from charging_assets_tests.checks.worlds import World, clean


@pytest.fixture(scope="session")
def intact(tmp_path_factory: pytest.TempPathFactory) -> World:
    return clean(tmp_path_factory.mktemp("clean") / "charging.duckdb")


@pytest.fixture
def world(intact: World, tmp_path: Path) -> World:
    return intact.copy(tmp_path / "charging.duckdb")
