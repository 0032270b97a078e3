"""Records as rows: what fills which column, what is a double, what is set aside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from charging_assets_tests.builders import (
    MISSING,
    SLOT,
    answers,
    connector,
    envelope,
    evse,
    flattened,
    poll,
    station,
)
from charging_assets_tests.preprocessing.flat_hours import assert_sound, codes, one, rows


def test_flatten__a_full_record_fills_its_columns() -> None:
    hour = flattened(
        (
            poll(),
            {
                "koeln": envelope(
                    station(
                        "7",
                        [
                            evse(
                                "70",
                                [connector("700", max_power="3.7", tariff_id="T")],
                                reservable=True,
                                parkingsensor_status="occupied",
                                chargePointPublicComment="c",
                                chargePointParkingSpaceNumbers=5,
                                chargingStationPosition="p",
                                capabilities=["B", "A", "B"],
                            )
                        ],
                        status="active",
                        country="DEU",
                        tariffZones=["2", 1],
                        operator={"operatorId": "STR", "name": "O", "hotline": "+49"},
                        directions=" a\r\n b ",
                        comment="hello",
                        opening_times={
                            "twentyfourseven": False,
                            "regular_hours": [
                                {"weekday": 2, "period_begin": "7:00", "period_end": "24:00:00"},
                                {"weekday": 1, "period_begin": "07:00:00", "period_end": "18:00"},
                            ],
                            "note": "by the bell",
                        },
                        brand="x",
                    )
                )
            },
        )
    )
    assert codes(hour) == []
    found = one(hour, "flat_stations")
    keyless = {k: v for k, v in found.items() if not k.endswith(("_key", "_hash", "_at"))}
    assert keyless == {
        "poll_count": 1,
        "feed": "test",
        "place": "koeln",
        "station_id": "7",
        "name": "Station 7",
        "address": "Musterweg 1",
        "city": "Musterstadt",
        "postal_code": "12345",
        "country": "DE",
        "latitude": 50.940991,
        "longitude": 6.992267,
        "directions": "a b",
        "comment": "hello",
        "operator_id": "STR",
        "operator_name": "O",
        "operator_hotline": "+49",
        "owner": None,
        "publication_status": "active",
        "is_roaming": False,
        "is_open_24_7": False,
        "opening_hours": (
            '[{"period_begin":"07:00","period_end":"18:00","weekday":1},'
            '{"period_begin":"07:00","period_end":"24:00","weekday":2}]'
        ),
        "tariff_zones": '["1","2"]',
        "extra": '{"brand":"x","opening_times":{"note":"by the bell"}}',
    }
    found = one(hour, "flat_evses")
    assert found["station_id"] == "7"
    assert found["station_key"] == one(hour, "flat_stations")["station_key"]
    assert (found["evse_id"], found["public_comment"]) == ("DE*TST*E70", "c")
    assert (found["parking_space_numbers"], found["charging_station_position"]) == ("5", "p")
    assert (found["capabilities"], found["is_reservable"]) == ('["A","B"]', True)
    found = one(hour, "flat_connectors")
    assert (found["evse_uid"], found["max_power_kw"], found["ampere"]) == ("70", 3.7, 32.0)
    assert found["tariff_id"] == "T"
    found = one(hour, "flat_status")
    assert (found["status"], found["parking_status"]) == ("AVAILABLE", "OCCUPIED")
    assert found["connector_status_overrides"] is None
    assert found["observed_at"].isoformat() == "2022-01-11T20:00:05"
    drift = json.loads(one(hour, "flat_polls")["unknown_fields"])
    assert drift == ["/*/brand", "/*/opening_times/note"]


def test_flatten__unknown_fields_that_hold_nothing_make_no_new_state() -> None:
    operator = {"name": "Musterwerke", "hotline": "+49123", "website": None}
    hour = flattened(
        (poll(0), {"koeln": envelope(station())}),
        (poll(10), {"koeln": envelope(station(brand=None, operator=operator))}),
    )
    assert one(hour, "flat_stations")["poll_count"] == 2


def test_flatten__overrides_are_the_connectors_that_differ_from_their_evse() -> None:
    bad, silent = connector("c", status="BROKEN"), connector("d", status=None)
    parts = [connector("b", status="CHARGING"), connector("a"), bad, silent]
    hour = flattened((poll(), {"koeln": envelope(station("s", [evse("e", parts)]))}))
    assert one(hour, "flat_status")["connector_status_overrides"] == '{"b":"CHARGING","c":null}'


@pytest.mark.parametrize("status", [None, "", "  ", MISSING])
def test_flatten__a_status_that_is_missing_is_recorded(status: Any) -> None:
    hour = flattened((poll(), {"koeln": envelope(station("s", [evse("e", [], status=status)]))}))
    assert one(hour, "flat_status")["status"] is None
    assert codes(hour) == [("evse", "/data/0/evses/0/status", "missing_status")]


def test_flatten__a_status_that_is_not_known_is_recorded_once() -> None:
    hour = flattened((poll(), {"koeln": envelope(station("s", [evse("e", [], status="ON_FIRE")]))}))
    assert one(hour, "flat_status")["status"] is None
    assert codes(hour) == [("evse", "/data/0/evses/0/status", "unknown_status")]
    assert one(hour, "flat_rejects")["fragment"] == '"ON_FIRE"'


@pytest.mark.fault(
    "An id twice in one answer",
    "the first record counts, the other is set aside with its parts",
    area="answers",
)
def test_flatten__an_id_repeated_in_one_answer_is_a_duplicate() -> None:
    """The first record of an id is kept; what is in the other is rejected with it."""
    twice = [
        station("s", [evse("e", [connector("c")])]),
        station("s", [evse("f", [connector("d")])], name="Another"),
        station("t", [evse("e", [connector("k")]), evse("g", [connector("c"), connector("l")])]),
    ]
    hour = flattened(
        (poll(0), {"koeln": envelope(*twice)}), (poll(10), {"koeln": envelope(*twice)})
    )
    assert_sound(hour)
    assert [row["name"] for row in rows(hour, "flat_stations")].count("Another") == 0
    assert sorted(row["evse_uid"] for row in rows(hour, "flat_evses")) == ["e", "g"]
    assert sorted(row["connector_id"] for row in rows(hour, "flat_connectors")) == ["c", "l"]
    assert sorted(set(codes(hour))) == [
        ("connector", "/data/1/evses/0/connectors/0", "parent_rejected"),
        ("connector", "/data/2/evses/0/connectors/0", "parent_rejected"),
        ("connector", "/data/2/evses/1/connectors/0", "duplicate_key"),
        ("evse", "/data/1/evses/0", "parent_rejected"),
        ("evse", "/data/2/evses/0", "duplicate_key"),
        ("station", "/data/1", "duplicate_key"),
    ]
    assert {row["poll_count"] for row in rows(hour, "flat_stations")} == {2}


def test_flatten__an_id_is_a_duplicate_only_in_the_answer_that_repeats_it() -> None:
    first, other = station("s"), station("s", [], name="Another")
    hour = flattened(
        (poll(0), {"koeln": envelope(first, other)}),
        (poll(10), {"koeln": envelope(other, first)}),
        (poll(20), {"koeln": envelope(other)}),
    )
    assert_sound(hour)
    states = {row["name"]: row for row in rows(hour, "flat_stations")}
    assert states["Station s"]["poll_count"] == 1
    assert states["Another"]["poll_count"] == 2
    assert states["Another"]["slot_at"].minute == 10
    assert states["Another"]["last_slot_at"].minute == 20


def test_flatten__an_evse_in_two_places_keeps_both_rows() -> None:
    body = envelope(station("s", [evse("e")]))
    hour = flattened((poll(), {"bonn": body, "koeln": body}))
    assert_sound(hour)
    assert hour["flat_rejects"].num_rows == 0
    for name in ("flat_stations", "flat_evses", "flat_connectors", "flat_status"):
        assert [row["place"] for row in rows(hour, name)] == ["bonn", "koeln"]
    assert len({row["evse_key"] for row in rows(hour, "flat_status")}) == 1


def test_flatten__the_same_id_in_two_feeds_is_two_entities() -> None:
    body = envelope(station())
    hour = flattened((poll(), {"koeln": body}), (poll(feed="other"), {"koeln": body}))
    assert len({row["station_key"] for row in rows(hour, "flat_stations")}) == 2
    assert len(rows(hour, "flat_polls")) == 2


def test_flatten__a_child_list_that_is_none_is_recorded() -> None:
    hour = flattened(
        (poll(), {"koeln": envelope(station("s", {"0": 1}), station("t", [evse("e", "x")]))})
    )
    assert codes(hour) == [
        ("station", "/data/0/evses", "not_a_list"),
        ("evse", "/data/1/evses/0/connectors", "not_a_list"),
    ]


def test_flatten__rejects_say_where_and_what() -> None:
    fields = {"coordinates": {"latitude": "950", "longitude": "8"}}
    key = answers((poll(), {"koeln": envelope(station(**fields))}))[0][2][0].raw_key
    hour = flattened((poll(), {"koeln": envelope(station(**fields))}))
    assert one(hour, "flat_rejects") == {
        "slot_at": SLOT.replace(tzinfo=None),
        "feed": "test",
        "place": "koeln",
        "raw_key": key,
        "stage": "flatten",
        "severity": "field",
        "entity": "station",
        "entity_id": "s1",
        "pointer": "/data/0/coordinates/latitude",
        "code": "out_of_range",
        "fragment": '"950"',
    }
    assert one(hour, "flat_stations")["longitude"] == 8.0


def test_flatten__implausible_electrical_values_are_null_and_recorded() -> None:
    fields = {"max_power": 22000, "ampere": "32 V", "voltage": -230}
    hour = flattened(
        (poll(), {"koeln": envelope(station("s", [evse("e", [connector(**fields)])]))})
    )
    found = one(hour, "flat_connectors")
    assert (found["max_power_kw"], found["ampere"], found["voltage"]) == (None, None, None)
    where = "/data/0/evses/0/connectors/0"
    rejects = {(r["pointer"], r["code"], r["fragment"]) for r in rows(hour, "flat_rejects")}
    assert rejects == {
        (f"{where}/max_power", "out_of_range", "22000"),
        (f"{where}/ampere", "wrong_unit", '"32 V"'),
        (f"{where}/voltage", "out_of_range", "-230"),
    }
    assert one(hour, "flat_polls")["field_rejected_count"] == 3


def test_flatten__zero_is_what_a_source_does_not_know() -> None:
    fields = {"max_power": 0, "ampere": "0", "voltage": 0.0}
    hour = flattened(
        (poll(), {"koeln": envelope(station("s", [evse("e", [connector(**fields)])]))})
    )
    found = one(hour, "flat_connectors")
    assert (found["max_power_kw"], found["ampere"], found["voltage"]) == (None, None, None)
    assert rows(hour, "flat_rejects") == []
