"""One call of `fetch` with short limits and the defaults that most tests use."""

from __future__ import annotations

import time
from typing import Any

from charging_assets.acquisition.http_client import Limits, fetch
from charging_assets.acquisition.http_session import Session
from charging_assets.archive.raw_objects import PlaceResponse
from charging_assets_tests.acquisition.loopback import Loopback

LATE_S = 0.4
# Tolerance for a busy machine; responses that drip take longer than a minute.
SLACK_S = 15.0


def fetch_from(
    server: Loopback, path: str = "x", url: str | None = None, **settings: Any
) -> PlaceResponse:
    defaults = {"place_timeout_s": 5, "max_body_bytes": 10_000_000, "attempts": 1}
    deadline = time.monotonic() + settings.pop("budget_s", 20)
    clocks = {name: settings.pop(name) for name in {"now", "sleep", "monotonic"} & settings.keys()}
    limits = Limits(deadline=deadline, **{**defaults, **settings})
    with Session("test/1", 4) as session:
        target = url or f"{server.url}/{path}"
        return fetch(session, target, slug="x", limits=limits, **clocks).place
