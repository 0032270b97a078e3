"""Schedules: each feed at its cadence, into the hour of the tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from charging_assets.acquisition.poll_hour import poll_hour
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.schedules import (
    check_freshness_schedule,
    freshness_cron,
    load_last_hour,
    poll_cron,
    poll_feeds,
    poll_window,
    schedules,
)
from charging_assets.orchestration.switch import Automation
from charging_assets.sources.feeds import Feed
from charging_assets_tests.builders import archived, place, poll


def feed(minutes: int, *, enabled: bool = True) -> Feed:
    return Feed(
        name=f"every{minutes}", kind="chargecloud", base_url="https://poi.example", places=("a",),
        cadence_s=60 * minutes, poll_budget_s=30, enabled=enabled,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("minutes", "cron"),
    [
        ([10], "*/10 * * * *"),
        ([20, 60], "*/20 * * * *"),
        ([5, 10], "*/10 * * * *"),
        ([10, 15], "*/10 * * * *"),
        ([1, 60], "*/10 * * * *"),
        ([12], "*/12 * * * *"),
        ([60], "0 * * * *"),
        ([], "*/10 * * * *"),
    ],
)
def test_poll_cron__is_at_most_every_ten_minutes(minutes: list[int], cron: str) -> None:
    feeds = [feed(each) for each in minutes] + [feed(1, enabled=False)]
    assert poll_cron(feeds) == cron


@pytest.mark.parametrize(
    ("minute", "due"),
    [(0, ["every10", "every5", "every60"]), (5, ["every5"]), (10, ["every10", "every5"])],
)
def test_poll_hour__polls_the_feeds_that_are_due(minute: int, due: list[str]) -> None:
    planned = datetime(2022, 1, 11, 20, minute, tzinfo=UTC)
    seen: list[str] = []

    def poll_feed(each: Feed) -> tuple[Poll, list[PlaceResponse]]:
        seen.append(each.name)
        return poll(feed=each.name, slot_at=planned), [place("a", b"{}")]

    feeds = {each.name: each for each in (feed(5), feed(10), feed(60))}
    report = poll_hour(MemoryLake(), feeds, Hour.of(planned), poller=poll_feed, planned_at=planned)
    assert sorted(seen) == due
    assert len(report.written) == len(due)


@pytest.mark.parametrize(
    ("minutes", "window_min"), [([], 0), ([10, 20], 0), ([60], 0), ([1], 10), ([10, 15], 10)]
)
def test_poll_window__is_that_of_a_run_if_a_run_misses_slots(
    minutes: list[int], window_min: int
) -> None:
    assert poll_window([feed(each) for each in minutes]) == timedelta(minutes=window_min)


def test_schedules__a_run_for_fast_feeds_has_a_window() -> None:
    tick = datetime(2022, 1, 11, 20, 50, tzinfo=UTC)
    polls = schedules(Automation(feeds=(feed(1), feed(10))))[0]
    wanted = polls(dg.build_schedule_context(scheduled_execution_time=tick))
    assert isinstance(wanted, dg.RunRequest)
    config = wanted.run_config["ops"]["raw_api_snapshots"]["config"]
    assert config == {"live": True, "planned_at": "2022-01-11T20:50:00+00:00", "window_s": 600}


def test_schedules__request_the_hour_of_the_tick() -> None:
    tick, lake = datetime(2022, 1, 11, 20, 50, tzinfo=UTC), MemoryLake()
    context = dg.build_schedule_context(scheduled_execution_time=tick, resources={"lake": lake})
    wanted = poll_feeds(context)
    assert isinstance(wanted, dg.RunRequest) and wanted.partition_key == "2022-01-11T20"
    config = wanted.run_config["ops"]["raw_api_snapshots"]["config"]
    assert config == {"live": True, "planned_at": "2022-01-11T20:50:00+00:00"}
    skipped = load_last_hour(context)
    assert isinstance(skipped, dg.SkipReason) and "2022-01-11T19 has no polls" in str(skipped)
    archived(lake, poll(slot_at=tick - timedelta(hours=1)), {"koeln": b"{}"})
    request = load_last_hour(context)
    assert isinstance(request, dg.RunRequest) and request.partition_key == "2022-01-11T19"


def test_check_freshness_regularly__requests_a_run_of_no_hour_at_every_tick() -> None:
    tick = datetime(2022, 1, 11, 20, 57, tzinfo=UTC)
    keys = []
    for each in (tick, tick + timedelta(minutes=10)):
        wanted = check_freshness_schedule(dg.build_schedule_context(scheduled_execution_time=each))
        assert isinstance(wanted, dg.RunRequest) and wanted.partition_key is None
        keys.append(wanted.run_key)
    assert keys[0] != keys[1]


def test_freshness_cron__follows_the_reconciliation_interval() -> None:
    assert freshness_cron(timedelta(seconds=30)) == "7-59/10 * * * *"
    assert freshness_cron(timedelta(minutes=20)) == "27 * * * *"
