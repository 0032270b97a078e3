"""A slot's answers as a poll: which one counts, its time, and its fields."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from charging_assets_tests.builders import (
    SLOT,
    connector,
    envelope,
    evse,
    flattened,
    place,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import assert_sound, codes, one, rows


def _answer(second: int, body: bytes | None, outcome: str = "ok") -> tuple[Any, dict[str, Any]]:
    begun = SLOT + timedelta(seconds=second)
    return poll(started_at=begun), {"koeln": place("koeln", body, outcome, requested_at=begun)}


FIRST, SECOND = envelope(station("first")), envelope(station("second"))


@pytest.mark.parametrize(
    ("answers_of_slot", "kept", "outcome"),
    [
        ([_answer(1, FIRST), _answer(2, SECOND)], ["first"], "ok"),
        ([_answer(1, None, "timeout"), _answer(2, FIRST), _answer(3, SECOND)], ["first"], "ok"),
        ([_answer(1, b"<html>"), _answer(2, FIRST)], ["first"], "ok"),
        ([_answer(1, b"<html>"), _answer(2, None, "timeout")], [], "bad_body"),
        ([_answer(1, None, "timeout"), _answer(2, b"<html>")], [], "timeout"),
        ([_answer(1, envelope()), _answer(2, FIRST)], [], "ok"),
        ([_answer(1, FIRST, "http_error"), _answer(2, SECOND)], ["second"], "ok"),
    ],
)
def test_flatten__the_earliest_good_answer_of_a_slot_counts(
    answers_of_slot: list[Any], kept: list[str], outcome: str
) -> None:
    for order in itertools.permutations(answers_of_slot):
        hour = flattened(*order)
        assert_sound(hour)
        assert [row["station_id"] for row in rows(hour, "flat_stations")] == kept
        row = one(hour, "flat_polls")
        assert (row["outcome"], row["answer_count"]) == (outcome, len(answers_of_slot))


def test_flatten__a_failed_poll_is_a_row_without_records() -> None:
    failure = place("koeln", b"busy", "http_error", http_status=503, elapsed_ms=12)
    row = one(flattened((poll(), {"koeln": failure})), "flat_polls")
    assert (row["outcome"], row["http_status"], row["elapsed_ms"]) == ("http_error", 503, 12)
    assert (row["station_count"], row["schema_fingerprint"], row["body_bytes"]) == (0, None, 4)


@pytest.mark.parametrize(
    ("published", "observed"),
    [
        ("2022-01-11T21:00:05+01:00", "2022-01-11T20:00:05"),
        ("2022-01-11T21:00:05", "2022-01-11T20:00:05"),
        ("2022-07-11T21:00:05", "2022-07-11T19:00:05"),
        ("2022-01-11T20:00:05Z", "2022-01-11T20:00:05"),
        (None, None),
    ],
)
def test_flatten__observed_at_is_the_published_time_in_utc(
    published: Any, observed: str | None
) -> None:
    row = one(flattened((poll(), {"koeln": envelope(at=published)})), "flat_polls")
    assert (row["observed_at"] and row["observed_at"].isoformat()) == observed
    assert row["field_rejected_count"] == 0


@pytest.mark.parametrize(
    "published", ["yesterday", 1641934805, True, [], "0001-01-01T00:00:00+23:59"]
)
def test_flatten__a_time_that_is_none_is_recorded(published: Any) -> None:
    hour = flattened((poll(), {"koeln": envelope(station(), at=published)}))
    assert codes(hour) == [("poll", "/timestamp", "bad_timestamp")]
    assert one(hour, "flat_polls")["observed_at"] is None


@pytest.mark.parametrize(
    "published",
    ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
     "9999-12-31T23:59:59Z"],
)  # fmt: skip
def test_flatten__a_time_that_no_answer_has_is_recorded(published: str) -> None:
    hour = flattened((poll(), {"koeln": envelope(station(), at=published)}))
    assert codes(hour) == [("poll", "/timestamp", "out_of_range")]
    assert one(hour, "flat_polls")["observed_at"] is None
    assert one(hour, "flat_status")["status"] == "AVAILABLE"


@pytest.mark.fault(
    "Fields are added, removed or renamed",
    area="answers",
)
def test_flatten__the_fingerprint_changes_with_the_field_names_alone() -> None:
    def fingerprint(*stations: Any) -> int:
        row = one(flattened((poll(), {"koeln": envelope(*stations)})), "flat_polls")
        fingerprint: int = row["schema_fingerprint"]
        return fingerprint

    plain = fingerprint(station("1"), station("2"))
    assert fingerprint(station("3")) == plain
    assert fingerprint(station("1", brand="x")) != plain
    assert fingerprint(station("1", [evse("e", [connector("c", new=1)])])) != plain
