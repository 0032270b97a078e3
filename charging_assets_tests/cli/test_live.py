"""`live`: one poll from the API to the screen, and then Dagster with its schedules."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from charging_assets.cli import live
from charging_assets.simulator import Network
from charging_assets.simulator.faults import EVERYWHERE, FaultKind
from charging_assets.simulator.server import ApiServer, simulated_time
from charging_assets_tests.cli.shell import SCALE, Shell, in_a_process

PLACES = ["koeln", "bonn", "kiel"]


@pytest.fixture
def api(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """The simulator's API, and a feed file that leads the packaged feed to it."""
    network = Network(1, float(SCALE))
    start = datetime(2026, 1, 12, 12, tzinfo=UTC)
    with ApiServer(network, clock=simulated_time(start)) as server:
        feeds = empty.home / "feeds.toml"
        feeds.write_text(
            f"[feeds.chargecloud]\nbase_url = {server.url!r}\nplaces = {PLACES!r}\nattempts = 1\n"
        )
        monkeypatch.setenv("CHARGING_FEEDS", str(feeds))
        yield server


def test_live_once__polls_archives_loads_and_prints(empty: Shell, api: ApiServer) -> None:
    api.faults.set("bonn", FaultKind.STATUS_503)
    assert empty.run("live", "--once") == 0
    assert sorted({request.slug for request in api.requests}) == sorted(PLACES)
    assert "2 of 3 places answered" in empty.out
    assert "http_error HTTP 503" in empty.out
    output = empty.out
    (feed,) = empty.json("status")["feeds"]
    assert (feed["feed"], feed["polls"], feed["hours_loaded"]) == ("chargecloud", 1, 1)
    loaded = empty.storage.warehouse.query(
        "SELECT place, outcome, station_count FROM warehouse.fact_poll ORDER BY place"
    ).to_pylist()
    assert [(row["place"], row["outcome"]) for row in loaded] == [
        ("bonn", "http_error"),
        ("kiel", "ok"),
        ("koeln", "ok"),
    ]
    assert f"{sum(row['station_count'] for row in loaded)} stations" in output


@pytest.mark.slow
def test_live_once__without_an_answer__fails_but_archives_the_errors(
    empty: Shell, api: ApiServer
) -> None:
    api.faults.set(EVERYWHERE, FaultKind.STATUS_500)
    assert empty.run("live", "--once") == 1
    assert "0 of 3 places answered" in empty.out
    assert empty.json("status")["feeds"][0]["polls"] == 1


def test_live__without_an_enabled_feed_is_refused(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = empty.home / "feeds.toml"
    off.write_text("[feeds.chargecloud]\nenabled = false\n")
    monkeypatch.setenv("CHARGING_FEEDS", str(off))
    assert empty.run("live", "--once") == 2
    assert "no feed is enabled" in empty.err


def test_live__continues_with_running_schedules(
    empty: Shell, became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_poll", lambda _lake, _feeds: ([], {}))
    empty.run("live")
    assert len(became) == 1
    assert os.environ["CHARGING_LIVE"] == "1"


@pytest.mark.parametrize(("switch", "status"), [("1", "RUNNING"), ("", "STOPPED")])
def test_schedules__are_on_only_with_live(tmp_path: Path, switch: str, status: str) -> None:
    output = in_a_process(
        tmp_path,
        f"""
        import os
        os.environ["CHARGING_LIVE"] = {switch!r}
        from charging_assets.definitions import defs
        print(*sorted({{schedule.default_status.name for schedule in defs().schedules}}))
        """,
    )
    assert output == f"{status}\n"
