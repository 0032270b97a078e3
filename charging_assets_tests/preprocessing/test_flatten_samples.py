"""The real samples as flat tables: every record with its published values."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets.acquisition.importer import import_paths
from charging_assets.archive.raw_archive import hours_archived, read_places
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets.sources.feeds import load_feeds
from charging_assets_tests.preprocessing.flat_hours import (
    TABLES,
    assert_like_the_reference,
    assert_sound,
    one,
    polled,
    rows,
)


def read_samples(samples: Path, folder: str) -> dict[Hour, list[Any]]:
    lake = MemoryLake()
    report = import_paths(lake, load_feeds()["chargecloud"], [samples / folder])
    assert not report.problems
    return {hour: list(read_places(lake, keys)) for hour, keys in hours_archived(lake).items()}


@pytest.mark.samples
def test_flatten__samples_of_2022_have_every_record_and_no_reject(samples: Path) -> None:
    hours = read_samples(samples, "chargecloud_2022")
    assert [hour.key for hour in hours] == ["2022-01-11T20", "2022-01-11T21"]
    for places in hours.values():
        hour = assert_like_the_reference(places)
        assert_sound(hour)
        sizes = {name: hour[name].num_rows for name in TABLES}
        assert sizes == {
            "flat_polls": 38,
            "flat_stations": 1162,
            "flat_evses": 2428,
            "flat_connectors": 2811,
            "flat_status": 2428,
            "flat_rejects": 0,
        }
        assert {row["unknown_fields"] for row in rows(hour, "flat_polls")} == {None}


@pytest.mark.samples
def test_flatten__samples_of_2022_have_the_statuses_that_were_published(samples: Path) -> None:
    ours = []
    for places in read_samples(samples, "chargecloud_2022").values():
        hour = flatten(places)
        evse_ids = {row["evse_key"]: row["evse_id"] for row in rows(hour, "flat_evses")}
        for row in polled(hour):
            observed_at = row["observed_at"].replace(tzinfo=UTC)
            states = row["status"], row["parking_status"] or "-"
            ours.append((evse_ids[row["evse_key"]], *states, observed_at))
    lines = (samples / "chargecloud_2022" / "expected_status_cps.csv").read_text().splitlines()
    expected = [line.split(";") for line in lines[1:]]
    assert Counter(ours) == Counter((*row[:3], datetime.fromisoformat(row[3])) for row in expected)


@pytest.mark.samples
def test_flatten__samples_of_2024_keep_their_new_fields(samples: Path) -> None:
    ((_, places),) = read_samples(samples, "chargecloud_2024_stuttgart").items()
    hour = assert_like_the_reference(places)
    assert_sound(hour)
    assert [hour[n].num_rows for n in ("flat_stations", "flat_evses", "flat_connectors")] == [
        60, 119, 119,
    ]  # fmt: skip
    stations, evses = rows(hour, "flat_stations"), rows(hour, "flat_evses")
    assert {row["operator_id"] for row in stations} == {"STR"}
    assert {row["publication_status"] for row in stations} == {"active"}
    assert {row["country"] for row in stations} == {"DE"}
    assert all(json.loads(row["tariff_zones"]) for row in stations)
    assert {row["is_reservable"] for row in evses} == {True, False}
    drift = json.loads(one(hour, "flat_polls")["unknown_fields"])
    assert drift == ["/currentLocale", "/languages", "/localesLanguageMap"]
    assert hour["flat_rejects"].num_rows == 0
