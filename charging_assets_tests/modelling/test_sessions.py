"""Charging sessions: derived from polls, in any order in which their hours are loaded.

The reference derives them from single observations, poll by poll, in plain Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.modelling.sessions import IDLE, LONGEST
from charging_assets.schemas import flat
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets.warehouse.sql_files import sql
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours
from charging_assets_tests.modelling.hours import HOUR, evse, station

CADENCE = timedelta(minutes=10)
DAY, WEEK = timedelta(days=1), timedelta(days=7)
ELAPSED_MS = 300
# What sessions are made from.
SESSION_TABLES = ("dim_connector", "fact_")
EXAMPLES = max(5, settings().max_examples // 20)

# The status of the EVSE in a poll is a letter; `.` is an answer without the EVSE, `x` a place that
# did not answer, a blank a poll that did not take place.
LETTERS = {
    "a": "AVAILABLE", "c": "CHARGING", "b": "BLOCKED", "u": "UNKNOWN", "o": "OUTOFORDER",
    "n": None,
}  # fmt: skip


def _lake(letters: str) -> MemoryLake:
    """A poll every ten minutes, one a letter; requests go out two seconds after the slot."""
    lake = MemoryLake()
    for number, letter in enumerate(letters):
        if letter != " ":
            first = [] if letter in ".x" else [station([evse("e1", LETTERS[letter])])]
            _put(
                lake,
                10.0 * number,
                None if letter == "x" else [*first, station([evse("e2")], "s2")],
            )
    return lake


def _put(lake: MemoryLake, minute: float, stations: list[Any] | None) -> None:
    header = builders.poll(minute)
    place = builders.place(
        "koeln",
        None if stations is None else builders.envelope(*stations),
        "timeout" if stations is None else "ok",
        requested_at=header.slot_at + timedelta(seconds=2),
        elapsed_ms=ELAPSED_MS,
    )
    builders.archived(lake, header, {"koeln": place})


@dataclass
class _Seen:
    slot: datetime
    letter: str
    requested_at: datetime
    answered_at: datetime


def reference(letters: str) -> list[tuple[Any, ...]]:
    """First and last slot, bounds, polls and idle time of each session, in minutes after HOUR."""
    good = [
        _Seen(
            (slot := HOUR.start + number * CADENCE),
            letter,
            slot + timedelta(seconds=2),
            slot + timedelta(seconds=2, milliseconds=ELAPSED_MS),
        )
        for number, letter in enumerate(letters)
        if letter not in "x "
    ]
    sessions, at = [], 0
    while at < len(good):
        if good[at].letter == "c" and not _charges_before(good, at):
            sessions.append(_session(good, at))
        at += 1
    return sessions


def _is_linked(good: list[_Seen], at: int) -> bool:
    """The poll follows the previous one without a gap; both have the EVSE."""
    if at <= 0 or at >= len(good) or "." in good[at].letter + good[at - 1].letter:
        return False
    return good[at].slot - good[at - 1].slot <= 2.5 * CADENCE


def _is_blip(good: list[_Seen], at: int) -> bool:
    if not 0 < at < len(good) - 1 or good[at].letter not in "un":
        return False
    if not (_is_linked(good, at) and _is_linked(good, at + 1)):
        return False
    return good[at - 1].letter not in "un" and good[at + 1].letter not in "un"


def _before(good: list[_Seen], at: int) -> int | None:
    if not _is_linked(good, at):
        return None
    return at - 2 if _is_blip(good, at - 1) else at - 1


def _after(good: list[_Seen], at: int) -> int | None:
    if not _is_linked(good, at + 1):
        return None
    return at + 2 if _is_blip(good, at + 1) else at + 1


def _charges_before(good: list[_Seen], at: int) -> bool:
    before = _before(good, at)
    return before is not None and good[before].letter == "c"


def _session(good: list[_Seen], first: int) -> tuple[Any, ...]:
    last, polls, bridged = first, 1, 0
    while (after := _after(good, last)) is not None and good[after].letter == "c":
        bridged += after - last - 1
        last, polls = after, polls + 1
    before, after = _before(good, first), _after(good, last)
    previous = good[before] if before is not None and good[before].letter not in "un" else None
    closed = good[after] if after is not None and good[after].letter not in "un" else None
    blocked: list[_Seen] = []
    while after is not None and good[after].letter == "b":
        blocked, after = [*blocked, good[after]], _after(good, after)
    return (
        _minutes(good[first].slot), _minutes(good[last].slot),
        _minutes(previous.requested_at) if previous else None, _minutes(good[first].answered_at),
        _minutes(good[last].requested_at), _minutes(closed.answered_at) if closed else None,
        polls, bridged, _idle_s(blocked) if closed else None,
    )  # fmt: skip


def _idle_s(blocked: list[_Seen]) -> float:
    """What polls of BLOCKED stand for, each for ten minutes, until a run begins a day later."""
    idle, run_from = 0, blocked[0].slot if blocked else HOUR.start
    for before, seen in pairwise([*blocked[:1], *blocked]):
        if Hour.of(before.slot) != Hour.of(seen.slot):
            run_from = seen.slot
        idle += 600 if run_from < blocked[0].slot + DAY else 0
    return min(idle, 86400.0)


def _minutes(at: datetime) -> float:
    return (at - HOUR.start).total_seconds() / 60


SESSIONS = """
SELECT slot_at, last_slot_at, started_after, started_before, ended_after, ended_before,
  poll_count, bridged_poll_count, idle_after_s
