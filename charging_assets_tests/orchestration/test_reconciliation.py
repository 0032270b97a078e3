"""Reconciliation: which hours are requested, wait or are abandoned; without Dagster."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from charging_assets.hours import HOURS_A_RUN, ONE_HOUR, Hour
from charging_assets.orchestration.reconciliation import (
    MAX_ATTEMPTS,
    SCAN_WINDOW_DAYS,
    ReconcilerState,
    backoff,
    decide,
    format_cursor,
    parse_cursor,
    prune,
    scan_window,
)
from charging_assets.orchestration.staleness import StaleHour

NOW = datetime(2026, 1, 12, 12, 34, tzinfo=UTC)
CURRENT = Hour.of(NOW)


def hour(ago: int) -> Hour:
    return Hour(CURRENT.start - ago * ONE_HOUR)


def stale(*ago: int, state: str = "digest#code") -> list[StaleHour]:
    return [StaleHour(hour(each), "is stale", state) for each in ago]


def requested(
    stale_hours: list[StaleHour],
    state: ReconcilerState,
    *,
    max_runs: int = 99,
    now: datetime = NOW,
    loading_ago: tuple[int, ...] = (),
) -> list[list[Hour]]:
    loading = {hour(each) for each in loading_ago}
    decision = decide(stale_hours, state, loading=loading, max_runs=max_runs, now=now)
    return [list(request.hours) for request in decision.requests]


def new_state() -> ReconcilerState:
    return ReconcilerState(since=NOW)


def test_decide__consecutive_hours_share_a_run_newest_first_and_the_current_hour_is_alone() -> None:
    assert requested(stale(0, 1, 2, 5, 7, 8), new_state()) == [
        [hour(0)],
        [hour(2), hour(1)],
        [hour(5)],
        [hour(8), hour(7)],
    ]


def test_decide__a_long_gap_is_split_into_runs() -> None:
    groups = requested(stale(*range(1, 2 * HOURS_A_RUN + 2)), new_state())
    assert [len(hours) for hours in groups] == [1, HOURS_A_RUN, HOURS_A_RUN]


def test_decide__the_current_hour_is_never_deferred() -> None:
    state = new_state()
    assert requested(stale(0, 2, 4, 6), state, max_runs=1) == [[hour(0)], [hour(2)]]
    assert set(state.attempts) == {hour(0).key, hour(2).key}
    decision = decide(stale(4, 6), new_state(), loading=set(), max_runs=-3, now=NOW)
    assert (decision.requests, decision.deferred) == ([], 2)


def test_decide__loading_and_future_hours_are_skipped() -> None:
    assert requested(stale(-1, 1, 2), new_state(), loading_ago=(2,)) == [[hour(1)]]


def test_decide__new_polls_of_the_current_hour_are_loaded_every_ten_minutes() -> None:
    state, loads = new_state(), []
    for minute in range(26):
        now = NOW + timedelta(minutes=minute)
        decision = decide(
            [StaleHour(Hour.of(now), "is stale", f"digest{minute}#code"), *stale(3)],
            state, loading=set(), max_runs=9, now=now, refresh_every=timedelta(minutes=10),
        )  # fmt: skip
        if any(request.hours == (Hour.of(now),) for request in decision.requests):
            loads.append(minute)
        prune(state, [Hour.of(now)], [], now)
    assert loads == [0, 10, 20]
    assert parse_cursor(format_cursor(state), NOW) == state


def test_decide__a_failed_hour_is_retried_alone_after_a_delay() -> None:
    state = new_state()
    assert requested(stale(1, 2), state) == [[hour(2), hour(1)]]
    assert requested(stale(1, 2), state, now=NOW + timedelta(minutes=1)) == []
    assert requested(stale(1, 2), state, now=NOW + timedelta(minutes=3)) == [[hour(1)], [hour(2)]]


def test_decide__a_failed_long_run_is_split_until_the_bad_hour_is_alone() -> None:
    state, now = new_state(), NOW
    remaining, bad = stale(*range(1, HOURS_A_RUN + 1)), hour(100)
    sizes = []
    for minutes in (0, 3, 11):
        now += timedelta(minutes=minutes)
        groups = requested(remaining, state, now=now)
        sizes.append([len(group) for group in groups])
        # A run without the bad hour succeeds.
        loaded = {each for group in groups if bad not in group for each in group}
        remaining = [each for each in remaining if each.hour not in loaded]
    assert sizes == [[HOURS_A_RUN], [14] * 12, [1] * 14]
    assert [each.hour for each in remaining] == [bad]


def test_decide__delays_grow_until_the_hour_is_abandoned() -> None:
    state, now, delays = new_state(), NOW, []
    for _ in range(MAX_ATTEMPTS):
        last = now
        while not requested(stale(1), state, now=now):
            now += timedelta(minutes=1)
        delays.append((now - last) // timedelta(minutes=1))
        now += timedelta(seconds=1)
    assert delays == [0, 2, 10, 60, 360, *[1440] * 7]
    decision = decide(stale(1), state, loading=set(), max_runs=9, now=now + timedelta(days=20))
    assert [each.hour for each in decision.abandoned] == [hour(1)]
    assert decision.requests == []


def test_decide__another_archive_or_code_resets_the_attempts() -> None:
    state = new_state()
    state.attempts.clear()
    requested(stale(1), state)
    assert requested(stale(1), state) == []
    assert requested(stale(1, state="newer#code"), state) == [[hour(1)]]


def test_decide__every_request_has_a_unique_key() -> None:
    state, keys = new_state(), []
    for minutes in range(0, 3000, 5):
        now = NOW + timedelta(minutes=minutes)
        decision = decide(stale(1, 2, 3, 9), state, loading=set(), max_runs=9, now=now)
        keys += [request.key for request in decision.requests]
    assert len(keys) == len(set(keys)) > 10
    again = decide(
        stale(1), ReconcilerState(since=NOW + timedelta(days=9)), loading=set(), max_runs=9, now=NOW
    )
    assert again.requests[0].key not in keys


def test_prune__deletes_attempts_of_fresh_hours_and_keeps_those_not_scanned() -> None:
    state = new_state()
    requested(stale(1, 2, 3), state)
    prune(state, [hour(1), hour(2)], stale(2), NOW)
    assert set(state.attempts) == {hour(2).key, hour(3).key}
    prune(state, [], [], NOW + timedelta(days=31))
    assert state.attempts == {}


def test_cursor__round_trip_keeps_the_state() -> None:
    state = ReconcilerState(since=NOW, scanned_to=date(2025, 3, 1))
    requested(stale(1, 2), state)
    assert parse_cursor(format_cursor(state), NOW + ONE_HOUR) == state
    assert parse_cursor(None, NOW) == new_state()


@given(st.integers(1, 40), st.integers(0, 60))
def test_scan_window__covers_every_day_in_rotation(count: int, skipped: int) -> None:
    days = [date(2025, 1, 1) + timedelta(days=each) for each in range(count)]
    last: date | None = date(2024, 12, 1) + timedelta(days=skipped)
    seen = set()
    for _ in range(2 + 2 * count // SCAN_WINDOW_DAYS + 1):
        window = scan_window(days, last)
        assert 0 < len(window) <= SCAN_WINDOW_DAYS
        seen |= set(window)
        last = window[-1]
    assert seen == set(days)
    assert scan_window([], last) == []


def test_backoff__grows() -> None:
    delays = [backoff(count) for count in range(1, MAX_ATTEMPTS)]
    assert delays == sorted(delays)


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(0, 5))
def test_decide__requests_only_stale_hours_and_none_twice(
    ago: set[int], loading_ago: set[int], max_runs: int
) -> None:
    groups = requested(stale(*ago), new_state(), max_runs=max_runs, loading_ago=tuple(loading_ago))
    hours = [each for group in groups for each in group]
    assert len(hours) == len(set(hours))
    assert set(hours) <= {hour(each) for each in ago - loading_ago}
    assert all(len(group) <= HOURS_A_RUN for group in groups)


def of_feeds(ago: int, **states: str) -> StaleHour:
    """An hour of which these feeds are stale, each with its state."""
    return StaleHour(hour(ago), "is stale", "#".join(states.values()), states)


def test_decide__an_abandoned_feed_uses_no_attempt_of_another_feed() -> None:
    state, now = new_state(), NOW
    damaged = of_feeds(5, bad="x#code")
    for _ in range(MAX_ATTEMPTS):
        assert requested([damaged], state, now=now) == [[hour(5)]]
        now += timedelta(days=2)
    assert requested([damaged], state, now=now) == []
    both = of_feeds(5, bad="x#code", late="y#code")
    keys = set()
    for _ in range(3):  # the attempts of the late poll start at 1
        (request,) = decide([both], state, loading=set(), max_runs=9, now=now).requests
        keys.add(request.key)
        now += timedelta(days=2)
    assert len(keys) == 3
    attempts = {key.split(" ")[1]: attempt.count for key, attempt in state.attempts.items()}
    assert attempts == {"bad": MAX_ATTEMPTS, "late": 3}
    decision = decide([damaged], state, loading=set(), max_runs=9, now=now)
    assert (decision.requests, decision.abandoned) == ([], [damaged])


def test_decide__new_polls_of_a_feed_are_loaded_while_another_waits() -> None:
    state = new_state()
    assert requested([of_feeds(3, bad="x#code")], state) == [[hour(3)]]
    soon = NOW + timedelta(seconds=30)
    assert requested([of_feeds(3, bad="x#code")], state, now=soon) == []
    assert requested([of_feeds(3, bad="x#code", good="y#code")], state, now=soon) == [[hour(3)]]
    assert requested([of_feeds(3, bad="x#code", good="y#code")], state, now=soon) == []


def test_prune__deletes_the_attempts_of_a_loaded_feed_only() -> None:
    state = new_state()
    requested([of_feeds(3, bad="x#code", good="y#code")], state)
    prune(state, [hour(3)], [of_feeds(3, bad="x#code")], NOW)
    assert list(state.attempts) == [f"{hour(3)} bad"]
