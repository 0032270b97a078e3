"""How the client is asked in tests, with limits that end them soon.

Belongs here: one call of `fetch` with what most tests leave alone. Does not belong here: servers
(`loopback`).
"""

from __future__ import annotations

import time
from typing import Any

from charging_assets.acquisition.client import fetch
from charging_assets.acquisition.connections import Session
from charging_assets.acquisition.raw_objects import Place
from charging_assets_tests.acquisition.loopback import Loopback

LATE_S = 0.4
# For a machine that does other things too; answers that drip take longer than a minute.
SLACK_S = 15.0


def ask(server: Loopback, path: str = "x", url: str | None = None, **settings: Any) -> Place:
    limits = {"place_timeout_s": 5, "max_body_bytes": 10_000_000, "attempts": 1}
    deadline = time.monotonic() + settings.pop("budget_s", 20)
    with Session("test/1", 4) as session:
        asked = url or f"{server.url}/{path}"
        return fetch(session, asked, slug="x", deadline=deadline, **{**limits, **settings})
