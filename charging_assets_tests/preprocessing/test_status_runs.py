"""Runs of equal status: expanded over the good polls between their bounds, they are every poll."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from charging_assets.archive.raw_objects import ArchivedResponse
from charging_assets.preprocessing.columns import Rows
from charging_assets.preprocessing.flat_station import FlatStation, Status
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.status_runs import StatusRuns
from charging_assets.schemas.flat import FLAT_STATUS
from charging_assets_tests.builders import (
    SLOT,
    answers,
    envelope,
    evse,
    flattened,
    place,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import (
    assert_like_the_reference,
    assert_sound,
    codes,
    one,
    polled,
    rows,
)
from charging_assets_tests.preprocessing.test_flatten_samples import read_samples

START = SLOT.replace(tzinfo=None)
# The state of an EVSE: status, published status, parking status, overrides, time of change.
State = tuple[str | None, str | None, str | None, str | None, datetime | None]


class Poll(NamedTuple):
    """A good poll: records as EVSE → state, in their order."""

    records: list[dict[int, State]]
    is_complete: bool
    is_after_gap: bool


# Few EVSEs and states, so that they repeat; an EVSE moves between records.
STATE: st.SearchStrategy[State] = st.tuples(
    st.sampled_from(["AVAILABLE", "CHARGING", None]),
    st.sampled_from(["AVAILABLE", "free", None]),
    st.sampled_from([None, "FREE"]),
    st.sampled_from([None, '{"c":null}']),
    st.sampled_from([None, START, START + timedelta(minutes=1)]),
)
EVSES = st.dictionaries(st.integers(0, 5), st.tuples(STATE, st.integers(0, 2)), max_size=6)


@st.composite
def polls(draw: st.DrawFn) -> list[Poll]:
    """Polls of an hour: an EVSE nearly always keeps the state that it had in the poll before."""
    made: list[Poll] = []
    known: dict[int, tuple[State, int]] = {}
    for _ in range(draw(st.integers(0, 10))):
        known |= draw(EVSES)
        absent = draw(st.sets(st.integers(0, 5), max_size=2))
        records: list[dict[int, State]] = [{} for _ in range(3)]
        for key, (state, record) in known.items():
            if key not in absent:
                records[record][key] = state
        if draw(st.booleans()):  # in another order, and without a record
            records = draw(st.permutations(records))[: draw(st.integers(2, 3))]
        made.append(Poll(records, draw(st.integers(0, 4)) > 0, draw(st.integers(0, 6)) == 0))
    return made


def runs_of(made: list[Poll], dice: random.Random | None = None) -> tuple[list[Any], list[int]]:
    """The rows of the polls, and how many statuses each left unchanged."""
    table = Rows(FLAT_STATUS)
    runs, cache, carried = StatusRuns(table, "test", "koeln"), dict[Any, FlatStation](), []
    for number, made_poll in enumerate(made):
        stations = []
        for record in made_poll.records:
            statuses = [Status(key, f"e{key}", *state) for key, state in sorted(record.items())]
            # As in an hour: a record with the same bytes is the same object.
            stations.append(
                cache.setdefault(tuple(statuses), FlatStation(statuses=statuses).finish())
            )
        if dice is not None:
            dice.shuffle(stations)
        carried.append(
            runs.add_poll(
                START + timedelta(minutes=number),
                stations,
                is_complete=made_poll.is_complete,
                is_after_gap=made_poll.is_after_gap,
            )
        )
    runs.finish()
    return table.table().to_pylist(), carried


def known_states(made: list[Poll]) -> Iterator[dict[int, State]]:
    """The state of each EVSE in each poll, and no row for those that are absent or unknown."""
    known: dict[int, State] = {}
    for made_poll in made:
        reported = {key: state for record in made_poll.records for key, state in record.items()}
        is_kept = not (made_poll.is_complete or made_poll.is_after_gap)
        known = {**known, **reported} if is_kept else reported
        yield known


def minute(row: dict[str, Any], name: str) -> int:
    return int((row[name] - START).total_seconds() // 60)


@settings(max_examples=300)
@given(polls())
def test_status_runs__expand_to_the_state_of_each_evse_in_each_poll(made: list[Poll]) -> None:
    runs, carried = runs_of(made)
    expanded = sorted(
        (number, run["evse_key"], _state(run))
        for run in runs
        for number in range(minute(run, "slot_at"), minute(run, "last_slot_at") + 1)
    )
    expected = [
        (number, key, state[:4])
        for number, states in enumerate(known_states(made))
        for key, state in states.items()
    ]
    assert expanded == sorted(expected, key=lambda row: row[:2])
    assert sum(run["poll_count"] for run in runs) == len(expected)
    reported = [len({key for record in p.records for key in record}) for p in made]
    assert carried == [
        len(states) - count for states, count in zip(known_states(made), reported, strict=True)
    ]


@settings(max_examples=200)
@given(polls())
def test_status_runs__end_for_a_reason(made: list[Poll]) -> None:
    runs, _ = runs_of(made)
    for before, run in pairwise(runs):
        if before["evse_key"] != run["evse_key"]:
            continue
        first, last = minute(run, "slot_at"), minute(before, "last_slot_at")
        assert first > last
        if first == last + 1 and not made[first].is_after_gap:
            assert _state(run) != _state(before)


@settings(max_examples=100)
@given(polls(), st.randoms(use_true_random=False))
def test_status_runs__do_not_depend_on_the_order_of_records(
    made: list[Poll], dice: random.Random
) -> None:
    assert runs_of(made, dice) == runs_of(made)


@settings(max_examples=200)
@given(polls())
def test_status_runs__have_the_first_and_the_last_published_time_of_change(
    made: list[Poll],
) -> None:
    for run in runs_of(made)[0]:
        reported = [
            record[run["evse_key"]][4]
            for made_poll in made[minute(run, "slot_at") : minute(run, "last_slot_at") + 1]
            for record in made_poll.records
            if run["evse_key"] in record
        ]
        times = [time for time in reported if time is not None] or [None]
        assert run["first_status_changed_at"] == times[0]
        assert run["last_status_changed_at"] == times[-1]


def _state(run: dict[str, Any]) -> tuple[str | None, ...]:
    names = ("status", "status_published", "parking_status", "connector_status_overrides")
    return tuple(run[name] for name in names)


def test_status_runs__look_at_changed_records_alone() -> None:
    """A poll without a change costs nothing per EVSE: its statuses are not read."""

    class Unreadable(list[Status]):
        def __iter__(self) -> Iterator[Status]:
            raise AssertionError("the statuses of an unchanged record were read")

    table = Rows(FLAT_STATUS)
    runs = StatusRuns(table, "test", "koeln")
    state = ("AVAILABLE", "AVAILABLE", None, None)
    same = FlatStation(statuses=[Status(1, "e1", *state)]).finish()
    runs.add_poll(START, [same])
    same.statuses = Unreadable(same.statuses)
    for number in (1, 2):
        other = FlatStation(statuses=[Status(2, "e2", *state)]).finish()
        runs.add_poll(START + timedelta(minutes=number), [same, other])
    runs.finish()
    assert [row["poll_count"] for row in table.table().to_pylist()] == [3, 2]


# --- hours of published answers ---------------------------------------------------------------


STATUSES = st.sampled_from(["AVAILABLE", "AVAILABLE", "available", "CHARGING", "-odd-", "", None])
ANSWER = st.dictionaries(st.sampled_from(["e1", "e2", "e3"]), STATUSES)
BAD = st.sampled_from([b"{", b"<html>", None])
PUBLISHED = st.lists(
    st.tuples(st.sampled_from([1, 5, 10, 25, 26]), st.one_of(ANSWER, ANSWER, ANSWER, BAD)),
    max_size=8,
)


@settings(max_examples=100)
@given(PUBLISHED, st.booleans())
def test_flatten__runs_of_an_hour_are_those_of_the_reference(
    published: list[Any], is_repeated: bool
) -> None:
    made, at = [], 0
    for minutes, answer in published:
        body: Any = place("koeln", None, "timeout") if answer is None else answer
        if isinstance(answer, dict):
            records = [station(f"s-{uid}", [evse(uid, status=s)]) for uid, s in answer.items()]
            body = envelope(*records, *(records[:1] if is_repeated else ()))
        if at < 60:
            made.append((poll(at), {"koeln": body}))
        at += minutes
    assert_sound(assert_like_the_reference(answers(*made)))


def test_flatten__a_published_word_that_changes_ends_a_run() -> None:
    words = ["AVAILABLE", " available ", "available", "FREE", 7, ["FREE"], "x" * 65]
    hour = flattened(
        *(
            (poll(5 * number), {"koeln": envelope(station("s", [evse("e", [], status=word)]))})
            for number, word in enumerate(words)
        )
    )
    assert_sound(hour)
    assert [
        (row["status"], row["status_published"], row["poll_count"])
        for row in rows(hour, "flat_status")
    ] == [
        ("AVAILABLE", "AVAILABLE", 1),
        ("AVAILABLE", "available", 2),
        (None, "FREE", 1),
        (None, "7", 1),
        (None, None, 2),
    ]


# A kind whose answers are deltas where they say so, and that publishes when a status changed.
_KIND = """
from dataclasses import replace
from charging_assets.sources import chargecloud
from charging_assets.sources.chargecloud import *
from charging_assets.sources.chargecloud import url
NAME = "deltas"
EVSE = replace(EVSE, columns={**EVSE.columns, "status_changed_at": "changed"})
def split(bodies):
    return replace(chargecloud.split(bodies), is_complete=b'"delta"' not in bodies[0])
