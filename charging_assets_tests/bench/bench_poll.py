"""P7: a poll of 38 places that take 390 ms each, against sequential requests.

The server is on loopback, so that only waiting, threads and the client's work are measured.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import requests

from charging_assets.acquisition.poll import failed_places, poll
from charging_assets.sources.feeds import Feed
from charging_assets_tests.acquisition.loopback import Loopback, reply

PLACES, DELAY_S, TARGET = 38, 0.390, 10.0
# The mean size of chargecloud's real answers.
BODY = b'{"data": [], "status_code": 1000, "padding": "' + b"x" * 55_000 + b'"}'


def run(repetitions: int = 3) -> dict[str, Any]:
    """The speed-up of a poll; the time of a poll is the median of several."""
    slugs = tuple(f"place{number}" for number in range(PLACES))
    with Loopback(**dict.fromkeys(slugs, reply(BODY, delay_s=DELAY_S))) as server:
        feed = Feed(name="bench", kind="chargecloud", base_url=server.url, places=slugs)
        polls_s = [_poll_s(feed) for _ in range(repetitions)]
        sequential_s = _sequential_s(feed)
    poll_s = statistics.median(polls_s)
    ratio = round(sequential_s / poll_s, 2)
    return {
        "goal": "P7",
        "ratio": ratio,
        "target": TARGET,
        "met": ratio >= TARGET,
        "sequential_s": round(sequential_s, 3),
        "poll_s": round(poll_s, 3),
        "polls_s": [round(seconds, 3) for seconds in polls_s],
        "max_workers": feed.max_workers,
    }


def _poll_s(feed: Feed) -> float:
    began = time.perf_counter()
    _, places = poll(feed)
    took = time.perf_counter() - began
    if failed := failed_places(places):
        raise RuntimeError(f"the measurement is invalid, places failed: {failed}")
    return took


def _sequential_s(feed: Feed) -> float:
    began = time.perf_counter()
    with requests.Session() as session:
        # A proxy from the environment must not be used for loopback.
        session.trust_env = False
        for slug in feed.places:
            session.get(f"{feed.base_url}/{slug}", timeout=30).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
