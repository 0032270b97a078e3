"""Limits of time and size of a response."""

from __future__ import annotations

import gzip
import time

import pytest

from charging_assets.acquisition.http_client import Limits, fetch
from charging_assets.acquisition.http_session import Session
from charging_assets_tests.acquisition import loopback
from charging_assets_tests.acquisition.client_calls import LATE_S, SLACK_S, fetch_from
from charging_assets_tests.acquisition.loopback import Loopback, reply

# A valid response takes less than this, even on a busy machine.
QUICK_S = 3.0


@pytest.mark.fault(
    "A response of one byte at a time",
    "it is cut off at its time limit, and the poll at its own",
    area="answers",
)
@pytest.mark.parametrize(
    "behaviour",
    [loopback.drip_body(), loopback.drip_headers(), loopback.silence()],
    ids=["drip_body", "drip_headers", "silence"],
)
@pytest.mark.parametrize("is_budget", [False, True])
def test_fetch__slow_answer_is_cut_off_in_time(
    server: Loopback, behaviour: loopback.Behaviour, is_budget: bool
) -> None:
    server.behaviours["x"] = behaviour
    began = time.monotonic()
    place = fetch_from(
        server, attempts=3, **{"budget_s" if is_budget else "place_timeout_s": LATE_S}
    )
    assert LATE_S <= time.monotonic() - began < LATE_S + SLACK_S
    assert place.outcome == ("over_budget" if is_budget else "timeout")
    assert server.paths() == ["/x"]


def test_fetch__slow_answer_on_a_reused_connection_is_cut_off(server: Loopback) -> None:
    server.behaviours["slow"] = loopback.drip_headers()
    with Session("test/1", 4) as session:
        began = time.monotonic()
        outcomes = [
            fetch(
                session,
                f"{server.url}/{path}",
                slug=path,
                limits=Limits(
                    place_timeout_s=QUICK_S, max_body_bytes=1000, attempts=1, deadline=began + 60
                ),
            ).place.outcome
            for path in ("quick", "slow", "quick")
        ]
    assert outcomes == ["ok", "timeout", "ok"]
    assert time.monotonic() - began < QUICK_S + SLACK_S


@pytest.mark.fault(
    "A body of 100 MB, or a gzip bomb",
    "the outcome is too_large, and memory stays below 64 MB with four at once",
    area="answers",
)
@pytest.mark.parametrize(
    "behaviour",
    [
        loopback.gzip_bomb(64),
        loopback.gzip_bomb(64, 500),
        loopback.large(20),
        loopback.large(20, is_declared=False),
    ],
    ids=["bomb", "bomb_500", "declared", "chunked"],
)
def test_fetch__body_beyond_the_cap_is_too_large(
    server: Loopback, behaviour: loopback.Behaviour
) -> None:
    server.behaviours["x"] = behaviour
    place = fetch_from(server)
    assert (place.outcome, place.body) == ("too_large", None)


def test_fetch__body_of_exactly_the_cap_is_ok(server: Loopback) -> None:
    server.behaviours["x"] = reply(gzip.compress(b"a" * 100_000), Content_Encoding="gzip")
    assert fetch_from(server, max_body_bytes=100_000).outcome == "ok"
    assert fetch_from(server, max_body_bytes=99_999).outcome == "too_large"
