"""Fixtures: a server on loopback, and the feed of the original project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from charging_assets.sources.feeds import Feed, load_feeds
from charging_assets_tests.acquisition.loopback import Loopback


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture(scope="module")
def feed() -> Feed:
    return load_feeds()["chargecloud"]
