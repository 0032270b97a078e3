"""The asset of raw objects: when it calls an API, and when it never does."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from charging_assets import definitions, deployments
from charging_assets.archive.missed_slots import missed_slots
from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.hours import Hour
from charging_assets.orchestration.runs import FIRST_TAG, LAST_TAG
from charging_assets.sources.feeds import Feed
from charging_assets_tests import builders
from charging_assets_tests.clocks import STOPPED_AT
from charging_assets_tests.graphs import failure_message, run
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, stand


@dataclass
class Api:
    """An API on loopback that records the paths requested."""

    paths: list[str] = field(default_factory=list)
    port: int = 0

    def feed(self) -> Feed:
        return Feed(
            name="test",
            kind="chargecloud",
            base_url=f"http://127.0.0.1:{self.port}",
            places=("bonn", "koeln"),
            place_timeout_s=30,
            poll_budget_s=60,
            attempts=1,
        )


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.paths.append(self.path)
            body = builders.envelope(*stand(), at=STOPPED_AT.isoformat())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield api
    server.shutdown()
    server.server_close()


def live(is_live: bool) -> dict[str, Any]:
    return {"ops": {"raw_api_snapshots": {"config": {"live": is_live}}}}


@pytest.mark.usefixtures("stopped_clock")
def test_raw__a_live_poll_archives_the_current_hour(api: Api) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    hour = Hour.of(STOPPED_AT)
    result = run(defs, hour, "poll")
    assert result.success
    assert sorted(api.paths) == ["/bonn", "/koeln"]
    ((archived, (key,)),) = hours_archived(storage.lake).items()
    assert archived == hour
    answers = list(read(storage.lake, key))
    assert [(a.place.slug, a.place.outcome, a.place.http_status) for a in answers] == [
        ("bonn", "ok", 200),
        ("koeln", "ok", 200),
    ]
    assert run(defs, hour, "load_hour").success
    assert len(api.paths) == 2
    assert storage.warehouse.query("SELECT COUNT(*) AS n FROM warehouse.fact_poll").to_pylist() == [
        {"n": 2}
    ]


@pytest.mark.fault(
    "A past hour is materialized",
    "its archived polls are used, or the run fails; no API is requested",
    area="time",
)
@pytest.mark.parametrize(
    ("is_live", "message"),
    [
        (False, "no archived polls for 2022-01-11T20.*charging-assets import PATH"),
        (
            True,
            "2022-01-11T20 is over, and the APIs only know the present.*materialize 2022-01-11T20",
        ),
    ],
)
def test_raw__of_a_past_hour_never_calls_the_api(api: Api, is_live: bool, message: str) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    raw = [dg.AssetKey("raw_api_snapshots")]
    result = run(defs, HOUR, run_config=live(is_live), asset_selection=raw)
    failure = failure_message(result)
    assert re.search(message, failure), failure
    assert (api.paths, storage.lake.keys("raw/")) == ([], [])


def test_raw__a_run_that_begins_after_its_hour_records_the_planned_slot_as_missed(api: Api) -> None:
    storage = deployments.memory_storage()
    defs = definitions.build(storage, feeds={"test": api.feed()})
    config = live(True)
    config["ops"]["raw_api_snapshots"]["config"]["planned_at"] = "2022-01-11T20:50:00+00:00"
    raw = [dg.AssetKey("raw_api_snapshots")]
    assert not run(defs, HOUR, run_config=config, asset_selection=raw).success
    (note,) = missed_slots(storage.lake)
    assert (note["feed"], note["slot_at"]) == ("test", "2022-01-11T20:50:00+00:00")
    assert api.paths == []


def test_raw__of_a_past_hour_with_polls_replays_them(api: Api) -> None:
    storage = deployments.memory_storage()
    hours.put(storage.lake, 0, stand())
    before = storage.lake.keys("raw/")
    defs = definitions.build(storage, feeds={"test": api.feed()})
    result = run(defs, HOUR, asset_selection=[dg.AssetKey("raw_api_snapshots")])
    assert result.success
    assert (api.paths, storage.lake.keys("raw/")) == ([], before)


def test_raw__live_for_a_past_hour_with_polls_is_refused_too(api: Api) -> None:
    storage = deployments.memory_storage()
    hours.put(storage.lake, 0, stand())
    defs = definitions.build(storage, feeds={"test": api.feed()})
    raw = [dg.AssetKey("raw_api_snapshots")]
    assert not run(defs, HOUR, run_config=live(True), asset_selection=raw).success
    assert api.paths == []


def test_raw__a_range_records_the_hours_that_have_polls_and_names_those_that_have_none() -> None:
    storage = deployments.memory_storage()
    for minute in (0, 60, 240):
        hours.put(storage.lake, minute, stand())
    wanted = [hours.hour_after(n) for n in range(5)]
    tags = {FIRST_TAG: wanted[0].key, LAST_TAG: wanted[-1].key}
    raw = dg.AssetKey("raw_api_snapshots")
    with dg.DagsterInstance.ephemeral() as instance:
        done = (
            definitions.build(storage, feeds={})
            .resolve_job_def("load_hour")
            .execute_in_process(instance=instance, tags=tags, raise_on_error=False)
        )
        recorded = instance.get_materialized_partitions(raw)
    assert not done.success
    assert recorded == {wanted[n].key for n in (0, 1, 4)}
    message = failure_message(done)
    assert f"2 hours without archived polls: {wanted[2]} to {wanted[3]}" in message
    assert f"archived for {wanted[0]} to {wanted[1]}, {wanted[4]}: materialize these" in message
    assert f"charging-assets load --from {wanted[0]} --to {wanted[4]}" in message
    assert "charging-assets import" in message
