"""Alerts: a receiver gets failed runs and checks of a Dagster instance, once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.orchestration.alerting import AlertState
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


class AlertDesk:
    """An instance, its runs, and ticks of the sensor with their cursor."""

    def __init__(self, instance: dg.DagsterInstance, hook: HttpReceiver) -> None:
        self.instance, self.hook = instance, hook
        self.cursor: str | None = None
        self.skip_reason = ""

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
        self.cursor, self.skip_reason = result.cursor, str(result.skip_reason)
        return [json.loads(body)["text"] for _, _, body in self.hook.received]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertDesk]:
    with HttpReceiver() as hook, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("CHARGING_ALERTS", f"{hook.url}/hook")
        monkeypatch.delenv("CHARGING_ALERT_WARNINGS", raising=False)
        yield AlertDesk(instance, hook)


def test_alert__a_failed_run_is_sent_once_with_its_reason(desk: AlertDesk) -> None:
    desk.run(fail="yes")
    assert desk.tick() == []  # failures before the first tick are not sent
    desk.run(fail="yes", **{"charging/attempt": "2"})
    desk.run(fail="yes")
    (message,) = desk.tick()
    assert message.startswith("*charging_assets: load_hour 2022-01-11T20 failed*\n- run load_hour ")
    assert "(attempt 2 of 12) failed: fragile: the disk is full; make room" in message
    assert desk.tick() == []
    desk.run(fail="yes")
    assert desk.tick() == []


def test_alert__a_failed_check_is_sent_and_a_warning_only_if_configured(
    desk: AlertDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    desk.run()
    (message,) = desk.tick()
    assert "check fragile__is_whole failed for 2022-01-11T20: 3 failing rows" in message
    assert "is_pretty" not in message
    monkeypatch.setenv("CHARGING_ALERT_WARNINGS", "1")
    desk.run()
    (message,) = desk.tick()
    assert "check fragile__is_pretty failed" in message
    assert "is_whole" not in message


def test_alert__a_check_that_failed_in_one_of_several_hours_is_sent(
    desk: AlertDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = deployments.memory_storage()
    odd = station([evse("e7", "CHARGING", parkingsensor_status="AVAILABLE")], "s7")
    for minute in (0, 10, 60):
        hours.put(storage.lake, minute, [*network(), odd])
    for hour in (hours.HOUR, hours.hour_after(1)):
        hours.load(storage.warehouse, storage.lake, hour)
    # Nothing was published, which is an error in both hours; the sensor only causes a warning.
    job = build(storage, feeds={}).resolve_job_def("check_hours")
    hour_range = {"first": hours.HOUR.key, "last": hours.hour_after(1).key}
    config = {"ops": {"check_each_hour": {"config": hour_range}}}

    def check() -> None:
        assert job.execute_in_process(instance=desk.instance, run_config=config).success

    desk.tick()
    check()
    (message,) = desk.tick()
    name = "published_tables__files_have_the_rows_of_the_warehouse"
    assert f"check {name} failed for {hours.HOUR.key}: " in message
    assert "file=published/" in message and "sensor_agrees" not in message
    assert message.count(f"check {name}") == 1
    monkeypatch.setenv("CHARGING_ALERT_WARNINGS", "1")
    check()
    (message,) = desk.tick()
    assert "flat_status__sensor_agrees failed for" in message and name not in message


def test_alert__text_of_an_operator_is_short_and_without_markup(desk: AlertDesk) -> None:
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


def test_alert__a_feed_without_polls_is_sent_once_a_day(desk: AlertDesk) -> None:
    storage = deployments.memory_storage()
    builders.archived(storage.lake, builders.poll(), {"koeln": b"{}"})
    job = build(storage, feeds=FEEDS).resolve_job_def("check_freshness")
    desk.tick()
    messages = []
    for _ in range(3):
        assert job.execute_in_process(instance=desk.instance).success
        messages += desk.tick()
    (message,) = messages
    name = "raw_api_snapshots__latest_hour_is_archived"
    assert f"check {name} failed for no hour: 1 row, such as feed=test" in message


def test_alert__is_sent_again_after_a_day(desk: AlertDesk) -> None:
    desk.tick()
    topics = {"load_hour 2022-01-11T20": datetime.now(UTC) - timedelta(hours=25)}
    desk.cursor = json.dumps(
        {
            "scanned_to": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
            "sent_at": {topic: at.isoformat() for topic, at in topics.items()},
        }
    )
    desk.run(fail="yes")
    assert len(desk.tick()) == 1


def test_alert__that_no_channel_delivers_is_sent_in_the_next_tick(desk: AlertDesk) -> None:
    desk.tick()
    desk.run(fail="yes")
    desk.hook.status = 500
    with pytest.raises(Exception, match="no channel delivered"):
        desk.tick()
    desk.hook.status = 200
    assert len(desk.tick()) == 1


def test_alert__a_run_that_is_retried_is_not_sent(desk: AlertDesk) -> None:
    desk.tick()
    desk.run(fail="yes", **{"dagster/will_retry": "true"})
    assert desk.tick() == []


def test_alert__without_a_channel_drops_alerts(
    desk: AlertDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tick()
    monkeypatch.setenv("CHARGING_ALERTS", "")
    desk.run(fail="yes")
    assert desk.tick() == []
    assert "CHARGING_ALERTS names no channel" in desk.skip_reason


def test_alert_state__starts_without_topics() -> None:
    assert AlertState(scanned_to=datetime.now(UTC)).sent_at == {}
