"""Bad headers and kinds of one feed's objects never fail the hour of another feed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets import deployments
from charging_assets.definitions import build
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.orchestration.staleness import stale_hours
from charging_assets.sources import UnusableKind, kind
from charging_assets_tests.builders import (
    SLOT,
    archived,
    envelope,
    evse,
    flattened,
    place,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import assert_sound, one, polled, rows

GOOD = {"koeln": envelope(station("s", [evse("e", [])]))}
B = (poll(feed="b", place_slugs=("bonn",)), {"bonn": GOOD["koeln"]})

# A copy of the chargecloud kind under the name of a module, with one fault.
_KIND = """
from charging_assets.sources.chargecloud import *
from charging_assets.sources.chargecloud import split, url
NAME = "faulty"
"""
_FAULTS = {
    "import_error": "raise RuntimeError('broken')",
    "needs_more": "import a_package_that_is_not_there",
    "exits": "import sys; sys.exit(3)",
    "no_syntax": "def (",
    "lacks": "NAME = 'lacks'",
    "no_maps": f"{_KIND}\nSTATION = None",
    "no_status": f"{_KIND}\nfrom dataclasses import replace\nEVSE = replace(EVSE, columns={{}})",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_readers: None) -> Iterator[Path]:
    """A package `kinds_of_test`, whose modules are files in the folder."""
    folder = tmp_path / "kinds_of_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.startswith("kinds_of_test")]:
        del sys.modules[name]


def _reject(hour: Any) -> dict[str, Any]:
    return one(hour, "flat_rejects", feed="test")


@pytest.mark.parametrize(
    "name", ["gone", "gone.kind", "", ".", "a..b", "os", "json", "x\x00y", "k" * 99]
)
def test_flatten__an_unknown_kind_is_recorded_and_the_other_feed_is_whole(name: str) -> None:
    hour = flattened((poll(kind=name), GOOD), B)
    assert_sound(hour)
    assert one(hour, "flat_polls", feed="test")["outcome"] == "unknown_kind"
    assert one(hour, "flat_polls", feed="b")["outcome"] == "ok"
    assert [row["feed"] for row in rows(hour, "flat_status")] == ["b"]
    reject = _reject(hour)
    assert (reject["severity"], reject["code"]) == ("body", "unknown_kind")
    assert "load again" in reject["fragment"]
    if name.startswith("gone"):
        assert name in reject["fragment"]


def test_flatten__a_failed_poll_of_an_unknown_kind_keeps_its_outcome() -> None:
    hour = flattened((poll(kind="gone"), {"koeln": place("koeln", None, "timeout")}))
    assert one(hour, "flat_polls")["outcome"] == "timeout"
    assert rows(hour, "flat_rejects") == []


def test_flatten__a_kind_that_changes_within_the_hour_affects_only_its_polls() -> None:
    hour = flattened((poll(0, kind="gone"), GOOD), (poll(10), GOOD))
    assert_sound(hour)
    assert [row["outcome"] for row in rows(hour, "flat_polls")] == ["unknown_kind", "ok"]
    assert len(rows(hour, "flat_status")) == 1


@pytest.mark.parametrize("fault", sorted(_FAULTS))
def test_kind__with_a_fault_is_unusable_and_stops_no_other_feed(modules: Path, fault: str) -> None:
    (modules / f"{fault}.py").write_text(_FAULTS[fault])
    with pytest.raises(UnusableKind, match=f"kinds_of_test.{fault}"):
        kind(f"kinds_of_test.{fault}")
    hour = flattened((poll(kind=f"kinds_of_test.{fault}"), GOOD), B)
    assert_sound(hour)
    assert one(hour, "flat_polls", feed="test")["outcome"] == "unknown_kind"
    assert [row["feed"] for row in rows(hour, "flat_status")] == ["b"]


@pytest.mark.parametrize(
    "body",
    [
        "return {}[b'missing']",
        "return None",
        "return Envelope(None, ['text'])",
        "return Envelope(None, 7)",
        "return Envelope(None, (1 / 0 for _ in [1]))",
        "raise RecursionError",
    ],
)
def test_flatten__a_kind_whose_code_fails_rejects_the_body(modules: Path, body: str) -> None:
    source = (
        f"{_KIND}\nfrom charging_assets.sources import Envelope\ndef split(bodies):\n    {body}\n"
    )
    (modules / "failing.py").write_text(source)
    hour = flattened((poll(kind="kinds_of_test.failing"), GOOD), B)
    assert_sound(hour)
    assert one(hour, "flat_polls", feed="test")["outcome"] == "bad_body"
    assert _reject(hour)["code"] == "kind_failed"
    assert [row["feed"] for row in rows(hour, "flat_status")] == ["b"]


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "", "Europe", "../etc/passwd", "/etc", "x\x00", "Z" * 99, "ö" * 40]
)
def test_flatten__an_unknown_time_zone_is_recorded_and_taken_as_utc(zone: str) -> None:
    body = {"koeln": envelope(station("s", [evse("e", [])]), at="2022-01-11T21:00:05")}
    hour = flattened((poll(time_zone=zone), body), B)
    assert_sound(hour)
    row = one(hour, "flat_polls", feed="test")
    assert (row["time_zone"], row["observed_at"], row["outcome"]) == ("UTC", None, "ok")
    assert [row["code"] for row in rows(hour, "flat_rejects", feed="test")] == [
        "bad_header", "bad_timestamp",
    ]  # fmt: skip
    assert len(rows(hour, "flat_status")) == 2


@pytest.mark.parametrize(
    ("header", "of_place", "expected"),
    [
        ({"cadence_s": 0}, {}, {"cadence_s": 1}),
        ({"cadence_s": -5}, {}, {"cadence_s": 1}),
        ({"cadence_s": 10**30}, {}, {"cadence_s": 86_400}),
        ({}, {"elapsed_ms": 10**30}, {"elapsed_ms": None}),
        ({}, {"elapsed_ms": -1}, {"elapsed_ms": None}),
        ({}, {"http_status": 70_000}, {"http_status": None}),
        (
            {},
            {"requested_at": datetime.fromisoformat("0001-01-01T00:00:00+05:00")},
            {"requested_at": None},
        ),
    ],
)
def test_flatten__numbers_and_times_that_no_column_takes_are_replaced_and_recorded(
    header: dict[str, Any], of_place: dict[str, Any], expected: dict[str, Any]
) -> None:
    answer = {"koeln": place("koeln", GOOD["koeln"], **of_place)}
    hour = flattened((poll(**header), answer), B)
    assert_sound(hour)
    row = one(hour, "flat_polls", feed="test")
    assert {name: row[name] for name in expected} == expected
    reject = _reject(hour)
    assert (reject["severity"], reject["code"]) == ("field", "bad_header")
    assert next(iter(expected)) in reject["fragment"]


@pytest.mark.parametrize("outcome", ["x" * 40, "a\x1bb", "\x00"])
def test_flatten__an_outcome_that_no_column_takes_is_cut(outcome: str) -> None:
    hour = flattened((poll(), {"koeln": place("koeln", None, outcome)}), B)
    assert_sound(hour)
    assert one(hour, "flat_polls", feed="test")["outcome"].isprintable()


def test_flatten__slots_that_are_odd_are_slots() -> None:
    odd = SLOT.replace(minute=7, second=33, microsecond=123_456)
    hour = flattened((poll(slot_at=odd), GOOD), (poll(0), GOOD))
    assert_sound(hour)
    assert len(polled(hour)) == 2


def test_flatten__times_without_an_offset_are_utc() -> None:
    naive = SLOT.replace(tzinfo=None)
    hour = flattened(
        (poll(slot_at=naive, started_at=naive), GOOD),
        (poll(0, program="another"), {"koeln": place("koeln", b"", requested_at=naive)}),
    )
    assert_sound(hour)
    assert one(hour, "flat_polls")["answer_count"] == 2


@pytest.mark.slow
def test_flatten__of_a_kind_that_is_back_the_hour_is_loaded_again(modules: Path) -> None:
    lake = MemoryLake()
    archived(lake, poll(kind="kinds_of_test.back"), GOOD)
    archived(lake, poll(feed="b"), GOOD)
    storage = deployments.Storage(lake, deployments.memory_storage().warehouse)
    job = build(storage, feeds={}).resolve_job_def("load_hour")
    key = Hour.of(SLOT).key

    def feeds() -> list[dict[str, Any]]:
        sql = "SELECT DISTINCT feed FROM warehouse.fact_status ORDER BY feed"
        return list(storage.warehouse.query(sql).to_pylist())

    job.execute_in_process(partition_key=key, raise_on_error=False)
    assert feeds() == [{"feed": "b"}]
    assert stale_hours(lake, storage.warehouse) == []
    (modules / "back.py").write_text(_KIND)
    (pending,) = stale_hours(lake, storage.warehouse)
    assert "kind is installed" in pending.reason
    assert job.execute_in_process(partition_key=key).success
    assert feeds() == [{"feed": "b"}, {"feed": "test"}]
    assert stale_hours(lake, storage.warehouse) == []