"""
KIND = "kinds_of_runs.deltas"


@pytest.fixture
def deltas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_readers: None) -> Iterator[None]:
    folder = tmp_path / "kinds_of_runs"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "deltas.py").write_text(_KIND)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("kinds_of_runs")]:
        del sys.modules[name]


def delta_hour(*published: tuple[float, dict[str, str] | None, bool]) -> FlatHour:
    """An hour of minute, EVSE → status (None: a timeout) and whether it is a delta."""
    return flattened(
        *(
            (
                poll(at, kind=KIND),
                {
                    "koeln": place("koeln", None, "timeout")
                    if statuses is None
                    else envelope(
                        *(station(f"s-{uid}", [evse(uid, [], status=status)])
                          for uid, status in statuses.items()),
                        **({"delta": True} if is_delta else {}),
                    )
                },
            )
            for at, statuses, is_delta in published
        )
    )  # fmt: skip


@pytest.mark.usefixtures("deltas")
def test_flatten__what_a_delta_leaves_out_is_unchanged() -> None:
    both = {"a": "AVAILABLE", "b": "AVAILABLE"}
    hour = delta_hour(
        (0, both, False),
        (10, {"b": "CHARGING"}, True),
        (20, {}, True),
        (30, None, True),
        (40, {"a": "AVAILABLE"}, False),
    )
    assert_sound(hour)
    assert {
        (row["evse_uid"], row["status"]): (row["slot_at"].minute, row["last_slot_at"].minute,
                                           row["poll_count"])
        for row in rows(hour, "flat_status")
    } == {
        ("a", "AVAILABLE"): (0, 40, 4),
        ("b", "AVAILABLE"): (0, 0, 1),
        ("b", "CHARGING"): (10, 20, 2),
    }  # fmt: skip
    counts = [
        (row["status_count"], row["carried_count"], row["is_complete"])
        for row in rows(hour, "flat_polls")
    ]
    assert counts == [(2, 0, True), (1, 1, False), (0, 2, False), (0, 0, None), (1, 0, True)]


@pytest.mark.usefixtures("deltas")
def test_flatten__a_delta_after_a_gap_or_at_the_start_reports_only_what_it_has() -> None:
    hour = delta_hour((0, {"a": "AVAILABLE"}, True), (30, {"b": "AVAILABLE"}, True))
    assert_sound(hour)
    assert [(row["evse_uid"], row["slot_at"].minute) for row in polled(hour)] in (
        [("a", 0), ("b", 30)],
        [("b", 30), ("a", 0)],
    )
    assert [row["carried_count"] for row in rows(hour, "flat_polls")] == [0, 0]


@pytest.mark.usefixtures("deltas")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abc"), st.sampled_from(["AVAILABLE", "CHARGING"])),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_flatten__hours_with_deltas_balance(published: list[Any]) -> None:
    assert_sound(delta_hour(*((10.0 * n, *each) for n, each in enumerate(published))))


@pytest.mark.usefixtures("deltas")
def test_flatten__times_of_change_are_attributes_of_a_run() -> None:
    times = [
        "2022-01-11T20:30:00Z", "2022-01-11T21:40:00+01:00", None, "2022-01-11T20:50:00", "soon",
        "1999-01-01T00:00:00Z",
    ]  # fmt: skip
    hour = flattened(
        *(
            (poll(5 * n, kind=KIND), {"koeln": envelope(station("s", [evse("e", [], changed=at)]))})
            for n, at in enumerate(times)
        )
    )
    assert_sound(hour)
    run = one(hour, "flat_status")
    assert run["poll_count"] == len(times)
    assert run["first_status_changed_at"] == datetime(2022, 1, 11, 20, 30)
    assert run["last_status_changed_at"] == datetime(2022, 1, 11, 20, 50)
    pointer = "/data/0/evses/0/changed"
    assert codes(hour) == [("evse", pointer, "bad_timestamp"), ("evse", pointer, "out_of_range")]
    assert one(hour, "flat_evses")["poll_count"] == len(times)


@pytest.mark.samples
def test_flatten__the_real_polls_of_2022_expand_to_every_published_status(samples: Path) -> None:
    """Both polls in one hour, so that runs reach from one to the other."""
    by_place: dict[tuple[str, str], list[ArchivedResponse]] = {}
    for number, places in enumerate(read_samples(samples, "chargecloud_2022").values()):
        slot_at = datetime(2022, 1, 11, 20, 40 + 10 * number, tzinfo=UTC)
        for feed, slug, of_place in places:
            by_place.setdefault((feed, slug), []).extend(
                replace(answer, poll=replace(answer.poll, slot_at=slot_at)) for answer in of_place
            )
    places = [(*key, of_place) for key, of_place in by_place.items()]
    hour = assert_like_the_reference(places)
    assert_sound(hour)
    apart = [
        flatten([(feed, slug, [answer])]) for feed, slug, of_place in places for answer in of_place
    ]
    single = [row for of_poll in apart for row in polled(of_poll)]
    names = ("slot_at", "place", "evse_key", "evse_uid", "status", "status_published",
             "parking_status", "connector_status_overrides", "observed_at")  # fmt: skip
    both = [[row[name] for name in names] for row in polled(hour)]
    assert sorted(both, key=repr) == sorted(
        ([row[name] for name in names] for row in single), key=repr
    )
    assert len(both) == 2 * 2428
    assert hour["flat_status"].num_rows < 1.1 * 2428
