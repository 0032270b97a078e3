"""The cost estimate: the page says what the script computes, and the arithmetic holds."""

from __future__ import annotations

import importlib.util
import re
from copy import deepcopy

import pytest

from charging_assets_tests.deploy.files import DEPLOY


def _estimate():
    spec = importlib.util.spec_from_file_location("estimate", DEPLOY / "costs/estimate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


estimate = _estimate()


@pytest.fixture
def given():
    return deepcopy(estimate.assumptions())


def test_page__has_the_computed_tables():
    page = estimate.PAGE.read_text(encoding="utf-8")
    assert page == estimate.render(page), "run python deploy/costs/estimate.py --write"


def test_prices__each_has_its_source_and_date(given):
    for name, entry in given["prices"].items():
        assert entry.keys() == {"usd", "seen", "source"}, name
        assert entry["source"].startswith("https://")
        assert entry["seen"] == "list" or entry["seen"] > "2026-01-01"


def test_redshift__a_wake_up_is_charged_for_at_least_a_minute(given):
    given["assumed"].update(
        redshift_load_seconds_1x=1, redshift_reader_wakes_a_day=0, redshift_sensor_wakes_an_hour=0
    )
    month = given["month"]
    given["assumed"]["redshift_maintain_seconds_a_day"] = 1
    seconds = estimate.redshift_seconds_a_month(given, 1)
    assert seconds == 60 * (month["hours"] + month["days"])


def test_redshift__never_more_than_always_awake(given):
    given["assumed"]["redshift_sensor_wakes_an_hour"] = 120
    for scale in estimate.SCALES:
        seconds = estimate.redshift_seconds_a_month(given, scale)
        assert seconds == given["month"]["hours"] * 3600


def test_redshift__by_hand(given):
    given["assumed"].update(
        redshift_load_seconds_1x=45, redshift_reader_wakes_a_day=20, redshift_reader_seconds=60,
        redshift_sensor_wakes_an_hour=0, redshift_rpus=4, redshift_maintain_seconds_a_day=0,
    )  # fmt: skip
    given["month"].update(hours=730, days=30.4)
    given["prices"]["redshift_rpu_hour"]["usd"] = 0.375
    # (730 × 60 s + (20 + 1) × 30.4 × 60 s) × 4 RPU × 0.375 $/h
    by_hand = (730 * 60 + (20 + 1) * 30.4 * 60) / 3600 * 4 * 0.375
    assert estimate.monthly(given, 1)["Redshift Serverless, compute"] == pytest.approx(by_hand)


def test_storage__grows_with_the_network_and_requests_do_not(given):
    small, large = (estimate.monthly(given, scale) for scale in (1, 100))
    assert large["S3, storage"] == pytest.approx(100 * small["S3, storage"])
    assert large["S3, requests"] == pytest.approx(small["S3, requests"])


def test_every_assumption_is_used(given):
    before = {scale: estimate.monthly(given, scale) for scale in estimate.SCALES}
    for section in ("measured", "assumed", "month"):
        for name in given[section]:
            changed = deepcopy(given)
            changed[section][name] = given[section][name] * 3 + 200
            after = {scale: estimate.monthly(changed, scale) for scale in estimate.SCALES}
            assert after != before, f"{name} has no effect: remove it"


def test_sizes__of_the_smallest_machine_are_those_of_the_estimate(given):
    page = (estimate.PAGE.parent / "smallest-machine.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d.]+) \|$", page, flags=re.MULTILINE))
    measured = given["measured"]
    hourly = {
        "flat tables": measured["flat_bytes_an_hour"],
        "published tables": measured["published_bytes_an_hour"],
        "warehouse": measured["warehouse_bytes_an_hour"],
        "raw objects after": measured["raw_bytes_a_poll_compacted"] * measured["polls_an_hour"],
    }
    for name, size in hourly.items():
        (stated,) = (value for row, value in rows.items() if row.startswith(name))
        assert float(stated) == round(24 * size / 1000**2, 1), name
