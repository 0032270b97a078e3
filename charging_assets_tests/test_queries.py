"""The questions of docs/queries.md run, and those with a small answer give it."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from charging_assets.connect import Connection
from charging_assets_tests import builders
from charging_assets_tests.modelling import hours

PAGE = Path(__file__).resolve().parents[1] / "docs/queries.md"
QUESTIONS = dict(
    re.findall(r"^## (.+?)\n.*?```sql\n(.*?)```", PAGE.read_text("utf-8"), flags=re.M | re.S)
)
PARAMS = {
    "now": datetime(2022, 1, 11, 20, 30),
    "since": datetime(2022, 1, 1),
    "station_id": "s1",
}


def _evse(uid, status, **fields):
    connectors = [builders.connector(f"{uid}-c", status=status, **fields)]
    return hours.evse(uid, status, connectors=connectors)


@pytest.fixture(scope="module")
def charging():
    ccs = {"standard": "IEC_62196_T2_COMBO", "max_power": 150}
    first = [hours.station([_evse("e1", "CHARGING")])]
    relabelled = _evse("e1", "AVAILABLE") | {"id": "DE*NEW*Ee1"}
    unlike = _evse("e2", "AVAILABLE", **ccs) | {"capabilities": ["RESERVABLE"]}
    then = [hours.station([relabelled, unlike], name="New")]
    told: dict[float, Any] = {0: first, 10: then, 20: then}
    # The marts are put in by hand, below.
    warehouse = hours.loaded(told, only=("dim_", "fact_poll", "fact_status"))
    seconds = (
        "observed_s, available_s, charging_s, reserved_s, blocked_s, inoperative_s, "
        "out_of_order_s, unknown_s, window_s"
    )
    day = (
        "TIMESTAMP '2022-01-10 23:00:00', TIMESTAMP '2022-01-11 00:00:00', "
        "TIMESTAMP '2022-01-11 23:00:00'"
    )
    warehouse.execute(
        (
            "INSERT INTO mart.mart_station_day (slot_at, local_date, ends_at, feed, place, "
            "station_key, station_name, operator_name, evse_count, station_operable_s, "
            "saturated_s, saturated_or_unknown_s, session_exposure_s, "
            f"session_count, ended_session_count, dwell_s, {seconds}) "
            f"SELECT {day}, 'test', 'koeln', 1, 'Bad', 'Werke', 1, 0, 0, 0, 0, 0, 0, 0, "
            "1000, 600, 0, 0, 0, 100, 50, 250, 2000",
            {},
        ),
        (
            "INSERT INTO mart.mart_city_day (slot_at, local_date, ends_at, feed, place, "
            "power_class, station_count, evse_count, session_count, session_exposure_s, "
            f"ended_session_count, dwell_s, {seconds}) "
            f"SELECT {day}, 'test', 'koeln', 'ac', 1, 1, 0, 0, 0, 0, "
            "1000, 600, 0, 0, 0, 100, 50, 250, 2000",
            {},
        ),
    )
    return Connection(warehouse)


def _asked(charging, words):
    (query,) = (query for question, query in QUESTIONS.items() if words in question)
    return charging.sql(query, **PARAMS)


def test_queries__there_are_a_dozen():
    assert len(QUESTIONS) == 15


@pytest.mark.parametrize("question", QUESTIONS)
def test_queries__run_and_name_columns(charging, question):
    assert len(charging.sql(QUESTIONS[question], **PARAMS).columns) >= 2


@pytest.mark.parametrize(
    ("words", "column", "answer"),
    [
        ("reliability", "reliability", [pytest.approx(0.85)]),
        ("gained", "new_evses", [1]),
        ("free", "free", [2]),
        ("CCS", "max_power_kw", [150.0]),
        ("unknown", "unknown_share", [0.25]),
        ("never seen charging", "evse_uid", ["e2"]),
        ("gaps", "coverage", [0.5]),
        ("open at a time", "station_id", ["s1"]),
        ("card reader", "evse_uid", ["e1"]),
        ("relabelled", "former_evse_id", ["DE*TST*Ee1"]),
        ("What changed", "name", ["Station s1", "New"]),
        ("fields change", "polls", [3]),
    ],
)
def test_queries__give_what_was_put_in(charging, words, column, answer):
    assert list(_asked(charging, words)[column]) == answer
