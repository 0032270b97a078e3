"""Every query of the docs returns figures that were computed by hand, on both engines.

The data is `uneven_home`. EVSE hours below are hours times EVSEs: its polls stand for whole hours.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pandas as pd
import pytest

from charging_assets.analyst import Connection
from charging_assets_tests import snippets
from charging_assets_tests.uneven_home import APRIL, ASUNCION_SATURDAY, NOW, SATURDAY, TUESDAY, at

PAGE = snippets.ROOT / "docs/queries.md"
QUESTIONS = {
    section.partition("\n")[0]: blocks[0]
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.M)
    if (blocks := re.findall(r"```sql\n(.*?)```", section, flags=re.S))
}
BUSIEST = "Which local hour is the busiest in each city?"
RELIABILITY = "Which stations are below 99 % reliability?"
GAINED = "Who gained EVSEs?"
IDLE = "Where do cars stay longest after charging?"
FREE = "What was free in each place at its newest poll of the last hour?"
CCS = "Where can a car charge by CCS with 50 kW or more?"
OPEN = "Which stations are open at a given time?"
RFID = "Which EVSEs have a card reader for RFID?"
RELABELLED = "Which EVSEs were relabelled or probably replaced?"
UNKNOWN = "What share of the time is the status unknown, by operator?"
NEVER = "Which EVSEs were never seen charging?"
DWELL = "How long are sessions, by power class?"
GAPS = "Which days have gaps?"
CHANGED = "What changed at a station?"
FIELDS = "When did the source's fields change?"

# Query, its parameters, columns to compare, and the rows there are, in order.
EXPECTED: list[tuple[str, dict[str, Any], str, list[tuple[Any, ...]]]] = [
    (
        BUSIEST,
        {"since": SATURDAY},
        "feed place local_hour occupancy",
        [
            # 23:00 is twice on the 26th, once CHARGING: 1 of 4 EVSE hours. Four hours before the
            # first poll are missing, but only of the whole day: 25 / 29 were observed.
            ("paraguay", "asuncion", 23, 1 / 4),
            # 9:00: half an hour, an hour, an hour, of 4 + 3 + 4 EVSE hours. The four polls of the
            # first day's hour count once. koeln and kiel: below 0.8 of the window.
            ("test", "bonn", 9, 2.5 / 11),
        ],
    ),
    (
        BUSIEST,
        # 18:00 is hours 18 and 42: m1b and m1c of 3 EVSEs, then m1b. The other feeds have no day.
        {"since": APRIL},
        "feed place local_hour occupancy",
        [("april", "kiel", 18, 3 / 6)],
    ),
    (
        RELIABILITY,
        {"since": SATURDAY},
        "feed station_name reliability",
        # b1: 82 + 82 + 45 + 13 + 6 EVSE hours, 6 of them OUTOFORDER. x1 has half an hour of 82.
        # koeln was seen in 55 of 82 hours: k2 and k3 have no figure.
        [("test", "Station b1", 1 - 6 / 228)],
    ),
    (
        RELIABILITY,
        {"since": TUESDAY},
        "feed station_name reliability",
        # k2: 10 of 22 OUTOFORDER, and 11 of REMOVED. k3: 2 of 11, but 9 of 11 are unknown.
        [("test", "Station k2", 1 - 10 / 22)],
    ),
    (
        GAINED,
        {"since": SATURDAY},
        "operator_name new_evses",
        # b1c, after the operator had changed; b1e before, though it is gone. Not: what was at the
        # first poll of asuncion and kiel, and a1c, which replaces a1b.
        [("Netze", 1), ("Werke", 1)],
    ),
    (GAINED, {"since": at(27, 1)}, "operator_name new_evses", [("Netze", 1)]),
    (
        IDLE,
        {"since": SATURDAY},
        "place evse_uid ended_at idle_min",
        # Two polls of an hour each. k1b's first session has no end.
        [("bonn", "b1a", at(28, 7, 30), 120.0)],
    ),
    (
        FREE,
        {"now": NOW},
        "feed place slot_at free evses",
        # bonn: b1a, b1b, b1c, x1a. koeln: k1b, k2a are free; k1a, k3a, x1a are not; k2b is REMOVED.
        [("test", "bonn", at(29, 8), 4, 4), ("test", "koeln", at(29, 8), 2, 5)],
    ),
    (FREE, {"now": at(29, 9)}, "feed place", []),  # one hour after the poll
    (
        CCS,
        {},
        "name max_power_kw",
        [("Station b1", 150.0)],
    ),  # b1b; b1d is gone, others have CHAdeMO
    (
        OPEN,
        {"now": NOW},
        "station_id opens_min closes_min",
        # 10:30 of summer time, a Tuesday. k2: 10 to 11, k3: 11 to 18, k1 publishes no hours.
        # m1 was first seen in April.
        [("a1", 0, 1440), ("b1", 0, 1440), ("k2", 600, 660), ("x1", 0, 1440)],
    ),
    (RFID, {}, "evse_uid", [("b1a",)]),  # b1b had one until the 27th, b1d is gone
    (
        RELABELLED,
        {},
        "changed_at former_evse_uid evse_uid reason is_guess",
        [(at(26, 5), "a1b", "a1c", "same_evse_id", True)],
    ),
    (
        UNKNOWN,
        {},
        "feed local_month operator_name unknown_share",
        # 12 of 144 EVSE hours. March was polled from the 26th on: no figure.
        [
            ("april", datetime(2022, 4, 1), "Werke", 12 / 144),
            ("paraguay", datetime(2022, 3, 1), "Electra", None),
            ("test", datetime(2022, 3, 1), "Netze", None),
            ("test", datetime(2022, 3, 1), "Stadt", None),
            ("test", datetime(2022, 3, 1), "Werke", None),
        ],
    ),
    (
        NEVER,
        {"since": SATURDAY},
        "evse_uid polls observed_h",
        # koeln: 55 hourly polls and one more; the 9:30 poll halves its hour with the one of 9:00.
        # a1c: 26 March 5:00 to 27 March 9:00.
        [
            ("a1c", 29, 29.0),
            ("k1a", 56, 55.0),
            ("k2a", 56, 55.0),
            ("k2b", 56, 55.0),
            ("k3a", 56, 55.0),
            ("m1a", 48, 48.0),
        ],
    ),
    (
        # x1a is in both places: 85 slots of bonn and one of koeln, not 141. It charged on the 27th.
        NEVER,
        {"since": at(27, 16)},
        "evse_uid polls observed_h",
        [
            ("b1c", 41, 41.0),
            ("k1a", 17, 17.0),
            ("k1b", 17, 17.0),
            ("k2a", 17, 17.0),
            ("k2b", 17, 17.0),
            ("k3a", 17, 17.0),
            ("m1a", 48, 48.0),
            ("x1a", 41, 41.0),
        ],
    ),
    (
        DWELL,
        {"since": SATURDAY},
        "feed power_class sessions mean_min",
        [
            ("april", "dc", 6, None),  # six days without a poll
            ("april", "hpc", 6, None),
            ("paraguay", "ac", 1, None),
            # 30 minutes; four of an hour; one of 30 minutes or more, cut by the gap. All are still
            # charging for 30 minutes, 5 of 6 for 30 more. Completed ones alone: 54.
            ("test", "ac", 6, 30 + 30 * 5 / 6),
            ("test", "hpc", 1, None),
        ],
    ),
    (
        DWELL,
        {"since": APRIL},
        "feed power_class sessions mean_min",
        # dc: five of an hour, and one of which the end is open: 1 of 6 may last for long.
        # hpc: five of an hour, one of 27, of which 24 count: an hour, and a sixth of 23.
        [("april", "dc", 6, None), ("april", "hpc", 6, 60 + 23 * 60 / 6)],
    ),
    (
        GAPS,
        {},
        "feed place local_date coverage missing_days",
        # asuncion has its 25 hours; a1b's and a1c's windows end and begin with them. The day of
        # the newest poll: 6 of 24 hours, 11 of 24.
        [
            ("paraguay", "asuncion", datetime(2022, 3, 27), 6 / 24, 0),
            ("test", "bonn", datetime(2022, 3, 29), 11 / 24, 0),
            ("test", "koeln", datetime(2022, 3, 26), 21 / 24, 0),
            ("test", "koeln", datetime(2022, 3, 27), 1.0, 1),
            ("test", "koeln", datetime(2022, 3, 29), 11 / 24, 0),
        ],
    ),
    (
        CHANGED,
        {"station_id": "b1"},
        "valid_from valid_to operator_name close_reason",
        [
            (at(25, 23), at(27, 12), "Werke", "changed"),
            (at(27, 12), None, "Netze", None),
        ],
    ),
    (
        FIELDS,
        {},
        "feed first_at last_at polls",
        # koeln has fields of its own, and one more since the 28th, 22:00; bonn and the others have
        # the same.
        [
            ("april", APRIL, at(2, 21, month=4), 48),
            ("paraguay", ASUNCION_SATURDAY, at(27, 9), 31),
            ("test", SATURDAY, at(29, 8), 85),
            ("test", SATURDAY, at(27, 21), 45),
            ("test", TUESDAY, at(29, 8), 11),
        ],
    ),
]


def rows(frame: pd.DataFrame, columns: str) -> list[tuple[Any, ...]]:
    """Rows of plain values; what is not there is None, floats need not be equal in all digits."""
    return [
        tuple(
            None if pd.isna(value) else pytest.approx(value) if isinstance(value, float) else value
            for value in row
        )
        for row in frame[columns.split()].itertuples(index=False)
    ]


def test_queries__each_has_an_expectation() -> None:
    assert {question for question, *_ in EXPECTED} == set(QUESTIONS)
    assert len(QUESTIONS) == 15


@pytest.mark.parametrize(
    ("question", "params", "columns", "expected"),
    EXPECTED,
    ids=[f"{question[:40]}-{number}" for number, (question, *_) in enumerate(EXPECTED)],
)
def test_queries__of_uneven_data__give_what_was_worked_out(
    uneven_home: Connection,
    question: str,
    params: dict[str, Any],
    columns: str,
    expected: list[tuple[Any, ...]],
) -> None:
    assert rows(uneven_home.sql(QUESTIONS[question], **params), columns) == expected


def test_readme__first_query_counts_evse_polls_by_published_status(uneven_home: Connection) -> None:
    """Polls of both places count where they share an EVSE: it is of what was published."""
    (block,) = (
        block
        for page in snippets.PAGES
        if page.name == "README.md"
        for block in snippets.blocks(page)
        if block.language == "sql"
    )
    first = block.code.split(";")[0]
    assert dict(rows(uneven_home.sql(first), "status polls")) == {
        # b1a 5, b1b 3, b1c 1, x1a 1; k1b 2; a1a 1; m1b 11, m1c 32.
        "CHARGING": 56,
        "BLOCKED": 2,
        # b1b 6; k2a 10, k3a 2, x1a 56 in koeln.
        "OUTOFORDER": 74,
        # k1a 56, k3a 54, m1a 12.
        "UNKNOWN": 122,
        "REMOVED": 56,
        # b1a 85 - 7, b1b 85 - 9, b1c 45 - 1, b1d 16, b1e 6, x1a 84; k1b 54, k2a 46; a1a 30, a1b 1,
        # a1c 29; m1a 36, m1b 37, m1c 16.
        "AVAILABLE": 78 + 76 + 44 + 16 + 6 + 84 + 54 + 46 + 30 + 1 + 29 + 36 + 37 + 16,
    }
