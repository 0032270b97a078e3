"""Alerts: failed runs and checks of a real instance arrive at a receiver, once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.orchestration.alerting import Told
from charging_assets.orchestration.sensors import alert_on_failure
from charging_assets_tests import builders
from charging_assets_tests.alerts.receivers import HttpReceiver
from charging_assets_tests.checks.stores import FEEDS, evse, network, station
from charging_assets_tests.modelling import hours

HOURS = dg.StaticPartitionsDefinition(["2022-01-11T20"])


@dg.asset(partitions_def=HOURS)
def fragile(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise dg.Failure("the disk is full; make room")


@dg.asset_check(asset=fragile, name="fragile__is_whole")
def is_whole() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"failing_rows": 3})


@dg.asset_check(asset=fragile, name="fragile__is_pretty")
def is_pretty() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


JOB = dg.Definitions(
    assets=[fragile],
    asset_checks=[is_whole, is_pretty],
    jobs=[dg.define_asset_job("load_hour", selection=dg.AssetSelection.all())],
    executor=dg.in_process_executor,
).resolve_job_def("load_hour")


class Desk:
    """An instance whose runs end as asked, and ticks of the sensor, its cursor kept."""

    def __init__(self, instance: dg.DagsterInstance, hook: HttpReceiver) -> None:
        self.instance, self.hook = instance, hook
        self.cursor: str | None = None
        self.said = ""

    def run(self, **tags: str) -> None:
        JOB.execute_in_process(
            partition_key="2022-01-11T20", tags=tags, instance=self.instance,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )  # fmt: skip

    def tick(self) -> list[str]:
        """What arrived during a tick."""
        self.hook.received.clear()
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = alert_on_failure(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor, self.said = result.cursor, str(result.skip_reason)
        return [json.loads(body)["text"] for _, _, body in self.hook.received]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with HttpReceiver() as hook, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("CHARGING_ALERTS", f"{hook.url}/hook")
        monkeypatch.delenv("CHARGING_ALERT_WARNINGS", raising=False)
        yield Desk(instance, hook)


def test_alert__a_failed_run_is_told_once_with_its_reason(desk: Desk) -> None:
    desk.run(fail="yes")
    assert desk.tick() == []  # what failed before anybody listened is not told
    desk.run(fail="yes", **{"charging/try": "2"})
    desk.run(fail="yes")
    (told,) = desk.tick()
    assert told.startswith("*charging_assets: load_hour 2022-01-11T20 failed*\n- run load_hour ")
    assert "(try 2 of 12) failed: fragile: the disk is full; make room" in told
    assert desk.tick() == []
    desk.run(fail="yes")
    assert desk.tick() == []


def test_alert__a_failed_check_is_told_and_a_warning_only_if_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    desk.run()
    (told,) = desk.tick()
    assert "check fragile__is_whole failed for 2022-01-11T20: 3 offending rows" in told
    assert "is_pretty" not in told
    monkeypatch.setenv("CHARGING_ALERT_WARNINGS", "1")
    desk.run()
    (told,) = desk.tick()
    assert "check fragile__is_pretty failed" in told
    assert "is_whole" not in told


def test_alert__a_check_that_failed_in_one_of_several_hours_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = deployments.memory_storage()
    odd = station([evse("e7", "CHARGING", parkingsensor_status="AVAILABLE")], "s7")
    for minute in (0, 10, 60):
        hours.put(storage.lake, minute, [*network(), odd])
    for hour in (hours.HOUR, hours.hour_after(1)):
        hours.load(storage.warehouse, storage.lake, hour)
    # Nothing was published: an error in both hours. What the sensor says is but a warning.
    job = build(storage, feeds={}).resolve_job_def("check_hours")
    asked = {"first": hours.HOUR.key, "last": hours.hour_after(1).key}
    config = {"ops": {"check_each_hour": {"config": asked}}}

    def check() -> None:
        assert job.execute_in_process(instance=desk.instance, run_config=config).success

    desk.tick()
    check()
    (told,) = desk.tick()
    name = "published_tables__files_have_the_rows_of_the_warehouse"
    assert f"check {name} failed for {hours.HOUR.key}: " in told
    assert "file=published/" in told and "sensor_agrees" not in told
    assert told.count(f"check {name}") == 1
    monkeypatch.setenv("CHARGING_ALERT_WARNINGS", "1")
    check()
    (told,) = desk.tick()
    assert "flat_status__sensor_agrees failed for" in told and name not in told


def test_alert__what_an_operator_published_is_short_inert_text(desk: Desk) -> None:
    @dg.asset_check(asset=fragile, name="fragile__form")
    def form() -> dg.AssetCheckResult:
        published = "evse_id=<!channel> \x1b[31m\u202e\nSubject: x, " + "<" * 5_000
        return dg.AssetCheckResult(passed=False, description=published)

    desk.tick()
    dg.materialize(
        [fragile, form],
        partition_key="2022-01-11T20",
        instance=desk.instance,
    )
    (text,) = desk.tick()
    assert "&lt;!channel&gt; \\x1b[31m\\u202e Subject: x" in text
    assert "<" not in text
    assert len(text) < 1_000


def test_alert__a_feed_that_is_polled_no_longer_is_told_once_a_day(desk: Desk) -> None:
    storage = deployments.memory_storage()
    builders.archived(storage.lake, builders.poll(), {"koeln": b"{}"})
    job = build(storage, feeds=FEEDS).resolve_job_def("check_freshness")
    desk.tick()
    told = []
    for _ in range(3):
        assert job.execute_in_process(instance=desk.instance).success
        told += desk.tick()
    (message,) = told
    name = "raw_api_snapshots__latest_hour_is_archived"
    assert f"check {name} failed for no hour: 1 row, such as feed=test" in message


def test_alert__is_told_again_after_a_day(desk: Desk) -> None:
    desk.tick()
    topics = {"load_hour 2022-01-11T20": datetime.now(UTC) - timedelta(hours=25)}
    desk.cursor = json.dumps(
        {
            "upto": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
            "topics": {topic: at.isoformat() for topic, at in topics.items()},
        }
    )
    desk.run(fail="yes")
    assert len(desk.tick()) == 1


def test_alert__that_reaches_nobody_is_told_in_the_next_tick(desk: Desk) -> None:
    desk.tick()
    desk.run(fail="yes")
    desk.hook.status = 500
    with pytest.raises(Exception, match="no channel delivered"):
        desk.tick()
    desk.hook.status = 200
    assert len(desk.tick()) == 1


def test_alert__a_run_that_is_retried_is_not_told(desk: Desk) -> None:
    desk.tick()
    desk.run(fail="yes", **{"dagster/will_retry": "true"})
    assert desk.tick() == []


def test_alert__without_a_channel_nothing_is_kept_for_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    monkeypatch.setenv("CHARGING_ALERTS", "")
    desk.run(fail="yes")
    assert desk.tick() == []
    assert "CHARGING_ALERTS names no channel" in desk.said


def test_told__is_small() -> None:
    assert Told(upto=datetime.now(UTC)).topics == {}
