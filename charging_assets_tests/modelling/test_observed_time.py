"""Observed time: no instant of an hour is counted twice, regardless of who polled and how often.

Polls overlap, drift or jitter, and places share an EVSE.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.lake.memory import MemoryLake
from charging_assets.schemas import marts
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

EXAMPLES = max(10, settings().max_examples // 10)
CADENCE_S, HOUR_S = 600, 3600
SECONDS = tuple(column.name for column in marts.STATUS_SECONDS[1:])
MADE = ("dim_", "fact_poll", "fact_status", "mart_evse_hour", "mart_station_hour")
KEYS = {hours.key_of("evse", uid): uid for uid in ("e1", "e2")}
COLUMN = {
    "AVAILABLE": "available_s",
    "CHARGING": "charging_s",
    "OUTOFORDER": "out_of_order_s",
    "UNKNOWN": "unknown_s",
}

# Polls by second: the statuses of EVSEs that each answering place published.
STATUSES = st.dictionaries(st.sampled_from(["e1", "e2"]), st.sampled_from(sorted(COLUMN)))
ANSWERS = st.dictionaries(st.sampled_from(["bonn", "koeln"]), STATUSES, min_size=1)
Cadence = Callable[[int], int]
Polls = dict[int, dict[str, dict[str, str]]]
# Anywhere in two hours; at slots of two pollers; or about every ten minutes.
ANYWHERE = st.dictionaries(st.integers(0, 2 * HOUR_S - 1), ANSWERS, min_size=1, max_size=24)
OVERLAPPING = st.dictionaries(
    st.integers(0, 23).map(lambda slot: 300 * slot), ANSWERS, min_size=1, max_size=24
)


@st.composite
def jittered(draw: st.DrawFn) -> Polls:
    late = draw(st.lists(st.integers(-30, 30), min_size=11, max_size=11))
    return {CADENCE_S * (n + 1) + seconds: draw(ANSWERS) for n, seconds in enumerate(late)}


def even(second: int) -> int:
    """The cadence of every poll, by its second."""
    return CADENCE_S


def mixed(second: int) -> int:
    """Cadences of two collectors."""
    return CADENCE_S if second % CADENCE_S in (0, 60) else CADENCE_S // 2


def lake_of(polls: Polls, cadence_s: Cadence = even) -> MemoryLake:
    """A lake with polls by second."""
    lake = MemoryLake()
    for second, answers in polls.items():
        bodies = {
            place: builders.envelope(
                station([evse(uid, status) for uid, status in statuses.items()], f"s-{place}")
            )
            for place, statuses in answers.items()
        }
        builders.archived(lake, builders.poll(second / 60, cadence_s=cadence_s(second)), bodies)
    return lake


def load(lake: MemoryLake) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, only=MADE)
    return warehouse


def rows(warehouse: DuckDBWarehouse, table: str) -> list[dict[str, Any]]:
    mart_rows: list[dict[str, Any]] = warehouse.query(
        f"SELECT * FROM mart.{table} ORDER BY slot_at"
    ).to_pylist()
    return mart_rows


def every(seconds: int, first: int = 0, count: int = 12, place: str = "koeln") -> Polls:
    """Polls at equal distances, in which `e1` charges."""
    return {first + seconds * n: {place: {"e1": "CHARGING"}} for n in range(count)}


def hour_number(row: dict[str, Any]) -> int:
    return round((row["slot_at"].replace(tzinfo=UTC) - HOUR.start).total_seconds() / HOUR_S)


def paint(polls: Polls, cadence_s: Cadence) -> dict[tuple[str, int], Counter[str]]:
    """Each EVSE-hour's seconds by status, painted one by one on the face of a clock.

    A poll's colour goes on until a poll of its place or one that the EVSE is in, at most for the
    cadence; from the hour's end it goes on at its beginning.
    """
    colours: dict[tuple[str, int], Counter[str]] = {}
    for (uid, hour), statuses in _statuses_by_second(polls).items():
        face: dict[int, str] = {}
        for second, (place, status) in statuses.items():
            ends = {at % HOUR_S for at in polls if at // HOUR_S == hour and place in polls[at]}
            for at in range(second, second + cadence_s(HOUR_S * hour + second)):
                if at > second and (at % HOUR_S in ends or at % HOUR_S in statuses):
                    break
                assert at % HOUR_S not in face, "counted twice"
                face[at % HOUR_S] = COLUMN[status]
        colours[uid, hour] = Counter(face.values())
    return colours


def exposures(polls: Polls, cadence_s: Cadence) -> dict[tuple[str, int], int]:
    """Each EVSE-hour's seconds in which the start of a session would have been observed."""
    seconds: dict[tuple[str, int], int] = {}
    for (uid, hour), statuses in _statuses_by_second(polls).items():
        slots = sorted(statuses)
        unknown = [statuses[slot][1] == "UNKNOWN" for slot in slots]
        in_run = [
            here and (unknown[n - 1] or unknown[(n + 1) % len(slots)])
            for n, here in enumerate(unknown)
        ]
        seconds[uid, hour] = 0
        for n, (start, end) in enumerate(zip(slots, [*slots[1:], slots[0] + HOUR_S], strict=True)):
            place = statuses[start][0]
            of_place = {at % HOUR_S for at in polls if at // HOUR_S == hour and place in polls[at]}
            is_linked = (end - start) * 2 <= cadence_s(HOUR_S * hour + start) * 5
            is_complete = not any(at % HOUR_S in of_place for at in range(start + 1, end))
            if is_linked and is_complete and not (in_run[n] or in_run[(n + 1) % len(slots)]):
                seconds[uid, hour] += end - start
    return seconds


def _statuses_by_second(polls: Polls) -> dict[tuple[str, int], dict[int, tuple[str, str]]]:
    """By EVSE and hour: which place said what at which second of it, the first one by name."""
    by_second: dict[tuple[str, int], dict[int, tuple[str, str]]] = defaultdict(dict)
    for second, answers in polls.items():
        for place in sorted(answers, reverse=True):
            for uid, status in answers[place].items():
                by_second[uid, second // HOUR_S][second % HOUR_S] = (place, status)
    return by_second


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(polls=ANYWHERE | OVERLAPPING | jittered(), cadence_s=st.sampled_from([even, mixed]))
def test_marts__no_instant_of_an_hour_counts_twice(polls: Polls, cadence_s: Cadence) -> None:
    warehouse = load(lake_of(polls, cadence_s))
    observed, exposed = {}, {}
    for row in rows(warehouse, "mart_evse_hour"):
        exposed[KEYS[row["evse_key"]], hour_number(row)] = row["session_exposure_s"]
        seconds = Counter({name: row[name] for name in SECONDS if row[name]})
        assert row["observed_s"] == seconds.total() <= HOUR_S
        observed[KEYS[row["evse_key"]], hour_number(row)] = seconds
    assert observed == paint(polls, cadence_s)
    assert exposed == exposures(polls, cadence_s)
    for row in rows(warehouse, "mart_station_hour"):
        assert row["observed_s"] == sum(row[name] for name in SECONDS) <= row["window_s"]
        assert row["saturated_s"] <= row["saturated_or_unknown_s"] <= row["station_operable_s"]
        assert row["station_operable_s"] <= HOUR_S


@pytest.mark.slow
@settings(max_examples=EXAMPLES // 2)
@given(first=st.integers(0, CADENCE_S - 1), statuses=st.lists(STATUSES, min_size=12, max_size=12))
def test_marts__regular_polls_stand_for_their_cadence_wherever_in_the_hour(
    first: int, statuses: list[dict[str, str]]
) -> None:
    polls = {first + CADENCE_S * n: {"koeln": each} for n, each in enumerate(statuses)}
    expected: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for number, each in enumerate(statuses):
        for uid, status in each.items():
            expected[uid, number // 6][COLUMN[status]] += CADENCE_S
    for row in rows(load(lake_of(polls)), "mart_evse_hour"):
        seconds = expected.pop((KEYS[row["evse_key"]], hour_number(row)))
        assert {name: row[name] for name in SECONDS if row[name]} == seconds
    assert not expected


OVERLAPS = {
    "two pollers five minutes apart": every(600) | every(600, first=300),
    "two pollers seconds apart": every(600) | every(600, first=7),
    "each place at slots of its own": every(600, place="bonn") | every(600, first=240),
    "an import in addition to polls": every(600) | every(598, first=95),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_mart_evse_hour__two_collectors_fill_an_hour_and_no_more(name: str) -> None:
    warehouse = load(lake_of(OVERLAPS[name]))
    for table in ("mart_evse_hour", "mart_station_hour"):
        for row in rows(warehouse, table):
            assert row["observed_s"] == row["charging_s"] == HOUR_S, table


def test_mart_evse_hour__two_collectors_of_different_cadence_fill_an_hour_and_no_more() -> None:
    polls = every(300, count=24) | every(600, first=60)
    result = rows(load(lake_of(polls, mixed)), "mart_evse_hour")
    assert [row["observed_s"] for row in result] == [HOUR_S] * 2


def test_mart_station_hour__places_that_share_a_station_fill_an_hour_and_no_more() -> None:
    polls = {300 * n: {("bonn", "koeln")[n % 2]: {f"e{n % 2 + 1}": "CHARGING"}} for n in range(12)}
    shared = hours.lake_of(
        {
            second / 60: {place: [station([evse(uid, "CHARGING") for uid in statuses])]}
            for second, answers in polls.items()
            for place, statuses in answers.items()
        }
    )
    (row,) = rows(load(shared), "mart_station_hour")
    assert (row["evse_count"], row["observed_s"]) == (2, 2 * HOUR_S)
    assert row["station_operable_s"] == row["saturated_s"] == HOUR_S


def test_mart_evse_hour__polls_closer_than_the_cadence_stand_until_the_next() -> None:
    """Seven polls of a clock that drifts: the last one has what the first six leave of the hour."""
    first, second = rows(load(lake_of(every(598, count=13))), "mart_evse_hour")
    assert (first["observed_s"], first["poll_count"]) == (HOUR_S, 7)
    assert (second["observed_s"], second["poll_count"]) == (5 * 598 + CADENCE_S, 6)


REGULAR = ["AVAILABLE"] * 6


@pytest.mark.parametrize(
    ("statuses", "exposure_s"),
    [
        (REGULAR, 3600),
        # One missing poll: the gap of 20 minutes is within 2.5 cadences.
        ([*REGULAR[:3], None, *REGULAR[:2]], 3600),
        # Two missing polls: half an hour between two polls.
        ([*REGULAR[:2], None, None, *REGULAR[:2]], 1800),
        # A single unknown poll is bridged, of two neither they nor what is next to them count.
        ([*REGULAR[:3], "UNKNOWN", *REGULAR[:2]], 3600),
        ([*REGULAR[:2], "UNKNOWN", "UNKNOWN", *REGULAR[:2]], 1800),
        # After the last poll of the hour comes the first.
        (["UNKNOWN", *REGULAR[:4], "UNKNOWN"], 1800),
        (["UNKNOWN"] * 6, 0),
        # The place answered without the EVSE.
        ([*REGULAR[:3], "", *REGULAR[:2]], 2400),
        ([None, None, None, "AVAILABLE", None, None], 0),
    ],
)
def test_session_exposure__is_time_in_which_a_start_would_have_been_observed(
    statuses: list[str | None], exposure_s: int
) -> None:
    """None is a missing poll, no word an absence."""
    polls: Polls = {
        600 * n: {"koeln": {"e2": "AVAILABLE"} | ({"e1": status} if status else {})}
        for n, status in enumerate(statuses)
        if status is not None
    }
    seconds = {
        KEYS[row["evse_key"]]: row["session_exposure_s"]
        for row in rows(load(lake_of(polls)), "mart_evse_hour")
    }
    assert seconds["e1"] == exposure_s == exposures(polls, even)["e1", 0]


def test_fact_charging_session__idle_time_of_two_collectors_is_counted_once() -> None:
    statuses = ["AVAILABLE", "CHARGING", *["BLOCKED"] * 16, "AVAILABLE"]
    lake = lake_of({300 * n: {"koeln": {"e1": status}} for n, status in enumerate(statuses)})
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, only=("dim_connector", "fact_"))
    (row,) = warehouse.query("SELECT * FROM warehouse.fact_charging_session").to_pylist()
    assert row["idle_after_s"] == 16 * 300
