"""Healing: what is requested, what waits, what is given up; as functions, without Dagster."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from charging_assets.hours import HOURS_A_RUN, ONE_HOUR, Hour
from charging_assets.orchestration.reconciliation import (
    DAYS_A_TURN,
    TRIES,
    Memory,
    cursor_of,
    decide,
    forget,
    pause,
    remembered,
    turn,
)
from charging_assets.orchestration.staleness import Pending

NOW = datetime(2026, 1, 12, 12, 34, tzinfo=UTC)
RUNNING = Hour.of(NOW)


def hour(ago: int) -> Hour:
    return Hour(RUNNING.start - ago * ONE_HOUR)


def stale(*ago: int, state: str = "digest#code") -> list[Pending]:
    return [Pending(hour(each), "is stale", state) for each in ago]


def asked(
    found: list[Pending],
    memory: Memory,
    *,
    room: int = 99,
    now: datetime = NOW,
    open_ago: tuple[int, ...] = (),
) -> list[list[Hour]]:
    open_hours = {hour(each) for each in open_ago}
    decision = decide(found, memory, open_hours=open_hours, room=room, now=now)
    return [list(request.hours) for request in decision.requests]


def fresh() -> Memory:
    return Memory(since=NOW)


def test_decide__neighbours_share_a_run_the_newest_first_and_the_running_hour_alone() -> None:
    assert asked(stale(0, 1, 2, 5, 7, 8), fresh()) == [
        [hour(0)],
        [hour(2), hour(1)],
        [hour(5)],
        [hour(8), hour(7)],
    ]


def test_decide__a_long_gap_is_cut_into_runs() -> None:
    found = asked(stale(*range(1, 2 * HOURS_A_RUN + 2)), fresh())
    assert [len(hours) for hours in found] == [1, HOURS_A_RUN, HOURS_A_RUN]


def test_decide__the_running_hour_is_not_crowded_out() -> None:
    memory = fresh()
    assert asked(stale(0, 2, 4, 6), memory, room=1) == [[hour(0)], [hour(2)]]
    assert set(memory.tries) == {hour(0).key, hour(2).key}
    decision = decide(stale(4, 6), fresh(), open_hours=set(), room=-3, now=NOW)
    assert (decision.requests, decision.crowded_out) == ([], 2)


def test_decide__hours_that_are_being_loaded_and_hours_to_come_are_left_alone() -> None:
    assert asked(stale(-1, 1, 2), fresh(), open_ago=(2,)) == [[hour(1)]]


def test_decide__what_failed_is_tried_alone_after_a_while() -> None:
    memory = fresh()
    assert asked(stale(1, 2), memory) == [[hour(2), hour(1)]]
    assert asked(stale(1, 2), memory, now=NOW + timedelta(minutes=1)) == []
    assert asked(stale(1, 2), memory, now=NOW + timedelta(minutes=3)) == [[hour(1)], [hour(2)]]


def test_decide__a_long_run_that_failed_is_divided_until_the_bad_hour_is_alone() -> None:
    memory, now = fresh(), NOW
    found, bad = stale(*range(1, HOURS_A_RUN + 1)), hour(100)
    sizes = []
    for minutes in (0, 3, 11):
        now += timedelta(minutes=minutes)
        groups = asked(found, memory, now=now)
        sizes.append([len(group) for group in groups])
        # Where the bad hour is not among them, a run loads its hours.
        loaded = {each for group in groups if bad not in group for each in group}
        found = [each for each in found if each.hour not in loaded]
    assert sizes == [[HOURS_A_RUN], [14] * 12, [1] * 14]
    assert [each.hour for each in found] == [bad]


def test_decide__distances_grow_and_end() -> None:
    memory, now, distances = fresh(), NOW, []
    for _ in range(TRIES):
        last = now
        while not asked(stale(1), memory, now=now):
            now += timedelta(minutes=1)
        distances.append((now - last) // timedelta(minutes=1))
        now += timedelta(seconds=1)
    assert distances == [0, 2, 10, 60, 360, *[1440] * 7]
    decision = decide(stale(1), memory, open_hours=set(), room=9, now=now + timedelta(days=20))
    assert [found.hour for found in decision.given_up] == [hour(1)]
    assert decision.requests == []


def test_decide__another_archive_or_other_code_is_another_case() -> None:
    memory = fresh()
    memory.tries.clear()
    asked(stale(1), memory)
    assert asked(stale(1), memory) == []
    assert asked(stale(1, state="newer#code"), memory) == [[hour(1)]]


def test_decide__every_request_has_a_key_of_its_own() -> None:
    memory, keys = fresh(), []
    for minutes in range(0, 3000, 5):
        now = NOW + timedelta(minutes=minutes)
        done = decide(stale(1, 2, 3, 9), memory, open_hours=set(), room=9, now=now)
        keys += [request.key for request in done.requests]
    assert len(keys) == len(set(keys)) > 10
    again = decide(
        stale(1), Memory(since=NOW + timedelta(days=9)), open_hours=set(), room=9, now=NOW
    )
    assert again.requests[0].key not in keys


def test_forget__drops_what_is_healed_and_keeps_what_was_not_seen() -> None:
    memory = fresh()
    asked(stale(1, 2, 3), memory)
    forget(memory, [hour(1), hour(2)], stale(2), NOW)
    assert set(memory.tries) == {hour(2).key, hour(3).key}
    forget(memory, [], [], NOW + timedelta(days=31))
    assert memory.tries == {}


def test_memory__survives_in_the_cursor() -> None:
    memory = Memory(since=NOW, turn=date(2025, 3, 1))
    asked(stale(1, 2), memory)
    assert remembered(cursor_of(memory), NOW + ONE_HOUR) == memory
    assert remembered(None, NOW) == fresh()


@given(st.integers(1, 40), st.integers(0, 60))
def test_turn__comes_to_every_day_in_rotation(count: int, skipped: int) -> None:
    days = [date(2025, 1, 1) + timedelta(days=each) for each in range(count)]
    last: date | None = date(2024, 12, 1) + timedelta(days=skipped)
    seen = set()
    for _ in range(2 + 2 * count // DAYS_A_TURN + 1):
        found = turn(days, last)
        assert 0 < len(found) <= DAYS_A_TURN
        seen |= set(found)
        last = found[-1]
    assert seen == set(days)
    assert turn([], last) == []


def test_pause__grows() -> None:
    pauses = [pause(count) for count in range(1, TRIES)]
    assert pauses == sorted(pauses)


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(0, 5))
def test_decide__asks_for_stale_hours_alone_and_for_none_twice(
    ago: set[int], open_ago: set[int], room: int
) -> None:
    found = asked(stale(*ago), fresh(), room=room, open_ago=tuple(open_ago))
    hours = [each for group in found for each in group]
    assert len(hours) == len(set(hours))
    assert set(hours) <= {hour(each) for each in ago - open_ago}
    assert all(len(group) <= HOURS_A_RUN for group in found)


def of_feeds(ago: int, **states: str) -> Pending:
    """An hour of which these feeds are stale, each with its state."""
    return Pending(hour(ago), "is stale", "#".join(states.values()), states)


def test_decide__a_feed_that_was_given_up_takes_no_try_from_another() -> None:
    memory, now = fresh(), NOW
    damaged = of_feeds(5, bad="x#code")
    for _ in range(TRIES):
        assert asked([damaged], memory, now=now) == [[hour(5)]]
        now += timedelta(days=2)
    assert asked([damaged], memory, now=now) == []
    both = of_feeds(5, bad="x#code", late="y#code")
    keys = set()
    for _ in range(3):  # the late poll's own tries begin anew
        (request,) = decide([both], memory, open_hours=set(), room=9, now=now).requests
        keys.add(request.key)
        now += timedelta(days=2)
    assert len(keys) == 3
    tries = {key.split(" ")[1]: tried.count for key, tried in memory.tries.items()}
    assert tries == {"bad": TRIES, "late": 3}
    decision = decide([damaged], memory, open_hours=set(), room=9, now=now)
    assert (decision.requests, decision.given_up) == ([], [damaged])


def test_decide__new_polls_of_a_feed_are_loaded_though_another_waits() -> None:
    memory = fresh()
    assert asked([of_feeds(3, bad="x#code")], memory) == [[hour(3)]]
    soon = NOW + timedelta(seconds=30)
    assert asked([of_feeds(3, bad="x#code")], memory, now=soon) == []
    assert asked([of_feeds(3, bad="x#code", good="y#code")], memory, now=soon) == [[hour(3)]]
    assert asked([of_feeds(3, bad="x#code", good="y#code")], memory, now=soon) == []


def test_forget__a_feed_that_was_loaded_is_forgotten_alone() -> None:
    memory = fresh()
    asked([of_feeds(3, bad="x#code", good="y#code")], memory)
    forget(memory, [hour(3)], [of_feeds(3, bad="x#code")], NOW)
    assert list(memory.tries) == [f"{hour(3)} bad"]
