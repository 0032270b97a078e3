"""fact_status: given polls, expected runs; fact_poll: the outcome of each place's poll."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.identities import FeedIdentity
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling import plans
from charging_assets.modelling.staging import staging_plan
from charging_assets.preprocessing.clean import canonical
from charging_assets.schemas import facts
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.plan import GuardFailed, ReplaceFromSelect, Scope
from charging_assets.warehouse.sql_files import sql
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, loaded, rows, stand, station

RUNS = """
SELECT first_slot_at, last_slot_at, poll_count, status
FROM warehouse.fact_status
ORDER BY place, evse_uid, first_slot_at
"""


def runs_of(polls: dict[float, Any]) -> list[tuple[Any, ...]]:
    return rows(loaded(polls, only="fact"), RUNS)


def test_fact_status__equal_polls_are_one_run() -> None:
    polls = {minute: stand("AVAILABLE") for minute in (0, 10, 20, 30, 40, 50)}
    assert runs_of(polls) == [(0, 50, 6, "AVAILABLE")]


def test_fact_status__a_change_ends_the_run() -> None:
    polls = {0: stand("AVAILABLE"), 10: stand("AVAILABLE"), 20: stand("CHARGING"), 30: stand()}
    assert runs_of(polls) == [
        (0, 10, 2, "AVAILABLE"),
        (20, 20, 1, "CHARGING"),
        (30, 30, 1, "AVAILABLE"),
    ]


def test_fact_status__an_absence_from_a_good_poll_ends_the_run() -> None:
    without = [station([evse("e2")])]
    both = [station([evse("e1"), evse("e2")])]
    assert runs_of({0: both, 10: without, 20: both}) == [
        (0, 0, 1, "AVAILABLE"),
        (20, 20, 1, "AVAILABLE"),
        (0, 20, 3, "AVAILABLE"),
    ]


def test_fact_status__an_empty_answer_ends_the_run() -> None:
    assert runs_of({0: stand(), 10: [], 20: stand()}) == [
        (0, 0, 1, "AVAILABLE"),
        (20, 20, 1, "AVAILABLE"),
    ]


def test_fact_status__a_failed_poll_alone_does_not_end_the_run() -> None:
    assert runs_of({0: stand(), 10: None, 20: stand()}) == [(0, 20, 2, "AVAILABLE")]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (25, [(0, 25, 2, "AVAILABLE")]),
        (25.02, [(0, 0, 1, "AVAILABLE"), (25.02, 25.02, 1, "AVAILABLE")]),
        (50, [(0, 0, 1, "AVAILABLE"), (50, 50, 1, "AVAILABLE")]),
    ],
)
def test_fact_status__a_gap_of_over_two_and_a_half_cadences_ends_the_run(
    second: float, expected: list[Any]
) -> None:
    result = runs_of({0: stand(), second: stand()})
    assert [(*map(pytest.approx, row[:3]), row[3]) for row in expected] == result


def test_fact_status__failed_polls_in_a_gap_do_not_bridge_it() -> None:
    assert runs_of({0: stand(), 10: None, 20: None, 30: stand()}) == [
        (0, 0, 1, "AVAILABLE"),
        (30, 30, 1, "AVAILABLE"),
    ]


def test_fact_status__a_null_status_is_a_separate_state() -> None:
    words = ("AVAILABLE", "NONSENSE", "NONSENSE", None, "available", "AVAILABLE")
    polls = {10 * number: stand(word) for number, word in enumerate(words)}
    assert runs_of(polls) == [
        (0, 0, 1, "AVAILABLE"),
        (10, 20, 2, None),
        (30, 30, 1, None),
        (40, 40, 1, "AVAILABLE"),
        (50, 50, 1, "AVAILABLE"),
    ]
    published = "SELECT status_published FROM warehouse.fact_status ORDER BY slot_at"
    assert rows(loaded(polls, only="fact"), published) == [
        ("AVAILABLE",), ("NONSENSE",), (None,), ("available",), ("AVAILABLE",),
    ]  # fmt: skip


def test_fact_status__a_parking_change_ends_the_run() -> None:
    polls = {
        0: stand(parkingsensor_status="FREE"),
        10: stand(parkingsensor_status="OCCUPIED"),
        20: stand(parkingsensor_status="-"),
        30: stand(parkingsensor_status=None),
    }
    result = rows(
        loaded(polls, only="fact"),
        "SELECT first_slot_at, last_slot_at, parking_status FROM warehouse.fact_status ORDER BY 1",
    )
    assert result == [(0, 0, "FREE"), (10, 10, "OCCUPIED"), (20, 30, None)]


def test_fact_status__an_override_change_ends_the_run() -> None:
    def with_connector(status: str) -> list[dict[str, Any]]:
        return stand("CHARGING", connectors=[builders.connector("c9", status=status)])

    polls = {0: with_connector("CHARGING"), 10: with_connector("BLOCKED"), 20: with_connector("X")}
    result = rows(
        loaded(polls, only="fact"),
        "SELECT first_slot_at, connector_status_overrides FROM warehouse.fact_status ORDER BY 1",
    )
    assert result == [(0, None), (10, '{"c9":"BLOCKED"}'), (20, '{"c9":null}')]


def test_fact_status__two_places_have_separate_runs() -> None:
    polls = {
        0: {"bonn": stand("CHARGING"), "koeln": stand("AVAILABLE")},
        10: {"bonn": stand("CHARGING"), "koeln": stand("CHARGING")},
        20: {"bonn": None, "koeln": stand("CHARGING")},
    }
    result = rows(
        loaded(polls, only="fact"),
        "SELECT place, first_slot_at, last_slot_at, poll_count, status "
        "FROM warehouse.fact_status ORDER BY 1, 2",
    )
    assert result == [
        ("bonn", 0, 10, 2, "CHARGING"),
        ("koeln", 0, 0, 1, "AVAILABLE"),
        ("koeln", 10, 20, 2, "CHARGING"),
    ]


def test_fact_status__feeds_of_one_network_have_separate_runs_in_places_of_one_name() -> None:
    lake, warehouse = MemoryLake(), DuckDBWarehouse(None)
    feeds = ("other", "test")
    for minute, status in ((0, "AVAILABLE"), (10, "CHARGING"), (20, "AVAILABLE")):
        for feed in feeds:
            hours.put(lake, minute, stand(status), feed)
    identities = {feed: FeedIdentity("test", None) for feed in feeds}
    hours.load_files(warehouse, hours.flat_files(lake, HOUR, identities), only="fact")
    result = rows(
        warehouse, "SELECT feed, slot_at, status FROM warehouse.fact_status ORDER BY 1, 2"
    )
    states = [(0, "AVAILABLE"), (10, "CHARGING"), (20, "AVAILABLE")]
    assert result == [(feed, *state) for feed in feeds for state in states]


def test_fact_status__a_run_never_crosses_an_hour() -> None:
    polls = {50: stand(), 59.99: stand(), 60: stand(), 70: stand()}
    result = runs_of(polls)
    assert [(row[0], row[1], row[2]) for row in result] == [
        (50, pytest.approx(59.99, abs=0.01), 2),
        (60, 70, 2),
    ]


def test_fact_status__a_window_of_hours_gives_what_each_hour_gives() -> None:
    polls: dict[float, Any] = {
        minute: stand("CHARGING" if minute % 40 else "AVAILABLE") for minute in range(0, 180, 10)
    }
    warehouse = loaded(polls, only="fact")
    start, end = HOUR.start.replace(tzinfo=None), hours.hour_after(3).start.replace(tzinfo=None)
    at_once = rows(
        warehouse,
        f"SELECT * FROM ({sql('facts/fact_status')}) AS window_rows",
        window_start=start,
        window_end=end,
    )
    by_hour = rows(warehouse, f"SELECT {', '.join(facts.FACT_STATUS.names)} "
                   "FROM warehouse.fact_status")  # fmt: skip
    assert len(by_hour) > 6
    assert sorted(map(repr, at_once)) == sorted(map(repr, by_hour))


def test_fact_plan__runs_that_lose_a_polled_row_are_refused_and_the_old_ones_stay() -> None:
    lake = hours.lake_of({0: stand("AVAILABLE"), 10: stand("CHARGING")})
    warehouse = DuckDBWarehouse(None)
    hours.load(warehouse, lake)
    before = hours.digests(warehouse)
    plan = plans.fact_plan(facts.FACT_STATUS, HOUR)
    (replace, *guards) = plan.steps
    assert isinstance(replace, ReplaceFromSelect) and len(guards) == 1
    lossy = f"SELECT * FROM ({replace.select}) AS runs WHERE status = 'CHARGING'"
    worse = ReplaceFromSelect(replace.table, replace.scope, lossy, replace.params)
    broken = type(plan)(**{**vars(plan), "steps": (worse, *guards), "code_version": "planted"})
    with pytest.raises(GuardFailed, match=r"covers_every_polled_row.*koeln.*Materialize"):
        warehouse.apply(broken)
    assert hours.digests(warehouse) == before


def test_fact_poll__has_every_place_and_poll() -> None:
    polls = {0: {"bonn": None, "koeln": stand()}, 10: {"bonn": stand(), "koeln": []}}
    result = rows(
        loaded(polls, only="fact"),
        "SELECT place, slot_at, outcome, observed_at, station_count, evse_count "
        "FROM warehouse.fact_poll ORDER BY 1, 2",
    )
    assert result == [
        ("bonn", 0, "timeout", None, 0, 0),
        ("bonn", 10, "ok", 10.05, 1, 1),
        ("koeln", 0, "ok", 0.05, 1, 1),
        ("koeln", 10, "ok", 10.05, 0, 0),
    ]


STATUS = st.sampled_from(["AVAILABLE", "available", "CHARGING", None, "-odd-"])
PARKING = st.sampled_from([None, "FREE", "OCCUPIED"])
ONE_EVSE = st.none() | st.tuples(STATUS, PARKING, st.booleans())
ANSWER = st.none() | st.fixed_dictionaries({"e1": ONE_EVSE, "e2": ONE_EVSE})
POLL = st.fixed_dictionaries({"bonn": ANSWER, "koeln": ANSWER})


def _answer(states: dict[str, Any] | None) -> list[dict[str, Any]] | None:
    if states is None:
        return None
    result = []
    for uid, state in states.items():
        if state is not None:
            status, parking, is_override = state
            fields = {"connectors": [builders.connector(f"{uid}-c", status="BLOCKED")]}
            result.append(
                evse(uid, status, parkingsensor_status=parking, **(fields if is_override else {}))
            )
    return [station(result)]


def _polled(polls: dict[float, Any]) -> Iterator[tuple[Any, ...]]:
    """The statuses of every poll, from the records that were published."""
    for minute, places in polls.items():
        for place, answer in places.items():
            for record in answer[0]["evses"] if answer else ():
                word = record["status"]
                status = {"available": "AVAILABLE", "-odd-": None}.get(word, word)
                (connector,) = record["connectors"]
                override = connector["status"]
                override = {"available": "AVAILABLE"}.get(override, override)
                overrides = None
                if override == "-odd-":
                    override = None
                if connector["status"] is not None and override != status:
                    overrides = canonical({connector["id"]: override}, 60_000)
                yield (
                    minute,
                    place,
                    record["uid"],
                    (minute * 60 + 3) / 60,  # the clock of the source
                    status,
                    word,
                    record.get("parkingsensor_status"),
                    overrides,
                )


EXPANDED = """
SELECT
    polls.slot_at, runs.place, runs.evse_uid, polls.observed_at,
    runs.status, runs.status_published, runs.parking_status, runs.connector_status_overrides
