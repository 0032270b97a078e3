"""One station record to rows: kept records, rejected records and their parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.identity import entity_key
from charging_assets.preprocessing.stations import StationReader
from charging_assets.sources import chargecloud
from charging_assets_tests.builders import connector, evse, station


def read(
    record: Any, ids_within: str | None = None, place: str = "koeln", losers: tuple[str, ...] = ()
) -> FlatStation:
    reader = StationReader(FeedIdentity("test", ids_within), chargecloud)
    return reader.read(json.dumps(record).encode(), place, frozenset(losers))


def keys(result: FlatStation) -> tuple[int, int, int]:
    assert result.station is not None
    return result.station.key, result.evses[0].key, result.connectors[0].key


def rejections_of(result: FlatStation) -> list[tuple[str, str, str, str | None]]:
    return [(each.entity, each.pointer, each.code, each.entity_id) for each in result.rejections]


def test_read__keys_are_of_network_entity_and_ids() -> None:
    result = read(station("s", [evse("e", [connector("c")])]))
    assert keys(result) == (
        entity_key("test", "station", "s"),
        entity_key("test", "evse", "e"),
        entity_key("test", "connector", "e", "c"),
    )
    assert (result.evse_count, result.connector_count) == (1, 1)


@pytest.mark.parametrize(
    ("ids_within", "station_ids", "evse_ids"),
    [
        ("network", ("s",), ("e",)),
        ("place", ("koeln", "s"), ("koeln", "e")),
        ("parent", ("s",), ("s", "e")),
    ],
)
def test_read__ids_are_made_of_what_they_are_unique_within(
    ids_within: str, station_ids: tuple[str, ...], evse_ids: tuple[str, ...]
) -> None:
    assert keys(read(station("s", [evse("e", [connector("c")])]), ids_within)) == (
        entity_key("test", "station", *station_ids),
        entity_key("test", "evse", *evse_ids),
        entity_key("test", "connector", *evse_ids, "c"),
    )


def test_read__keys_depend_on_the_place_where_ids_are_of_a_place() -> None:
    fragment = json.dumps(station("s", [evse("e", [connector("c")])])).encode()
    for ids_within, count in (("network", 1), ("place", 2)):
        reader = StationReader(FeedIdentity("test", ids_within), chargecloud)
        read_in = [reader.read(fragment, place) for place in ("koeln", "bonn", "koeln")]
        assert len({keys(each) for each in read_in}) == count


def test_read__a_connector_id_is_unique_within_its_evse() -> None:
    result = read(station("s", [evse("e", [connector("1")]), evse("f", [connector("1")])]))
    assert rejections_of(result) == []
    assert [state.row[2] for state in result.connectors] == ["1", "1"]
    assert len({state.key for state in result.connectors}) == 2


def test_read__an_id_has_one_key_in_every_spelling() -> None:
    station_keys = {state.key for each in ("7", 7, " 7 ") if (state := read(station(each)).station)}
    assert len(station_keys) == 1


def test_read__a_relabelled_evse_is_the_same_evse_in_a_new_state() -> None:
    one, other = (read(station("s", [evse("e", id=name)])).evses[0] for name in ("A*1", "B*1"))
    assert one.key == other.key
    assert one.hash != other.hash


def test_read__an_evse_that_moves_to_another_station_is_in_a_new_state() -> None:
    one, other = (read(station(name, [evse("e")])).evses[0] for name in ("s", "t"))
    assert one.key == other.key
    assert one.hash != other.hash


def test_read__untidiness_makes_no_new_state() -> None:
    clean = read(station("s", country="DE", owner=None, name="A B"))
    dirty = read(station("s", country="deu ", owner=" ", name=" A  B\r\n", distance_in_m="5"))
    assert clean.station == dirty.station


@pytest.mark.parametrize("station_id", [None, "", "  ", 1.5, True, [], {}, "x" * 129])
def test_read__a_station_without_an_id_takes_its_parts_with_it(station_id: Any) -> None:
    result = read(station(station_id, [evse("e", [connector("c")]), "x"]))
    records = [each for each in result.rejections if each.severity == "record"]
    assert [(each.entity, each.pointer, each.code) for each in records] == [
        ("station", "", "missing_key"),
        ("evse", "/evses/0", "parent_rejected"),
        ("connector", "/evses/0/connectors/0", "parent_rejected"),
        ("evse", "/evses/1", "parent_rejected"),
    ]
    assert (result.station, result.evses, result.connectors, result.statuses) == (None, [], [], [])
    assert (result.evse_count, result.connector_count) == (2, 1)


def test_read__an_evse_without_an_id_takes_its_connectors_with_it() -> None:
    result = read(station("s", [evse(None, [connector("c")]), evse("e")]))
    assert rejections_of(result) == [
        ("evse", "/evses/0", "missing_key", None),
        ("connector", "/evses/0/connectors/0", "parent_rejected", None),
    ]
    assert [status.evse_uid for status in result.statuses] == ["e"]


@pytest.mark.parametrize("record", [None, 1, "s", [], True])
def test_read__a_value_that_is_not_an_object_is_rejected(record: Any) -> None:
    assert rejections_of(read(record)) == [("station", "", "not_an_object", None)]
    assert rejections_of(read(station("s", [record]))) == [
        ("evse", "/evses/0", "not_an_object", None)
    ]
    result = read(station("s", [evse("e", [record])]))
    assert rejections_of(result) == [("connector", "/evses/0/connectors/0", "not_an_object", None)]
    assert len(result.statuses) == 1


def test_read__losers_are_duplicates_and_a_station_that_is_one_keeps_its_evses() -> None:
    record = station("s", [evse("e", [connector("c")]), evse("f", [connector("d")])])
    result = read(record, losers=("", "/evses/0", "/evses/1/connectors/0"))
    assert rejections_of(result) == [
        ("station", "", "duplicate_key", "s"),
        ("evse", "/evses/0", "duplicate_key", "e"),
        ("connector", "/evses/0/connectors/0", "parent_rejected", None),
        ("connector", "/evses/1/connectors/0", "duplicate_key", "d"),
    ]
    assert (result.station, [status.evse_uid for status in result.statuses]) == (None, ["f"])
    assert result.evses[0].row[4:6] == (entity_key("test", "station", "s"), "s")


def test_read__a_station_whose_list_of_evses_loses_takes_them_with_it() -> None:
    result = read(station("s", [evse("e", [connector("c")])]), losers=("", "/evses"))
    assert rejections_of(result) == [
        ("station", "", "duplicate_key", "s"),
        ("evse", "/evses/0", "parent_rejected", None),
        ("connector", "/evses/0/connectors/0", "parent_rejected", None),
    ]
    assert (result.evses, result.statuses) == ([], [])


def test_read__a_record_that_is_no_json_is_rejected() -> None:
    result = StationReader(FeedIdentity("test"), chargecloud).read(b'{"id": }', "koeln")
    assert rejections_of(result) == [("station", "", "not_json", None)]
    assert result.rejections[0].fragment == '{"id": }'


def test_read__the_fragment_of_a_reject_is_cut() -> None:
    result = read(station(None, [], name="ä" * 5000))
    fragments = [each.fragment for each in result.rejections if each.severity == "record"]
    assert fragments[0] is not None
    assert 1020 < len(fragments[0].encode()) <= 1024
    assert "evses" not in fragments[0]
