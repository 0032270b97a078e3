"""Records as rows: the values of each column, duplicates and rejected records."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing import stations
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.identity import Identity, entity_key, make_identity
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
from charging_assets_tests.preprocessing.made_answers import STATIONS, hours


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
    flat_station = one(hour, "flat_stations")
    keyless = {k: v for k, v in flat_station.items() if not k.endswith(("_key", "_hash", "_at"))}
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
    evse_row = one(hour, "flat_evses")
    assert evse_row["station_id"] == "7"
    assert evse_row["station_key"] == one(hour, "flat_stations")["station_key"]
    assert (evse_row["evse_id"], evse_row["public_comment"]) == ("DE*TST*E70", "c")
    assert (evse_row["parking_space_numbers"], evse_row["charging_station_position"]) == ("5", "p")
    assert (evse_row["capabilities"], evse_row["is_reservable"]) == ('["A","B"]', True)
    connector_row = one(hour, "flat_connectors")
    assert (connector_row["evse_uid"], connector_row["max_power_kw"], connector_row["ampere"]) == (
        "70",
        3.7,
        32.0,
    )
    assert connector_row["tariff_id"] == "T"
    status_row = one(hour, "flat_status")
    assert (status_row["status"], status_row["parking_status"]) == ("AVAILABLE", "OCCUPIED")
    assert status_row["connector_status_overrides"] is None
    assert status_row["status_published"] == "AVAILABLE"
    assert one(hour, "flat_polls")["observed_at"].isoformat() == "2022-01-11T20:00:05"
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


def test_flatten__an_unknown_status_is_rejected_once() -> None:
    hour = flattened((poll(), {"koeln": envelope(station("s", [evse("e", [], status="ON_FIRE")]))}))
    assert one(hour, "flat_status")["status"] is None
    assert codes(hour) == [("evse", "/data/0/evses/0/status", "unknown_status")]
    assert one(hour, "flat_rejects")["fragment"] == '"ON_FIRE"'


@pytest.mark.fault(
    "A duplicate id in one answer",
    "one record is used, whatever their order; the other is rejected with its differing values",
    area="answers",
)
def test_flatten__an_id_repeated_in_one_answer_is_a_duplicate() -> None:
    """One record of an id is kept; EVSEs of both records of a station are kept under it."""
    twice = [
        station("s", [evse("e", [connector("c")])], name="A"),
        station("s", [evse("f", [connector("d")])], name="B"),
        station("t", [evse("e", [connector("k")]), evse("g", [connector("c"), connector("c")])]),
    ]
    hour = flattened(
        (poll(0), {"koeln": envelope(*twice)}), (poll(10), {"koeln": envelope(*twice)})
    )
    assert_sound(hour)
    assert sorted(str(row["name"]) for row in rows(hour, "flat_stations")) == ["A", "Station t"]
    stations = {row["evse_uid"]: row["station_id"] for row in rows(hour, "flat_evses")}
    assert stations == {"e": "s", "f": "s", "g": "t"}
    assert sorted(row["connector_id"] for row in rows(hour, "flat_connectors")) == ["c", "c", "d"]
    assert sorted(set(codes(hour))) == [
        ("connector", "/data/2/evses/0/connectors/0", "parent_rejected"),
        ("connector", "/data/2/evses/1/connectors/1", "duplicate_key"),
        ("evse", "/data/2/evses/0", "duplicate_key"),
        ("station", "/data/1", "duplicate_key"),
    ]
    assert {row["poll_count"] for row in rows(hour, "flat_stations")} == {2}


@pytest.mark.parametrize("other", ["CHARGING", "AVAILABLE", "UNKNOWN", "PLANNED", None])
@pytest.mark.parametrize("is_removed_first", [True, False])
def test_flatten__an_evse_that_is_removed_gives_way(
    other: str | None, is_removed_first: bool
) -> None:
    twins = [
        station("new", [evse("e", [], status=other)]),
        station("old", [evse("e", [connector("c")], status="REMOVED")]),
    ]
    body = envelope(*reversed(twins) if is_removed_first else twins)
    hour = flattened((poll(), {"koeln": body}))
    assert_sound(hour)
    assert one(hour, "flat_evses")["station_id"] == "new"
    assert one(hour, "flat_status")["status"] == other
    assert len(rows(hour, "flat_stations")) == 2
    rejects = [row for row in rows(hour, "flat_rejects") if row["severity"] == "record"]
    assert [row["code"] for row in rejects] == ["duplicate_key", "parent_rejected"]


def test_flatten__a_planned_evse_gives_way_to_a_live_one() -> None:
    twins = [evse("e", [], status="PLANNED", id="A"), evse("e", [], status="AVAILABLE", id="B")]
    hour = flattened((poll(), {"koeln": envelope(station("s", twins))}))
    assert (one(hour, "flat_evses")["evse_id"], one(hour, "flat_status")["status"]) == (
        "B", "AVAILABLE",
    )  # fmt: skip


def test_flatten__a_removed_connector_gives_way() -> None:
    twins = [connector("c", status="REMOVED", max_power=11), connector("c", max_power=22)]
    hour = flattened((poll(), {"koeln": envelope(station("s", [evse("e", twins)]))}))
    assert one(hour, "flat_connectors")["max_power_kw"] == 22
    assert one(hour, "flat_status")["connector_status_overrides"] is None


def test_flatten__the_choice_between_two_live_duplicates_ignores_status_changes() -> None:
    """Both are live: the choice is by station and attributes, which do not flicker."""
    polls = []
    for number, (one_status, other_status) in enumerate(
        [("AVAILABLE", "CHARGING"), ("CHARGING", "AVAILABLE"), ("BLOCKED", "BLOCKED")]
    ):
        twins = [
            station("a", [evse("e", [], status=one_status, novelty=-number)]),
            station("b", [evse("e", [], status=other_status, novelty=number)]),
        ]
        polls.append((poll(number * 10), {"koeln": envelope(*twins[:: (-1) ** number])}))
    hour = flattened(*polls)
    assert {row["station_id"] for row in rows(hour, "flat_evses")} == {"a"}
    statuses = sorted(rows(hour, "flat_status"), key=lambda row: row["slot_at"])
    assert [row["status"] for row in statuses] == ["AVAILABLE", "CHARGING", "BLOCKED"]


def test_flatten__a_duplicate_that_becomes_live_counts_from_then_on() -> None:
    """The next answer is compared again, although it has no new key."""
    polls = []
    for minute, status in ((0, "REMOVED"), (10, "AVAILABLE"), (20, "REMOVED")):
        twins = [
            station("a", [evse("e", [], status=status)]),
            station("b", [evse("e", [], status="PLANNED")]),
        ]
        polls.append((poll(minute), {"koeln": envelope(*twins)}))
    hour = flattened(*polls)
    assert_sound(hour)
    statuses = sorted(rows(hour, "flat_status"), key=lambda row: row["slot_at"])
    assert [row["status"] for row in statuses] == ["PLANNED", "AVAILABLE", "PLANNED"]
    counts = {row["station_id"]: row["poll_count"] for row in rows(hour, "flat_evses")}
    assert counts == {"a": 1, "b": 2}


def test_flatten__a_record_published_three_times_counts_once() -> None:
    hour = flattened((poll(), {"koeln": envelope(*[station("s")] * 3)}))
    assert_sound(hour)
    assert (one(hour, "flat_stations")["poll_count"], len(rows(hour, "flat_status"))) == (1, 1)
    assert sorted(code for *_, code in codes(hour)) == [
        *["duplicate_key"] * 4, *["parent_rejected"] * 2,
    ]  # fmt: skip


def test_flatten__connectors_of_one_id_at_several_evses_are_as_many_connectors() -> None:
    power = {"power_type": "DC", "max_power": 150, "ampere": 400}
    evses = [evse(f"10-{n}", [connector("1", **power)]) for n in (1, 2, 3)]
    evses[1]["connectors"][0]["status"] = "CHARGING"
    hour = flattened((poll(), {"koeln": envelope(station("10", evses))}))
    assert_sound(hour)
    assert codes(hour) == []
    connectors = rows(hour, "flat_connectors")
    assert [row["connector_id"] for row in connectors] == ["1"] * 3
    assert len({row["connector_key"] for row in connectors}) == 3
    assert sorted(row["evse_uid"] for row in connectors) == ["10-1", "10-2", "10-3"]
    overrides = {
        row["evse_uid"]: row["connector_status_overrides"] for row in rows(hour, "flat_status")
    }
    assert overrides == {"10-1": None, "10-2": '{"1":"CHARGING"}', "10-3": None}


def test_flatten__ids_within_a_place_make_an_id_of_two_places_two_things() -> None:
    places = answers((poll(), {slug: envelope(station("1", [evse("1")])) for slug in ("a", "b")}))
    for ids_within, count in ((None, 1), ("network", 1), ("place", 2)):
        hour = flatten(places, {"test": FeedIdentity("test", ids_within)})
        assert_sound(hour)
        for name in ("station", "evse", "connector"):
            assert len({row[f"{name}_key"] for row in rows(hour, f"flat_{name}s")}) == count


def test_flatten__ids_within_the_parent_make_an_evse_of_two_stations_two_evses() -> None:
    body = envelope(station("s", [evse("1")]), station("t", [evse("1")]))
    places = answers((poll(), {"koeln": body}))
    assert len(rows(flatten(places), "flat_evses")) == 1
    hour = flatten(places, {"test": FeedIdentity("test", "parent")})
    assert_sound(hour)
    assert codes(hour) == []
    assert len({row["evse_key"] for row in rows(hour, "flat_evses")}) == 2


def test_flatten__a_feed_that_states_its_network_has_the_keys_of_that_network() -> None:
    body = {"koeln": envelope(station())}
    renamed = flatten(answers((poll(feed="new"), body)), {"new": FeedIdentity("test")})
    for table in ("flat_stations", "flat_evses", "flat_connectors"):
        key = table.removeprefix("flat_").removesuffix("s") + "_key"
        assert one(renamed, table)[key] == one(flattened((poll(), body)), table)[key]
        assert one(renamed, table)["feed"] == "new"


@settings(max_examples=100)
@given(st.lists(STATIONS, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_flatten__what_counts_does_not_depend_on_the_order_within_an_answer(
    records: list[Any], dice: random.Random
) -> None:
    expected = flattened((poll(), {"koeln": envelope(*records)}))
    mixed = copy.deepcopy(records)
    dice.shuffle(mixed)
    for record in mixed:
        if isinstance(record, dict) and isinstance(record.get("evses"), list):
            dice.shuffle(record["evses"])
            for part in record["evses"]:
                if isinstance(part, dict) and isinstance(part.get("connectors"), list):
                    dice.shuffle(part["connectors"])
    shuffled = flattened((poll(), {"koeln": envelope(*mixed)}))
    for table in ("flat_stations", "flat_evses", "flat_connectors", "flat_status"):
        assert shuffled[table].equals(expected[table]), table
    names = ("entity", "entity_id", "code")
    ours, theirs = (
        sorted(str([row[name] for name in names]) for row in rows(hour, "flat_rejects"))
        for hour in (shuffled, expected)
    )
    assert ours == theirs


def test_flatten__an_id_is_a_duplicate_only_in_the_answer_that_repeats_it() -> None:
    first, other = station("s"), station("s", [], name="Another")
    hour = flattened(
        (poll(0), {"koeln": envelope(first, other)}),
        (poll(10), {"koeln": envelope(other, first)}),
        (poll(20), {"koeln": envelope(other)}),
    )
    assert_sound(hour)
    states = {row["name"]: row for row in rows(hour, "flat_stations")}
    assert states["Station s"]["poll_count"] == 2
    assert states["Station s"]["last_slot_at"].minute == 10
    assert states["Another"]["poll_count"] == 1
    assert states["Another"]["slot_at"].minute == 20


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


def test_flatten__rejects_name_pointer_and_code() -> None:
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
        "reject_count": 1,
        "fragment": '"950"',
        "entity_key": None,
        "identity_hash": None,
    }
    assert one(hour, "flat_stations")["longitude"] == 8.0


def test_flatten__implausible_electrical_values_are_null_and_recorded() -> None:
    fields = {"max_power": 22000, "ampere": "32 V", "voltage": -230}
    hour = flattened(
        (poll(), {"koeln": envelope(station("s", [evse("e", [connector(**fields)])]))})
    )
    flat_connector = one(hour, "flat_connectors")
    assert (
        flat_connector["max_power_kw"],
        flat_connector["ampere"],
        flat_connector["voltage"],
    ) == (None, None, None)
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
    flat_connector = one(hour, "flat_connectors")
    assert (
        flat_connector["max_power_kw"],
        flat_connector["ampere"],
        flat_connector["voltage"],
    ) == (None, None, None)
    assert rows(hour, "flat_rejects") == []


@pytest.fixture
def weak_keys(fresh_readers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of two bits, as an operator could choose ids whose 64 bits are the same."""

    def weak(network: str, entity: str, ids: tuple[str, ...]) -> Identity:
        identity = make_identity(network, entity, ids)
        return identity._replace(key=identity.key % 4)

    monkeypatch.setattr(stations, "make_identity", weak)


@pytest.mark.usefixtures("weak_keys")
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours())
def test_flatten__ids_that_share_a_key_stop_no_hour(polls: list[Any]) -> None:
    assert_sound(flattened(*polls))


@pytest.mark.usefixtures("weak_keys")
def test_flatten__of_two_stations_of_one_key_one_is_rejected_with_its_parts() -> None:
    ids = [f"s{n}" for n in range(99) if entity_key("test", "station", f"s{n}") % 4 == 1][:2]
    records = [station(ids[0], [evse("e", [])]), station(ids[1], [evse("f", [])])]
    for body in (records, records[::-1]):
        hour = flattened((poll(), {"koeln": envelope(*body)}))
        assert_sound(hour)
        assert one(hour, "flat_stations")["station_id"] == min(ids)
        assert one(hour, "flat_status")["evse_uid"] == "e"
        assert sorted(code for _, _, code in codes(hour)) == ["duplicate_key", "parent_rejected"]