FROM warehouse.fact_status AS runs
INNER JOIN warehouse.fact_poll AS polls
    ON runs.feed = polls.feed AND runs.place = polls.place
    AND runs.first_slot_at <= polls.slot_at AND runs.last_slot_at >= polls.slot_at
WHERE polls.outcome IN ('ok', 'not_modified')
"""


@pytest.fixture(scope="module")
def one_warehouse() -> DuckDBWarehouse:
    """One for all examples: each replaces the hour of the one before."""
    return DuckDBWarehouse(None)


@settings(max_examples=max(20, settings().max_examples // 10))
@given(
    polls=st.dictionaries(st.integers(0, 11).map(lambda n: n * 5), POLL, min_size=1, max_size=12)
)
def test_fact_status__expands_to_every_polled_row_exactly(
    one_warehouse: DuckDBWarehouse, polls: dict[int, Any]
) -> None:
    polls = {
        float(minute): {place: _answer(states) for place, states in places.items()}
        for minute, places in polls.items()
    }
    one_warehouse.apply(staging_plan(HOUR, hours.flat_files(hours.lake_of(polls))))
    for fact in plans.FACTS:
        one_warehouse.apply(plans.fact_plan(fact, HOUR))
    expanded = sorted(map(repr, rows(one_warehouse, EXPANDED)))
    assert expanded == sorted(map(repr, _polled(polls)))


def test_fact_status__its_scope_is_the_hour_alone() -> None:
    plan = plans.fact_plan(facts.FACT_STATUS, HOUR)
    replace = plan.steps[0]
    assert isinstance(replace, ReplaceFromSelect)
    assert replace.scope == Scope(
        "slot_at >= :scope_start AND slot_at < :scope_end",
        {
            "scope_start": HOUR.start.replace(tzinfo=None),
            "scope_end": HOUR.end.replace(tzinfo=None),
        },
    )
