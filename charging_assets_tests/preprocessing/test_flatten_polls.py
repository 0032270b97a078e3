"""Answers poll after poll: what changes from one to the next, and what stays in its place.

Flattening does not look again at a record that has the same bytes in the same place as in the poll
before; some of these hours are made so that this could go wrong.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.flatten import FlatHour
from charging_assets_tests.builders import (
    answers,
    connector,
    envelope,
    evse,
    flattened,
    place,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import (
    TABLES,
    assert_like_the_reference,
    assert_sound,
    one,
    rows,
)

# Few ids, so that keys are repeated within an answer and move between its records.
_EVSES = st.builds(
    evse,
    st.sampled_from(["e1", "e2", "e3"]),
    status=st.sampled_from(["AVAILABLE", "CHARGING"]),
)
_STATIONS = st.builds(
    station,
    st.sampled_from(["s1", "s2", "s3"]),
    st.lists(_EVSES, max_size=2),
    name=st.sampled_from(["a", "b"]),
)
_ANSWERS = st.lists(_STATIONS, max_size=3)


@st.composite
def _hours(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Polls that are mostly the one before with a record changed, or two of them swapped."""
    polls = [draw(_ANSWERS)]
    for _ in range(draw(st.integers(1, 5))):
        now = list(polls[-1])
        change = draw(st.sampled_from(["same", "one", "swap", "new"]))
        if change == "one" and now:
            now[draw(st.integers(0, len(now) - 1))] = draw(_STATIONS)
        elif change == "swap":
            now.reverse()
        elif change == "new":
            now = draw(_ANSWERS)
        polls.append(now)
    return polls


@settings(max_examples=60)
@given(_hours())
def test_flatten__poll_after_poll_equals_the_reference(stations: list[Any]) -> None:
    polls = [
        (poll(10 * number), {"north": envelope(*records)})
        for number, records in enumerate(stations)
    ]
    assert_sound(assert_like_the_reference(answers(*polls)))


def test_flatten__a_key_that_is_doubled_in_one_poll_only_is_rejected_in_that_one() -> None:
    once, twice = [station("s1"), station("s2", [])], [station("s1"), station("s1", [])]
    polls = [
        (poll(10 * number), {"north": envelope(*records)})
        for number, records in enumerate([once, once, twice, twice, once])
    ]
    hour = assert_like_the_reference(answers(*polls))
    rejected = [row["station_rejected_count"] for row in hour["flat_polls"].to_pylist()]
    assert rejected == [0, 0, 1, 1, 0]


def swap_stations(body: bytes) -> bytes:
    answer = json.loads(body)
    for record in answer["data"]:
        record["evses"].reverse()
        for part in record["evses"]:
            part["connectors"].reverse()
            part["capabilities"].reverse()
    answer["data"].reverse()
    return json.dumps(answer).encode()


def test_flatten__an_order_that_changes_makes_no_new_state() -> None:
    parts = [connector("c"), connector("d", max_power=50)]
    body = envelope(
        station("s", [evse("e", parts, capabilities=["B", "A"]), evse("f")]), station("t")
    )
    hour = flattened((poll(0), {"koeln": body}), (poll(10), {"koeln": swap_stations(body)}))
    sizes = [hour[n].num_rows for n in ("flat_stations", "flat_evses", "flat_connectors")]
    assert sizes == [2, 3, 4]
    assert {row["poll_count"] for row in rows(hour, "flat_connectors")} == {2}


def test_flatten__polls_of_one_state_are_counted_however_it_was_spelled() -> None:
    tidy, untidy = envelope(station(name="A B")), envelope(station(name=" A  B"))
    bodies = (tidy, untidy, tidy, untidy, untidy)
    hour = flattened(*((poll(10 * n), {"koeln": body}) for n, body in enumerate(bodies)))
    row = one(hour, "flat_stations")
    assert (row["slot_at"].minute, row["last_slot_at"].minute, row["poll_count"]) == (0, 40, 5)
    assert one(hour, "flat_connectors")["poll_count"] == 5


def test_flatten__a_state_that_returns_is_one_row_from_first_to_last() -> None:
    old, new = envelope(station()), envelope(station(name="New"))
    hour = flattened(*((poll(m), {"koeln": b}) for m, b in ((0, old), (10, new), (20, old))))
    states = {row["name"]: row for row in rows(hour, "flat_stations")}
    slots_and_polls = {
        n: (r["slot_at"].minute, r["last_slot_at"].minute, r["poll_count"])
        for n, r in states.items()
    }
    assert slots_and_polls == {"Station s1": (0, 20, 2), "New": (10, 10, 1)}


def test_flatten__a_status_alone_is_no_attribute_state() -> None:
    bodies = [
        envelope(station("s", [evse("e", [connector("c", status=status)], status=status)]))
        for status in ("AVAILABLE", "CHARGING")
    ]
    hour = flattened((poll(0), {"koeln": bodies[0]}), (poll(10), {"koeln": bodies[1]}))
    assert [hour[n].num_rows for n in TABLES[1:5]] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("minutes", "failed", "runs"),
    [
        ((0, 10, 20), (), [(0, 20, 3)]),
        ((0, 20, 30), (), [(0, 30, 3)]),
        ((0, 25), (), [(0, 25, 2)]),
        ((0, 25 + 1 / 60), (), [(0, 0, 1), (25, 25, 1)]),
        ((0, 10, 20), (10,), [(0, 20, 2)]),
        ((0, 10, 20, 30), (10, 20), [(0, 0, 1), (30, 30, 1)]),
        ((0, 30, 40), (), [(0, 0, 1), (30, 40, 2)]),
        ((40,), (), [(40, 40, 1)]),
        ((0, 10), (0,), [(10, 10, 1)]),
    ],
)
def test_flatten__runs_of_equal_status_end_at_gaps(
    minutes: tuple[float, ...], failed: tuple[int, ...], runs: list[tuple[int, ...]]
) -> None:
    good = envelope(station())
    hour = flattened(
        *(
            (poll(m), {"koeln": place("koeln", None, "timeout") if m in failed else good})
            for m in minutes
        )
    )
    assert _runs(hour) == runs


def test_flatten__an_absence_ends_a_run() -> None:
    there, gone = envelope(station()), envelope()
    hour = flattened(*((poll(m), {"koeln": b}) for m, b in ((0, there), (10, gone), (20, there))))
    assert _runs(hour) == [(0, 0, 1), (20, 20, 1)]


def test_flatten__polls_of_another_place_end_no_run() -> None:
    good = envelope(station())
    hour = flattened((poll(0), {"koeln": good}), (poll(10), {"bonn": good, "koeln": good}))
    assert _runs(hour, place="koeln") == [(0, 10, 2)]
    assert _runs(hour, place="bonn") == [(10, 10, 1)]


def _runs(hour: FlatHour, **equal: str) -> list[tuple[int, ...]]:
    """First minute, last minute and number of polls of each run."""
    return [
        (row["slot_at"].minute, row["last_slot_at"].minute, row["poll_count"])
        for row in rows(hour, "flat_status", **equal)
    ]
