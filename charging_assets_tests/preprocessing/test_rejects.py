"""Listed and counted rejects of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charging_assets.cli.overview import rejects as overview_rejects
from charging_assets.preprocessing import flatten, rejects
from charging_assets.preprocessing.caches import KeptCache
from charging_assets.preprocessing.rejects import POINTER_BYTES, Rejects, make_rejection
from charging_assets_tests.builders import answers, envelope, evse, flattened, poll, station
from charging_assets_tests.modelling import hours as loaded
from charging_assets_tests.preprocessing.flat_hours import (
    assert_like_the_reference,
    assert_sound,
    one,
    rows,
)
from charging_assets_tests.preprocessing.made_answers import hours


def list_only(limit: int, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rejects, "MAX_LISTED", limit)
    # What was read under another limit is not to be remembered, nor what is read under this one.
    patch.setattr(flatten, "_LAST_POLLS", KeptCache(1 << 20))


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    list_only(3, monkeypatch)


def add(rejects_to_fill: Rejects, severity: str, *pointers: str, code: str = "bad") -> Rejects:
    for pointer in pointers:
        rejects_to_fill.add(severity, "station", None, pointer, code)
    return rejects_to_fill


def summarize(given: Rejects) -> list[tuple[str, str, int]]:
    return [(row.pointer, row.code, count) for row, count in given.rows("/data")]


@pytest.mark.usefixtures("three")
def test_rejects__lists_the_first_of_each_severity_and_counts_the_others() -> None:
    of_records = add(Rejects(), "record", "/data/9", "/data/8", "/data/7", "/data/6", "/data/5")
    add(of_records, "field", "/data/1/x", "/data/1/y")
    assert summarize(of_records) == [
        ("/data/1/x", "bad", 1), ("/data/1/y", "bad", 1),
        ("/data/7", "bad", 1), ("/data/8", "bad", 1), ("/data/9", "bad", 1),
        ("/data/unlisted/record", "bad", 2),
    ]  # fmt: skip
    assert of_records.counts() == {("record", "station"): 5, ("field", "station"): 2}


def test_rejects__of_one_pointer_and_code_are_one_row_that_counts_them() -> None:
    assert summarize(add(Rejects(), "field", "/data/0/x", "/data/0/x", "/data/0/y")) == [
        ("/data/0/x", "bad", 2),
        ("/data/0/y", "bad", 1),
    ]


@pytest.mark.usefixtures("three")
def test_rejects__of_records_that_are_included_are_listed_in_the_order_of_the_answer() -> None:
    first, other = add(Rejects(), "record", "/data/0"), add(Rejects(), "record", *"abcde")
    first.include(other, "/data/1/")
    assert summarize(first) == [
        ("/data/0", "bad", 1), ("/data/1/a", "bad", 1), ("/data/1/b", "bad", 1),
        ("/data/unlisted/record", "bad", 3),
    ]  # fmt: skip


@pytest.mark.usefixtures("three")
def test_rejects__encodes_no_unlisted_values() -> None:
    of_fields = add(Rejects(), "field", "/a", "/b", "/c")
    of_fields.add("field", "station", None, lambda: pytest.fail("rendered"), "bad")
    assert of_fields.counts()["field", "station"] == 4


def test_fragment__is_the_beginning_of_a_longer_value() -> None:
    value = {"name": "ä" * 2000, "nul": "\x00"}
    whole = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    cut = make_rejection("field", "station", None, "", "bad", value).fragment
    assert cut == whole[: rejects.FRAGMENT_BYTES].decode("utf-8", "ignore")


@settings(max_examples=150)
@given(hours(), st.integers(1, 4))
def test_flatten__with_few_rejects_listed_equals_the_reference(polls: Any, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        list_only(limit, patch)
        assert_sound(assert_like_the_reference(answers(*polls)))


@pytest.mark.usefixtures("three")
def test_flatten__rejected_records_are_counted_in_every_poll() -> None:
    """The second poll has the bytes of the first; the third other broken records among them."""
    broken = [{"name": number} for number in range(5)]
    good = station("s", [evse("e", status="ON_FIRE")])
    one_body = envelope(*broken[:2], good, *broken[2:])
    other = envelope(*broken[:2], good, "x", *broken[3:])
    polls = [(poll(10 * n), {"koeln": body}) for n, body in enumerate((one_body, one_body, other))]
    hour = assert_like_the_reference(answers(*polls))
    assert_sound(hour)
    assert [row["station_rejected_count"] for row in rows(hour, "flat_polls")] == [5, 5, 5]
    assert one(hour, "flat_stations")["poll_count"] == 3
    pointers = [row["pointer"] for row in rows(hour, "flat_rejects", code="missing_key")]
    assert pointers[:4] == ["/data/0", "/data/1", "/data/3", "/data/unlisted/record"]


@pytest.mark.usefixtures("three")
def test_flatten__duplicates_that_are_not_listed_are_counted() -> None:
    twice = [station("s", [evse("e")])] * 10
    hour = assert_like_the_reference(answers((poll(), {"koeln": envelope(*twice)})))
    assert_sound(hour)
    row = one(hour, "flat_polls")
    assert (row["station_count"], row["station_rejected_count"]) == (10, 9)
    unlisted = [r for r in rows(hour, "flat_rejects") if r["pointer"] == "/data/unlisted/record"]
    assert sum(r["reject_count"] for r in unlisted) == 9 * 3 - 3
    assert {(r["entity_id"], r["fragment"]) for r in unlisted} == {(None, None)}


@pytest.mark.parametrize("bad", ["1", "[]", '{"id": NaN}', '{"id"}', '{"name": "x"}'])
def test_flatten__a_flood_of_rejects_leaves_two_thousand_rows(bad: str) -> None:
    body = b'{"data": [' + ", ".join([bad] * 2500).encode() + b', {"id": "s"}]}'
    hour = flattened((poll(), {"koeln": body}))
    row = one(hour, "flat_polls")
    assert (row["station_count"], row["station_rejected_count"]) == (2501, 2500)
    reject_rows = rows(hour, "flat_rejects", severity="record")
    assert (len(reject_rows), sum(r["reject_count"] for r in reject_rows)) == (1001, 2500)
    assert one(hour, "flat_stations")["station_id"] == "s"


@pytest.mark.usefixtures("three")
def test_flatten__statuses_that_are_not_finite_are_counted_once_listed_or_not() -> None:
    connectors = [{"id": "1", "status": float("nan")}, {"id": "2", "status": float("inf")}]
    evses = [
        {"uid": str(number), "status": float("nan"), "connectors": connectors}
        for number in range(5)
    ]
    body = envelope({"id": "1", "evses": evses})
    hour = assert_like_the_reference(answers((poll(), {"koeln": body})))
    assert one(hour, "flat_polls")["field_rejected_count"] == 15
    assert sum(row["reject_count"] for row in rows(hour, "flat_rejects")) == 15


@pytest.mark.usefixtures("three")
def test_status__counts_rejects_that_are_not_listed() -> None:
    (overview_row,) = overview_rejects(loaded.loaded({0: [{"name": "no id"}] * 7}, "fact_poll"))
    assert (overview_row.code, overview_row.severity, overview_row.count) == (
        "missing_key",
        "record",
        7,
    )


@given(st.text(" a\\\t", max_size=8), st.text(" a\\\t", max_size=8))
@example("x", "x ")
@example("x ", "x  ")
@example("x" * POINTER_BYTES, "x" * (POINTER_BYTES - 1) + " ")
def test_pointers__that_differ_are_different_keys_on_redshift(one: str, other: str) -> None:
    """Redshift ignores trailing blanks in comparisons."""
    pointers = [
        make_rejection("field", "evse", None, pointer, "bad", None).under("/data").pointer
        for pointer in (one, other)
    ]
    assert (pointers[0].rstrip(" ") == pointers[1].rstrip(" ")) == (pointers[0] == pointers[1])
    assert all(len(pointer.encode()) <= POINTER_BYTES for pointer in pointers)
