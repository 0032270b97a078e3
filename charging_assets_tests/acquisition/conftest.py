"""A server on loopback for each test that asks one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charging_assets_tests.acquisition.loopback import Loopback


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running