FROM warehouse.fact_charging_session WHERE evse_uid = 'e1' ORDER BY slot_at
"""


def _sessions(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    return hours.rows(warehouse, SESSIONS)


def _load(letters: str, only: str | tuple[str, ...] = SESSION_TABLES) -> DuckDBWarehouse:
    lake, warehouse = _lake(letters), DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, only)
    return warehouse


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("aacca", [(20, 30, True, True)]),
        ("aaaaacca", [(50, 60, True, True)]),  # across the hour
        ("acuca", [(10, 30, True, True)]),  # bridged
        ("acuuca", [(10, 10, True, False), (40, 40, False, True)]),  # two unknown are not
        ("ac.ca", [(10, 10, True, False), (30, 30, False, True)]),  # absent from a good poll
        ("acxca", [(10, 30, True, True)]),  # one poll failed
        ("acxxca", [(10, 10, True, False), (40, 40, False, True)]),  # two failed are a gap
        ("auca", [(20, 20, True, True)]),  # a single unknown before is looked through
        ("cca", [(0, 10, False, True)]),  # begun before the first poll
        ("acc", [(10, 20, True, False)]),  # still charging
        ("acbbba", [(10, 10, True, True)]),
        ("acona", [(10, 10, True, True)]),
        ("ancnca", [(20, 40, True, True)]),
    ],
)
def test_sessions__of_a_pattern_of_polls(letters: str, expected: list[Any]) -> None:
    sessions = _sessions(_load(letters))
    assert [(r[0], r[1], r[2] is not None, r[5] is not None) for r in sessions] == expected
    assert sessions == reference(letters)


def test_sessions__idle_time_is_blocked_time_directly_after() -> None:
    (row,) = _sessions(_load("acbbba"))
    assert row[8] == 1800
    (row,) = _sessions(_load("accabb"))
    assert row[8] == 0


def test_sessions__durations_and_energy_lie_within_their_bounds() -> None:
    warehouse = _load("aaccca")
    (row,) = warehouse.query(
        "SELECT * FROM warehouse.fact_charging_session WHERE evse_uid = 'e1'"
    ).to_pylist()
    assert row["started_after"] < row["started_at"] < row["started_before"]
    assert row["ended_after"] < row["ended_at"] < row["ended_before"]
    assert row["duration_min_s"] < row["duration_s"] < row["duration_max_s"]
    apart = row["duration_max_s"] - row["duration_min_s"]
    assert apart == pytest.approx(1200 + 2 * ELAPSED_MS / 1000)
    assert row["max_power_kw"] == 22
    # 32 A at 400 V on three phases, rounded up: 22.2 kW.
    assert row["energy_max_kwh"] == pytest.approx(22.2 * row["duration_max_s"] / 3600)
    assert row["energy_min_kwh"] == 0


def _power_range(
    *polls: list[dict[str, Any]], start_min: float = 0
) -> tuple[float | None, float | None]:
    """The published power and the bound, in kW, of a session over polls of these connectors.

    The poll before it is so many minutes after HOUR's start.
    """
    lake = MemoryLake()
    for number, connectors in enumerate([polls[0], *polls, polls[-1]]):
        status = "CHARGING" if 0 < number <= len(polls) else "AVAILABLE"
        minute = start_min + 10.0 * number
        hours.put(lake, minute, [station([builders.evse("e1", connectors, status=status)])])
    warehouse = DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, SESSION_TABLES)
    (row,) = warehouse.query("SELECT * FROM warehouse.fact_charging_session").to_pylist()
    return _session_power(row)


def _session_power(row: dict[str, Any]) -> tuple[float | None, float | None]:
    """The published power and the bound, in kW, of a row of a session."""
    if row["energy_max_kwh"] is None:
        return row["max_power_kw"], None
    return row["max_power_kw"], round(row["energy_max_kwh"] / row["duration_max_s"] * 3600, 6)


def _connector(
    power_kw: Any, ampere: Any = None, voltage: Any = None, power_type: Any = "AC_3_PHASE",
    connector_id: str = "c1",
) -> dict[str, Any]:  # fmt: skip
    return builders.connector(
        connector_id, max_power=power_kw, ampere=ampere, voltage=voltage, power_type=power_type
    )


PLAUSIBLE_POWER: list[tuple[list[dict[str, Any]], tuple[float | None, float | None]]] = [
    ([_connector(22)], (22, 22)),
    ([_connector(22, 32, 400)], (22, 22.2)),
    ([_connector(22, 16, 400)], (22, 22)),
    ([_connector(22000, 32, 230)], (None, 22.1)),  # in W: dropped; 230 V is that of one phase
    ([_connector(7590, 32, 230, "AC_1_PHASE")], (None, 7.4)),
    ([_connector(22000)], (None, None)),
    ([_connector(0, 0, 0)], (None, None)),
    ([_connector("150,0", 375, 400, "DC")], (150, 150)),
    ([_connector(150, 500, 1000, "DC")], (150, 500)),
    ([_connector(1000, 3000, 1250, "DC")], (1000, 1500)),
    ([_connector(3, 8, 400)], (3, 5.6)),
    ([_connector(3, 16, 230, "AC_1_PHASE")], (3, 3.7)),
    ([_connector(3, 16, 230, "AC_2_PHASE_SPLIT")], (3, 7.4)),
    ([_connector(None, 32, 230, None)], (None, 22.1)),
    ([_connector(None, 32, 12, "AC_1_PHASE")], (None, None)),  # a voltage of none
    ([_connector(11, 32, 400), _connector(50, connector_id="c2")], (50, 50)),
    ([_connector(11, 32, 400), _connector(150000, connector_id="c2")], (11, None)),
]


def test_sessions__energy_is_bounded_by_the_greatest_plausible_power() -> None:
    lake = MemoryLake()
    for number, status in enumerate(("AVAILABLE", "CHARGING", "CHARGING", "AVAILABLE")):
        evses = [
            builders.evse(f"e{case}", connectors, status=status)
            for case, (connectors, _) in enumerate(PLAUSIBLE_POWER)
        ]
        hours.put(lake, 10.0 * number, [station(evses)])
    warehouse = hours.span_loaded(lake, SESSION_TABLES)
    rows = warehouse.query("SELECT * FROM warehouse.fact_charging_session").to_pylist()
    powers = {row["evse_uid"]: _session_power(row) for row in rows}
    assert powers == {f"e{case}": expected for case, (_, expected) in enumerate(PLAUSIBLE_POWER)}


def test_sessions__energy_knows_the_same_plausible_power_as_the_schema() -> None:
    (power,) = [column for column in flat.CONNECTOR_ATTRIBUTES if column.name == "max_power_kw"]
    text = sql("facts/fact_charging_session")
    assert f"electric_kw >= {power.minimum:g} " in text
    assert f"LEAST(electric_kw, {power.maximum:g})" in text


def test_sessions__are_as_long_as_the_scope_of_a_load_expects() -> None:
    text = sql("facts/fact_charging_session")
    assert set(re.findall(r"DATEADD\('day', (\d+), segment_runs.segment_from\)", text)) == {
        str(LONGEST.days),
        str(IDLE.days),
    }
    assert f"LEAST(valid_after_s, {IDLE.days * 86400})" in text


@pytest.mark.parametrize(
    ("later", "start_min", "expected"),
    [
        ([_connector(22)], 0, (22, 22)),  # all in one hour
        ([_connector(22)], 40, (11, 22)),  # the hour of its start, and one after it
        ([_connector(22000)], 0, (11, None)),
        ([_connector(22000)], 40, (11, None)),
        ([_connector(22, connector_id="c2")], 40, (11, 22)),
        ([], 40, (11, 11)),  # an hour without a connector
    ],
)
def test_sessions__energy_is_bounded_by_every_power_of_the_hours_of_the_session(
    later: list[dict[str, Any]], start_min: float, expected: tuple[Any, Any]
) -> None:
    assert _power_range([_connector(11)], later, start_min=start_min) == expected


def test_sessions__without_a_published_connector_have_no_power() -> None:
    assert _power_range([], []) == (None, None)


@pytest.mark.slow
def test_sessions__power_is_the_same_in_any_order_of_loading() -> None:
    """c1 goes while its EVSE stays, which is known a day later; c3 comes after two sessions."""
    c1, c2, c3 = (
        _connector(power_kw, connector_id=name)
        for name, power_kw in (("c1", 50), ("c2", 22), ("c3", 150))
    )
    # Where a session is in hours 0 and 1, one in hour 1, one in hour 25.
    polls: dict[float, list[Any]] = {0: ["AVAILABLE", c1, c2]}
    polls |= {10.0 * number: ["CHARGING", c2] for number in range(5, 8)}
    polls |= {40: ["AVAILABLE", c2], 80: ["AVAILABLE", c2], 90: ["CHARGING", c2]}
    polls |= {100: ["AVAILABLE", c2], 1500: ["AVAILABLE", c2], 1510: ["CHARGING", c2]}
    polls |= {1520: ["AVAILABLE", c2, c3]}
    lake = MemoryLake()
    for minute, (status, *connectors) in polls.items():
        hours.put(lake, minute, [station([builders.evse("e1", connectors, status=status)])])
    as_span = hours.span_loaded(lake)
    power = "SELECT max_power_kw FROM warehouse.fact_charging_session ORDER BY slot_at"
    assert hours.rows(as_span, power) == [(50,), (22,), (150,)]
    gone = "SELECT valid_to FROM warehouse.dim_connector WHERE close_reason = 'disappeared'"
    assert hours.rows(as_span, gone) == [(40,)]
    expected = hours.digests(as_span)
    there = sorted(hours_archived(lake))
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        warehouse = DuckDBWarehouse(None)
        for number in order:
            hours.load(warehouse, lake, there[number])
        assert hours.digests(warehouse) == expected, order


@pytest.mark.parametrize("wrong", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize(
    "at", ["2000-01-01T00:00:00Z", "2022-01-11T21:00:00Z", "2099-12-31T00:00Z"]
)
def test_sessions__a_wrong_source_time_moves_no_limit(at: str, wrong: tuple[int, ...]) -> None:
    lake = MemoryLake()
    for number, status in enumerate(("AVAILABLE", "CHARGING", "AVAILABLE")):
        published = at if number in wrong else f"2022-01-11T20:{number}0:00Z"
        body = builders.envelope(station([evse("e1", status)]), at=published)
        builders.archived(lake, builders.poll(10.0 * number), {"koeln": body})
    warehouse = DuckDBWarehouse(None)
    hours.load(warehouse, lake, only=SESSION_TABLES)
    (row,) = hours.rows(warehouse, SESSIONS)
    assert row[2:6] == (0, 10, 10, 20)


@pytest.mark.slow
def test_sessions__idle_time_includes_late_polls() -> None:
    """Every other poll is missing for more than a day; those of one hour come, and go again."""
    sparse = "ac" + "b " * 90
    lake, warehouse = _lake(sparse), DuckDBWarehouse(None)
    for hour in hours_archived(lake):
        hours.load(warehouse, lake, hour, only="fact")
    assert _sessions(warehouse) == reference(sparse)
    for late in (8, 20, 23, 25, 26):
        letters = sparse[: 6 * late] + "b" * 6 + sparse[6 * (late + 1) :]
        hours.load(warehouse, _lake(letters), hours.hour_after(late), only="fact")
        assert _sessions(warehouse) == reference(letters)
        hours.load(warehouse, lake, hours.hour_after(late), only="fact")
        assert _sessions(warehouse) == reference(sparse)


@pytest.mark.slow
def test_sessions__idle_time_of_a_day_is_the_same_in_any_order() -> None:
    letters = "ac" + "b " * 40 + "bu" * 6 + "b" * 60 + "acbba"
    lake, warehouse = _lake(letters), DuckDBWarehouse(None)
    there = list(hours_archived(lake))
    for hour in sorted(there, key=lambda hour: hour.start.hour * 7 % 24):
        hours.load(warehouse, lake, hour, only="fact")
    assert _sessions(warehouse) == reference(letters)


@pytest.mark.slow
def test_sessions__of_over_a_week_are_stuck_and_end_there() -> None:
    warehouse, lake = DuckDBWarehouse(None), MemoryLake()
    # One poll an hour would be a gap: each hour has three, twenty minutes apart.
    for number in range(9 * 24 * 3):
        _put(lake, 20.0 * number, [station([evse("e1", "CHARGING" if number else "AVAILABLE")])])
    there = sorted(hours_archived(lake))
    # One by one around the hour in which a week has passed.
    early = {hour: hours.flat_files(lake, hour) for hour in there[: 6 * 24]}
    hours.load_span(warehouse, early, only="fact")
    for hour in there[6 * 24 :]:
        hours.load(warehouse, lake, hour, only="fact")
    (row,) = warehouse.query("SELECT * FROM warehouse.fact_charging_session").to_pylist()
    assert row["is_stuck"] and row["is_end_censored"] and not row["is_start_censored"]
    length = row["last_slot_at"] - row["slot_at"]
    assert WEEK - timedelta(hours=1) <= length <= WEEK + timedelta(hours=1)
    assert row["ended_before"] is None and row["idle_after_s"] is None


def test_sessions__imported_polls_are_bounded_by_the_published_time() -> None:
    lake = MemoryLake()
    for number, status in enumerate(("AVAILABLE", "CHARGING", "AVAILABLE")):
        hours.put(lake, 10.0 * number, [station([evse("e1", status)])])
    warehouse = DuckDBWarehouse(None)
    hours.load(warehouse, lake, only=SESSION_TABLES)
    (row,) = hours.rows(warehouse, SESSIONS)
    assert row[2:6] == pytest.approx((0.05, 10.05, 10.05, 20.05))


LETTER_PATTERNS = st.text(st.sampled_from("aaccccbuonx. "), min_size=19, max_size=30)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(letters=LETTER_PATTERNS)
@example(letters="acccccccccccccccccca")
@example(letters="accuccxuccbbbbx bcc.ccu")
def test_sessions__equal_the_reference(letters: str) -> None:
    assert _sessions(_load(letters)) == reference(letters)


@pytest.mark.slow
@settings(max_examples=EXAMPLES)
@given(letters=LETTER_PATTERNS, wrong=LETTER_PATTERNS, data=st.data())
def test_sessions__any_order_with_repeats_and_replacements_gives_the_same(
    letters: str, wrong: str, data: st.DataObject
) -> None:
    right, bad = _lake(letters), _lake(wrong)
    there = list(hours_archived(right))
    order = data.draw(st.permutations(there))
    replaced = data.draw(st.permutations(there))[:2]
    warehouse = DuckDBWarehouse(None)
    for hour in replaced:
        if hour in hours_archived(bad):
            hours.load(warehouse, bad, hour)
    for hour in (*order, *order[:1]):
        hours.load(warehouse, right, hour)
    assert _sessions(warehouse) == reference(letters)
    assert hours.digests(warehouse) == hours.digests(hours.span_loaded(right))
