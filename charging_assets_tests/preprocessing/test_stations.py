"""One station record to rows: what is kept, what is rejected, and what goes with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from charging_assets.kinds import chargecloud
from charging_assets.preprocessing.flat_station import FlatStation
from charging_assets.preprocessing.identity import entity_key
from charging_assets.preprocessing.stations import Seen, StationReader
from charging_assets_tests.builders import connector, evse, station


def read(record: Any, seen: Seen | None = None) -> FlatStation:
    reader = StationReader("test", chargecloud)
    return reader.read(json.dumps(record).encode(), seen or Seen())


def rejected(found: FlatStation) -> list[tuple[str, str, str, str | None]]:
    return [(each.entity, each.pointer, each.code, each.entity_id) for each in found.rejections]


def test_read__keys_are_of_feed_entity_and_published_id() -> None:
    found = read(station("1", [evse("1", [connector("1")])]))
    assert found.station is not None
    assert found.station.key == entity_key("test", "station", "1")
    assert found.evses[0].key == entity_key("test", "evse", "1")
    assert found.connectors[0].key == entity_key("test", "connector", "1")
    assert len({found.station.key, found.evses[0].key, found.connectors[0].key}) == 3
    assert (found.evse_count, found.connector_count) == (1, 1)


def test_read__an_id_is_known_however_it_is_written() -> None:
    keys = {state.key for each in ("7", 7, " 7 ") if (state := read(station(each)).station)}
    assert len(keys) == 1


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
    found = read(station(station_id, [evse("e", [connector("c")]), "x"]))
    records = [each for each in found.rejections if each.severity == "record"]
    assert [(each.entity, each.pointer, each.code) for each in records] == [
        ("station", "", "missing_key"),
        ("evse", "/evses/0", "parent_rejected"),
        ("connector", "/evses/0/connectors/0", "parent_rejected"),
        ("evse", "/evses/1", "parent_rejected"),
    ]
    assert (found.station, found.evses, found.connectors, found.statuses) == (None, [], [], [])
    assert (found.evse_count, found.connector_count) == (2, 1)


def test_read__an_evse_without_an_id_takes_its_connectors_with_it() -> None:
    found = read(station("s", [evse(None, [connector("c")]), evse("e")]))
    assert rejected(found) == [
        ("evse", "/evses/0", "missing_key", None),
        ("connector", "/evses/0/connectors/0", "parent_rejected", None),
    ]
    assert [status.evse_uid for status in found.statuses] == ["e"]


@pytest.mark.parametrize("record", [None, 1, "s", [], True])
def test_read__what_is_no_object_is_rejected(record: Any) -> None:
    assert rejected(read(record)) == [("station", "", "not_an_object", None)]
    assert rejected(read(station("s", [record]))) == [("evse", "/evses/0", "not_an_object", None)]
    found = read(station("s", [evse("e", [record])]))
    assert rejected(found) == [("connector", "/evses/0/connectors/0", "not_an_object", None)]
    assert len(found.statuses) == 1


def test_read__what_was_seen_before_in_the_answer_is_a_duplicate() -> None:
    seen = Seen()
    read(station("s", [evse("e", [connector("c")])]), seen)
    found = read(station("t", [evse("e", [connector("d")]), evse("f", [connector("c")])]), seen)
    assert rejected(found) == [
        ("evse", "/evses/0", "duplicate_key", "e"),
        ("connector", "/evses/0/connectors/0", "parent_rejected", None),
        ("connector", "/evses/1/connectors/0", "duplicate_key", "c"),
    ]
    assert rejected(read(station("s", []), seen)) == [("station", "", "duplicate_key", "s")]


def test_read__a_record_that_is_no_json_is_rejected() -> None:
    found = StationReader("test", chargecloud).read(b'{"id": }', Seen())
    assert rejected(found) == [("station", "", "not_json", None)]
    assert found.rejections[0].fragment == '{"id": }'


def test_read__the_fragment_of_a_reject_is_cut() -> None:
    found = read(station(None, [], name="ä" * 5000))
    fragments = [each.fragment for each in found.rejections if each.severity == "record"]
    assert fragments[0] is not None
    assert 1020 < len(fragments[0].encode()) <= 1024
    assert "evses" not in fragments[0]
