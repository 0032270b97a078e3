"""Answers poll after poll: what changes from one to the next, and what stays in its place.

Flattening does not look again at a record that has the same bytes in the same place as in the poll
before; these hours are made so that this could go wrong.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets_tests.builders import answers, envelope, evse, poll, station
from charging_assets_tests.preprocessing.test_flatten import assert_like_the_reference, assert_sound

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
def test_flatten__poll_after_poll_is_like_the_reference(stations: list[Any]) -> None:
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
