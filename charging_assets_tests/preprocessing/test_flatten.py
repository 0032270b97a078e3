"""One hour to flat tables: like the plain reference, whatever the answers hold."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.archive import hours_archived, read_places
from charging_assets.acquisition.feeds import load_feeds
from charging_assets.acquisition.imports import import_paths
from charging_assets.partitions import Hour
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.preprocessing.gate import violations
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.storage.flat_files import write_flat
from charging_assets.storage.memory import MemoryLake
from charging_assets_tests.builders import (
    MISSING,
    SLOT,
    answers,
    archived,
    connector,
    envelope,
    evse,
    flattened,
    place,
    poll,
    station,
)
from charging_assets_tests.preprocessing import reference

Rows = list[dict[str, Any]]
TABLES = [table.name for table in FLAT_TABLES]
HOUR = Hour(SLOT)


def rows(hour: FlatHour, name: str, **equal: Any) -> Rows:
    found = hour[name].to_pylist()
    return [row for row in found if all(row[key] == value for key, value in equal.items())]


def one(hour: FlatHour, name: str, **equal: Any) -> dict[str, Any]:
    (row,) = rows(hour, name, **equal)
    return row


def codes(hour: FlatHour) -> list[tuple[str, str, str]]:
    return [(row["entity"], row["pointer"], row["code"]) for row in rows(hour, "flat_rejects")]


def assert_sound(hour: FlatHour) -> None:
    """What holds of every hour: the gate lets it through, it is in order, and records balance."""
    for table in FLAT_TABLES:
        assert violations(table, hour[table.name]) == []
        keys = [[row[name] for name in table.order] for row in hour[table.name].to_pylist()]
        assert keys == sorted(keys), f"{table.name} is not in its order"
    assert_balanced(hour)


def assert_balanced(hour: FlatHour) -> None:
    polls = rows(hour, "flat_polls")
    statuses = Counter((r["place"], r["slot_at"]) for r in rows(hour, "flat_status"))
    rejects = rows(hour, "flat_rejects")
    rejected = Counter((r["place"], r["slot_at"], r["severity"], r["entity"]) for r in rejects)
    fields = Counter((r["place"], r["slot_at"], r["severity"]) for r in rejects)
    for row in polls:
        where = row["place"], row["slot_at"]
        assert row["evse_count"] - row["evse_rejected_count"] == statuses.pop(where, 0)
        assert row["field_rejected_count"] == fields[(*where, "field")]
        for entity in ("station", "evse", "connector"):
            assert row[f"{entity}_rejected_count"] == rejected[(*where, "record", entity)]
    assert not statuses
    for entity in ("station", "evse", "connector"):
        loaded: Counter[str] = Counter()
        for row in rows(hour, f"flat_{entity}s"):
            loaded[row["place"]] += row["poll_count"]
        kept: Counter[str] = Counter()
        for row in polls:
            kept[row["place"]] += row[f"{entity}_count"] - row[f"{entity}_rejected_count"]
        assert +loaded == +kept, entity


def assert_like_the_reference(found: list[Any]) -> FlatHour:
    hour, expected = flatten(iter(found)), reference.flatten(found)
    for name in TABLES:
        ours = [{k: v for k, v in row.items() if k != "fragment"} for row in rows(hour, name)]
        columns = list(ours[0]) if ours else []
        theirs = [{k: row[k] for k in columns} if columns else row for row in expected[name]]
        assert ours == theirs, name
    return hour


# ---- the real samples


def sampled(samples: Path, folder: str) -> dict[Hour, list[Any]]:
    lake = MemoryLake()
    report = import_paths(lake, load_feeds()["chargecloud"], [samples / folder])
    assert not report.problems
    return {hour: list(read_places(lake, keys)) for hour, keys in hours_archived(lake).items()}


@pytest.mark.samples
def test_flatten__samples_of_2022_have_every_record_and_no_reject(samples: Path) -> None:
    hours = sampled(samples, "chargecloud_2022")
    assert [hour.key for hour in hours] == ["2022-01-11T20", "2022-01-11T21"]
    for found in hours.values():
        hour = assert_like_the_reference(found)
        assert_sound(hour)
        sizes = {name: hour[name].num_rows for name in TABLES}
        assert sizes == {
            "flat_polls": 38,
            "flat_stations": 1162,
            "flat_evses": 2428,
            "flat_connectors": 2811,
            "flat_status": 2428,
            "flat_rejects": 0,
        }
        assert {row["unknown_fields"] for row in rows(hour, "flat_polls")} == {None}


@pytest.mark.samples
def test_flatten__samples_of_2022_have_the_statuses_that_were_published(samples: Path) -> None:
    ours = []
    for found in sampled(samples, "chargecloud_2022").values():
        hour = flatten(found)
        evse_ids = {row["evse_key"]: row["evse_id"] for row in rows(hour, "flat_evses")}
        for row in rows(hour, "flat_status"):
            observed_at = row["observed_at"].replace(tzinfo=UTC)
            states = row["status"], row["parking_status"] or "-"
            ours.append((evse_ids[row["evse_key"]], *states, observed_at))
    lines = (samples / "chargecloud_2022" / "expected_status_cps.csv").read_text().splitlines()
    told = [line.split(";") for line in lines[1:]]
    assert Counter(ours) == Counter((*row[:3], datetime.fromisoformat(row[3])) for row in told)


@pytest.mark.samples
def test_flatten__samples_of_2024_keep_their_new_fields(samples: Path) -> None:
    ((_, found),) = sampled(samples, "chargecloud_2024_stuttgart").items()
    hour = assert_like_the_reference(found)
    assert_sound(hour)
    assert [hour[n].num_rows for n in ("flat_stations", "flat_evses", "flat_connectors")] == [
        60, 119, 119,
    ]  # fmt: skip
    stations, evses = rows(hour, "flat_stations"), rows(hour, "flat_evses")
    assert {row["operator_id"] for row in stations} == {"STR"}
    assert {row["publication_status"] for row in stations} == {"active"}
    assert {row["country"] for row in stations} == {"DE"}
    assert all(json.loads(row["tariff_zones"]) for row in stations)
    assert {row["is_reservable"] for row in evses} == {True, False}
    drift = json.loads(one(hour, "flat_polls")["unknown_fields"])
    assert drift == ["/currentLocale", "/languages", "/localesLanguageMap"]
    assert hour["flat_rejects"].num_rows == 0


# ---- hours that Hypothesis makes

TEXTS = st.one_of(
    st.sampled_from(["", " ", "x", "a  b", "-", "\x00", "ß", "\ud800", "\u2028", "a/b", "a~b"]),
    st.text(max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXTS,
    st.sampled_from([10**400, -(10**400), 2**63, 2**64, "1e999", "NaN", "22,0", "x" * 5000]),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual thing four times in five, else anything."""
    return st.integers(0, 4).flatmap(lambda die: JUNK if die == 0 else usual)


IDS = mostly(st.sampled_from(["1", "2", "3", "4", "5", 1, " 2 "]))
STATUSES = mostly(st.sampled_from(["AVAILABLE", "CHARGING", "charging ", "UNKNOWN", "-", ""]))
NAMES = mostly(st.sampled_from(["Nord", "Süd", " Nord ", None]))
EXTRAS = st.dictionaries(
    st.sampled_from(["new", "a/b", "c~d", "", "coordinates\x00deep", "e\x00", "name.first"]),
    JUNK,
    max_size=2,
)


def records(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    known = st.fixed_dictionaries(required, optional=optional)
    return mostly(st.builds(lambda record, extra: {**record, **extra}, known, EXTRAS))


CONNECTORS = records(
    {"id": IDS, "status": STATUSES},
    {"max_power": mostly(st.sampled_from([22, "22", "3.7", 1e999])), "standard": NAMES},
)
EVSES = records(
    {"uid": IDS, "status": STATUSES, "connectors": mostly(st.lists(CONNECTORS, max_size=2))},
    {
        "id": NAMES,
        "parkingsensor_status": STATUSES,
        "capabilities": mostly(st.lists(NAMES, max_size=3)),
        "reservable": mostly(st.booleans()),
    },
)
STATIONS = records(
    {"id": IDS, "name": NAMES, "evses": mostly(st.lists(EVSES, max_size=2))},
    {
        "country": mostly(st.sampled_from(["DE", "DEU", "de"])),
        "coordinates": mostly(
            st.fixed_dictionaries(
                {"latitude": mostly(st.sampled_from(["50.1234567", 50, "95"]))},
                optional={"longitude": JUNK, "datum": JUNK},
            )
        ),
        "operator": mostly(st.dictionaries(st.sampled_from(["name", "x"]), NAMES, max_size=2)),
        "opening_times": mostly(
            st.fixed_dictionaries(
                {"twentyfourseven": mostly(st.booleans())},
                optional={
                    "regular_hours": mostly(
                        st.lists(
                            st.fixed_dictionaries(
                                {
                                    "weekday": mostly(st.sampled_from([1, "7", "holiday"])),
                                    "period_begin": mostly(st.just("07:00:00")),
                                    "period_end": mostly(st.just("24:00")),
                                }
                            ),
                            max_size=2,
                        )
                    )
                },
            )
        ),
    },
)
BODIES = mostly(
    st.builds(
        lambda data, extra, at: json.dumps(
            {"data": data, "status_code": 1000, "timestamp": at, **extra}
        ).encode(),
        mostly(st.lists(STATIONS, max_size=4)),
        EXTRAS,
        mostly(st.sampled_from(["2022-01-11T21:00:05+01:00", "2022-01-11T21:00:05", None])),
    )
).map(lambda body: body if isinstance(body, bytes) else json.dumps(body).encode())


@st.composite
def hours(draw: st.DrawFn) -> list[tuple[Any, dict[str, Any]]]:
    """Polls of an hour: two places, repeated and changed answers, gaps, failures, two answers."""
    pool = draw(st.lists(BODIES, min_size=1, max_size=3))
    polls = []
    for number in range(draw(st.integers(1, 6))):
        minute = draw(st.sampled_from([0, 10, 20, 30, 40, 50, 25.5]))
        begun = SLOT + timedelta(minutes=minute, seconds=number)
        bodies: dict[str, Any] = {}
        for slug in draw(st.sampled_from([("koeln",), ("bonn",), ("bonn", "koeln")])):
            outcome = draw(st.sampled_from(["ok"] * 5 + ["timeout", "http_error"]))
            body = None if outcome == "timeout" else draw(st.sampled_from(pool))
            bodies[slug] = place(slug, body, outcome, requested_at=begun)
        polls.append((poll(minute, started_at=begun), bodies))
    return polls


@settings(max_examples=120)
@given(hours())
def test_flatten__is_like_the_reference(polls: list[Any]) -> None:
    assert_sound(assert_like_the_reference(answers(*polls)))


@settings(max_examples=40)
@given(hours(), st.randoms(use_true_random=False))
def test_flatten__the_order_of_objects_does_not_matter(
    polls: list[Any], dice: random.Random
) -> None:
    lake = MemoryLake()
    keys = [archived(lake, header, bodies) for header, bodies in polls]
    expected = flatten(read_places(lake, keys))
    dice.shuffle(keys)
    found = flatten(read_places(lake, keys))
    assert all(found[name].equals(expected[name]) for name in TABLES)


@settings(max_examples=20)
@given(hours())
def test_write_flat__the_same_answers_give_the_same_bytes(polls: list[Any]) -> None:
    written = []
    for _ in range(2):
        lake, hour = MemoryLake(), flattened(*polls)
        for table in FLAT_TABLES:
            described = {"archive_digest": "a", "code_version": "c"}
            write_flat(lake, table, HOUR, hour[table.name], **described)
        written.append(lake.objects)
    assert written[0] == written[1]


# ---- damage costs what it damages, and nothing beside it

LEFT, RIGHT = station("left"), station("right")


def neighbours(hour: FlatHour) -> dict[str, Rows]:
    """The rows that two good stations must have, whatever stands between them."""
    kept: dict[str, Rows] = {}
    for name in TABLES[1:5]:
        ids = [
            key
            for key in ("station_id", "evse_uid", "connector_id")
            if key in hour[name].schema.names
        ]
        kept[name] = [
            {key: value for key, value in row.items() if key != "poll_ordinal"}
            for row in rows(hour, name)
            if any(str(row[key]).startswith(("left", "right")) for key in ids)
        ]
    return kept


def between(fragment: bytes) -> bytes:
    left, right = (json.dumps(record).encode() for record in (LEFT, RIGHT))
    body = envelope(data="HERE")
    return body.replace(b'"HERE"', b"[" + left + b", " + fragment + b", " + right + b"]")


UNDISTURBED = neighbours(flattened((poll(), {"koeln": envelope(LEFT, RIGHT)})))

GOOD = json.dumps(station("mid")).encode()
DAMAGE = {
    "nan": GOOD.replace(b'"50.940991"', b"NaN"),
    "infinity": GOOD.replace(b'"50.940991"', b"-Infinity"),
    "too_large_real": GOOD.replace(b'"50.940991"', b"1e999"),
    "10^400": GOOD.replace(b'"50.940991"', b"1" + b"0" * 400),
    "10^10000": GOOD.replace(b'"50.940991"', b"1" + b"0" * 10_000),
    "leading_zero": GOOD.replace(b'"50.940991"', b"050"),
    "double_key": GOOD.replace(b'"name"', b'"name": "x", "name"'),
    "double_id": GOOD.replace(b'"id"', b'"id": "x", "id"', 1),
    "lone_surrogate": GOOD.replace(b"Station mid", b"Sta\\ud800tion"),
    "lone_surrogate_as_name": GOOD.replace(b'"owner"', b'"\\udfff": NaN, "owner"'),
    "lone_surrogates_as_names": GOOD.replace(b'"owner"', b'"\\udfff": 1, "\\udffe": 2, "owner"'),
    "bad_utf8": GOOD.replace(b"Station mid", b"Sta\xff\xc3tion"),
    "bad_utf8_as_name": GOOD.replace(b'"owner"', b'"\xff": 1, "owner"'),
    "bad_utf8_and_surrogate": GOOD.replace(b'"owner"', b'"\xff": 1, "\\ud800": 2, "owner"'),
    "escaped_nul": GOOD.replace(b"Station mid", b"Sta\\u0000tion"),
    "escaped_nul_as_id": GOOD.replace(b'"mid"', b'"mi\\u0000d"'),
    "escaped_nul_as_name": GOOD.replace(b'"owner"', b'"coordinates\\u0000x": 1, "owner"'),
    "escaped_nul_in_nan": GOOD.replace(b'"owner"', b'"a\\u0000b": NaN, "owner"'),
    "raw_nul": GOOD.replace(b"Station mid", b"Sta\x00tion"),
    "raw_newline": GOOD.replace(b"Station mid", b"Sta\r\n\ttion"),
    "raw_newline_and_nan": GOOD.replace(b"Station mid", b"Sta\ntion").replace(
        b'"50.940991"', b"NaN"
    ),
    "bad_escape": GOOD.replace(b"Station mid", b"Sta\\qtion"),
    "bare_word": GOOD.replace(b'"owner": null', b'"owner": undefined'),
    "no_colon": GOOD.replace(b'"owner":', b'"owner"'),
    "empty": b"",
    "deep_lists": GOOD.replace(b'"owner": null', b'"owner": ' + b"[" * 5000 + b"]" * 5000),
    "deep_objects": GOOD.replace(
        b'"owner": null', b'"owner": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000
    ),
    "very_deep": GOOD.replace(b'"owner": null', b'"x": ' + b"[" * 200_000 + b"]" * 200_000),
    "list_as_record": b"[" + GOOD + b"]",
    "text_as_record": b'"' + b"x" * 5000 + b'"',
    "number_as_record": b"1e999",
    "long_name": GOOD.replace(b'"owner"', b'"' + "ö".encode() * 5000 + b'": NaN, "owner"'),
    "very_long_name": GOOD.replace(b'"owner"', b'"' + b"\\u0001" * 100_000 + b'": 1, "owner"'),
    "long_id": GOOD.replace(b'"mid"', b'"' + b"1" * 129 + b'"'),
    "brackets_in_text": GOOD.replace(b"Station mid", b'Sta]}\\"[{,:tion').replace(
        b'"50.940991"', b"NaN"
    ),
}


@pytest.mark.fault(
    "NaN, 1e999, duplicate keys, wrong types, no JSON at all",
    "the record is set aside with its reason, or its field is null; its neighbours are whole",
    area="answers",
)
@pytest.mark.parametrize("damage", DAMAGE)
def test_flatten__damage_in_a_record_costs_no_neighbour(damage: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[damage])}))
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED
    row = one(hour, "flat_polls")
    assert (row["outcome"], row["station_count"]) == ("ok", 3)


@pytest.mark.parametrize("damage", sorted(set(DAMAGE) - {"double_key", "double_id"}))
def test_flatten__damage_in_a_record_is_recorded(damage: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[damage])}))
    is_clean = damage in {"escaped_nul", "escaped_nul_as_id", "lone_surrogates_as_names"}
    is_drift = one(hour, "flat_polls")["unknown_fields"] is not None
    assert (
        is_clean or is_drift or any(pointer.startswith("/data/1") for _, pointer, _ in codes(hour))
    )


@pytest.mark.parametrize(
    "kept", ["nan", "10^400", "lone_surrogate", "bad_utf8", "raw_newline", "raw_nul", "10^10000"]
)
def test_flatten__a_bad_value_nulls_its_field_alone(kept: str) -> None:
    hour = flattened((poll(), {"koeln": between(DAMAGE[kept])}))
    row = one(hour, "flat_stations", station_id="mid")
    assert (row["longitude"], row["address"]) == (6.992267, "Musterweg 1")
    assert one(hour, "flat_status", evse_uid="mid-e")["status"] == "AVAILABLE"


def test_flatten__damage_elsewhere_in_a_record_does_not_change_its_key() -> None:
    number = 123_456_789_012_345_678_901
    sound = flattened((poll(), {"koeln": envelope(station(number, []))}))
    broken = envelope(station(number, [], coordinates={"latitude": math.nan}))
    damaged = flattened((poll(), {"koeln": broken}))
    keys = [one(hour, "flat_stations")["station_key"] for hour in (sound, damaged)]
    assert keys[0] == keys[1]
    assert one(sound, "flat_stations")["station_id"] == str(number)


@settings(max_examples=120)
@given(JUNK)
def test_flatten__any_value_as_a_record_costs_no_neighbour(value: Any) -> None:
    hour = flattened((poll(), {"koeln": envelope(LEFT, value, RIGHT)}))
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED


def _at(parts: list[Any], path: tuple[Any, ...], value: Any) -> None:
    target: Any = parts
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for name, member in members:
        is_nested = isinstance(member, dict | list)
        found += _paths(member, (*path, name)) if is_nested else [(*path, name)]
    return found


PATHS = _paths([station("mid", [evse("mid-e", [connector("mid-c")])])])


@settings(max_examples=150)
@given(st.sampled_from(PATHS), JUNK)
def test_flatten__any_value_anywhere_in_a_record_costs_no_neighbour(
    path: tuple[Any, ...], value: Any
) -> None:
    parts = [station("mid", [evse("mid-e", [connector("mid-c")])])]
    _at(parts, path, value)
    found = answers((poll(), {"koeln": envelope(LEFT, *parts, RIGHT)}))
    hour = assert_like_the_reference(found)
    assert_sound(hour)
    assert neighbours(hour) == UNDISTURBED


@settings(max_examples=100)
@given(
    st.sampled_from(["data", "status_code", "status_message", "timestamp", "\ud800", "x" * 70_000]),
    JUNK,
)
def test_flatten__any_value_anywhere_in_an_envelope_does_not_crash(name: str, value: Any) -> None:
    found = answers(
        (poll(), {"bonn": envelope(LEFT, RIGHT), "koeln": envelope(LEFT, **{name: value})})
    )
    hour = flatten(found)
    assert_sound(hour)
    assert len(rows(hour, "flat_status", place="bonn")) == 2


@settings(max_examples=100)
@given(
    st.one_of(
        st.binary(max_size=50),
        st.tuples(st.integers(0, 400), st.integers(0, 400), st.binary(max_size=4)).map(
            lambda cut: envelope(LEFT)[: cut[0]] + cut[2] + envelope(LEFT)[cut[1] :]
        ),
    )
)
def test_flatten__any_bytes_as_a_body_cost_no_other_answer(body: bytes) -> None:
    good = envelope(LEFT, RIGHT)
    hour = flattened(
        (poll(0), {"bonn": good, "koeln": good}),
        (poll(10), {"bonn": good, "koeln": body}),
        (poll(20), {"bonn": good, "koeln": good}),
    )
    assert_sound(hour)
    assert len(rows(hour, "flat_polls")) == 6
    assert len(rows(hour, "flat_status", place="bonn")) == 6
    for minute in (0, 20):
        slot = SLOT.replace(tzinfo=None) + timedelta(minutes=minute)
        assert len(rows(hour, "flat_status", place="koeln", slot_at=slot)) == 2


@pytest.mark.fault(
    "HTML, a truncated answer, or one of another schema",
    area="answers",
)
@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "not_json"),
        (b"<html>", "", "not_json"),
        (b"null", "", "bad_envelope"),
        (b'{"data": [', "", "not_json"),
        (b'{"data": []', "", "not_json"),
        (b'{"data": []} {"data": []}', "", "not_json"),
        (b'{"data": [}]', "", "not_json"),
        (b'{"timestamp": "x"}', "/data", "bad_envelope"),
        (b'{"data": {"0": {}}}', "/data", "bad_envelope"),
        (b'{"data": [], "status_code": 2000}', "/status_code", "api_status"),
        (b'{"data": [], "status_code": NaN}', "/status_code", "api_status"),
        (b"[" * 100_000, "", "too_deep"),
        (b"[" * 100_000 + b"]" * 100_000, "", "too_deep"),
    ],
)
def test_flatten__what_is_no_answer_is_a_bad_body(body: bytes, pointer: str, code: str) -> None:
    hour = flattened((poll(), {"koeln": body}))
    assert_sound(hour)
    assert one(hour, "flat_polls")["outcome"] == "bad_body"
    assert codes(hour) == [("poll", pointer, code)]
    kept = one(hour, "flat_rejects")["fragment"]
    assert kept == body[:1024].decode()


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + envelope(station()),
        b"\xef\xbb\xbf" + envelope(station(name="HERE")).replace(b"HERE", b"\xff"),
        envelope(station(), status_code="1000"),
        envelope(station(), status_code=None),
        envelope(station(), status_code=MISSING),
        envelope(station(), at=math.nan),
        envelope(station(), HERE=1).replace(b"HERE", b"\xff"),
        envelope(station(), HERE=1).replace(b"HERE", b"\\ud800"),
        envelope(station(), HERE=1).replace(b'"HERE"', b"\n" + b'"' + b"x" * 100_000 + b'"'),
        envelope(station(), x=0).replace(b'"x": 0', b'"x": ' + b"[" * 9000 + b"]" * 9000),
    ],
)
def test_flatten__damage_beside_the_stations_costs_none_of_them(body: bytes) -> None:
    hour = flattened((poll(), {"koeln": body}))
    assert_sound(hour)
    assert one(hour, "flat_polls")["outcome"] == "ok"
    assert one(hour, "flat_status")["status"] == "AVAILABLE"


# ---- records


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


# ---- polls


def swapped(body: bytes) -> bytes:
    answer = json.loads(body)
    for record in answer["data"]:
        record["evses"].reverse()
        for part in record["evses"]:
            part["connectors"].reverse()
            part["capabilities"].reverse()
    answer["data"].reverse()
    return json.dumps(answer).encode()


def test_flatten__an_order_that_changes_makes_no_new_state() -> None:
    parts = [connector("c"), connector("d", max_power=50)]
    body = envelope(
        station("s", [evse("e", parts, capabilities=["B", "A"]), evse("f")]), station("t")
    )
    hour = flattened((poll(0), {"koeln": body}), (poll(10), {"koeln": swapped(body)}))
    sizes = [hour[n].num_rows for n in ("flat_stations", "flat_evses", "flat_connectors")]
    assert sizes == [2, 3, 4]
    assert {row["poll_count"] for row in rows(hour, "flat_connectors")} == {2}


def test_flatten__polls_of_one_state_are_counted_however_it_was_spelled() -> None:
    tidy, untidy = envelope(station(name="A B")), envelope(station(name=" A  B"))
    bodies = (tidy, untidy, tidy, untidy, untidy)
    hour = flattened(*((poll(10 * n), {"koeln": body}) for n, body in enumerate(bodies)))
    row = one(hour, "flat_stations")
    assert (row["slot_at"].minute, row["last_slot_at"].minute, row["poll_count"]) == (0, 40, 5)
    assert one(hour, "flat_connectors")["poll_count"] == 5


def test_flatten__a_state_that_comes_back_is_one_row_from_first_to_last() -> None:
    old, new = envelope(station()), envelope(station(name="New"))
    hour = flattened(*((poll(m), {"koeln": b}) for m, b in ((0, old), (10, new), (20, old))))
    states = {row["name"]: row for row in rows(hour, "flat_stations")}
    told = {
        n: (r["slot_at"].minute, r["last_slot_at"].minute, r["poll_count"])
        for n, r in states.items()
    }
    assert told == {"Station s1": (0, 20, 2), "New": (10, 10, 1)}


def test_flatten__a_status_alone_is_no_attribute_state() -> None:
    bodies = [
        envelope(station("s", [evse("e", [connector("c", status=status)], status=status)]))
        for status in ("AVAILABLE", "CHARGING")
    ]
    hour = flattened((poll(0), {"koeln": bodies[0]}), (poll(10), {"koeln": bodies[1]}))
    assert [hour[n].num_rows for n in TABLES[1:5]] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("minutes", "failed", "ordinals"),
    [
        ((0, 10, 20), (), [1, 2, 3]),
        ((0, 20, 30), (), [1, 2, 3]),
        ((0, 25), (), [1, 2]),
        ((0, 25 + 1 / 60), (), [1, 3]),
        ((0, 10, 20), (10,), [1, 2]),
        ((0, 10, 20, 30), (10, 20), [1, 3]),
        ((0, 30, 40), (), [1, 3, 4]),
        ((40,), (), [1]),
        ((0, 10), (0,), [1]),
    ],
)
def test_flatten__ordinals_tell_neighbours_from_gaps(
    minutes: tuple[float, ...], failed: tuple[int, ...], ordinals: list[int]
) -> None:
    good = envelope(station())
    hour = flattened(
        *(
            (poll(m), {"koeln": place("koeln", None, "timeout") if m in failed else good})
            for m in minutes
        )
    )
    assert [row["poll_ordinal"] for row in rows(hour, "flat_status")] == ordinals


def test_flatten__an_absent_evse_leaves_a_hole_in_the_ordinals() -> None:
    there, gone = envelope(station()), envelope()
    hour = flattened(*((poll(m), {"koeln": b}) for m, b in ((0, there), (10, gone), (20, there))))
    assert [row["poll_ordinal"] for row in rows(hour, "flat_status")] == [1, 3]


def test_flatten__ordinals_count_each_place_by_itself() -> None:
    good = envelope(station())
    hour = flattened((poll(0), {"koeln": good}), (poll(10), {"bonn": good, "koeln": good}))
    ordinals = {
        (r["place"], r["slot_at"].minute): r["poll_ordinal"] for r in rows(hour, "flat_status")
    }
    assert ordinals == {("koeln", 0): 1, ("koeln", 10): 2, ("bonn", 10): 1}


def _try(second: int, body: bytes | None, outcome: str = "ok") -> tuple[Any, dict[str, Any]]:
    begun = SLOT + timedelta(seconds=second)
    return poll(started_at=begun), {"koeln": place("koeln", body, outcome, requested_at=begun)}


FIRST, SECOND = envelope(station("first")), envelope(station("second"))


@pytest.mark.parametrize(
    ("tries", "kept", "outcome"),
    [
        ([_try(1, FIRST), _try(2, SECOND)], ["first"], "ok"),
        ([_try(1, None, "timeout"), _try(2, FIRST), _try(3, SECOND)], ["first"], "ok"),
        ([_try(1, b"<html>"), _try(2, FIRST)], ["first"], "ok"),
        ([_try(1, b"<html>"), _try(2, None, "timeout")], [], "bad_body"),
        ([_try(1, None, "timeout"), _try(2, b"<html>")], [], "timeout"),
        ([_try(1, envelope()), _try(2, FIRST)], [], "ok"),
        ([_try(1, FIRST, "http_error"), _try(2, SECOND)], ["second"], "ok"),
    ],
)
def test_flatten__the_earliest_good_answer_of_a_slot_counts(
    tries: list[Any], kept: list[str], outcome: str
) -> None:
    for order in itertools.permutations(tries):
        hour = flattened(*order)
        assert_sound(hour)
        assert [row["station_id"] for row in rows(hour, "flat_stations")] == kept
        row = one(hour, "flat_polls")
        assert (row["outcome"], row["answer_count"]) == (outcome, len(tries))


def test_flatten__a_failed_poll_is_a_row_without_records() -> None:
    failure = place("koeln", b"busy", "http_error", http_status=503, elapsed_ms=12)
    row = one(flattened((poll(), {"koeln": failure})), "flat_polls")
    assert (row["outcome"], row["http_status"], row["elapsed_ms"]) == ("http_error", 503, 12)
    assert (row["station_count"], row["schema_fingerprint"], row["body_bytes"]) == (0, None, 4)


@pytest.mark.parametrize(
    ("published", "observed"),
    [
        ("2022-01-11T21:00:05+01:00", "2022-01-11T20:00:05"),
        ("2022-01-11T21:00:05", "2022-01-11T20:00:05"),
        ("2022-07-11T21:00:05", "2022-07-11T19:00:05"),
        ("2022-01-11T20:00:05Z", "2022-01-11T20:00:05"),
        (None, None),
    ],
)
def test_flatten__the_sources_own_time_is_utc(published: Any, observed: str | None) -> None:
    row = one(flattened((poll(), {"koeln": envelope(at=published)})), "flat_polls")
    assert (row["observed_at"] and row["observed_at"].isoformat()) == observed
    assert row["field_rejected_count"] == 0


@pytest.mark.parametrize(
    "published", ["yesterday", 1641934805, True, [], "0001-01-01T00:00:00+23:59"]
)
def test_flatten__a_time_that_is_none_is_recorded(published: Any) -> None:
    hour = flattened((poll(), {"koeln": envelope(station(), at=published)}))
    assert codes(hour) == [("poll", "/timestamp", "bad_timestamp")]
    assert one(hour, "flat_status")["observed_at"] is None


@pytest.mark.fault(
    "Fields that come, go or have another name",
    area="answers",
)
def test_flatten__the_fingerprint_changes_with_the_field_names_alone() -> None:
    def fingerprint(*stations: Any) -> int:
        row = one(flattened((poll(), {"koeln": envelope(*stations)})), "flat_polls")
        found: int = row["schema_fingerprint"]
        return found

    plain = fingerprint(station("1"), station("2"))
    assert fingerprint(station("3")) == plain
    assert fingerprint(station("1", brand="x")) != plain
    assert fingerprint(station("1", [evse("e", [connector("c", new=1)])])) != plain


def test_flatten__an_hour_without_answers_has_empty_tables() -> None:
    hour = flatten([])
    assert_sound(hour)
    assert [hour[name].num_rows for name in TABLES] == [0] * 6


def test_flatten__depth_of_the_caller_does_not_change_the_rows() -> None:
    """What is too deep is a matter of the record, not of how far down the stack it is read."""

    def at_depth(depth: int, call: Callable[[], Any]) -> Any:
        return call() if depth == 0 else at_depth(depth - 1, call)

    nested = [
        b'{"id": "d%d", "x": %b%b}' % (levels, b"[" * levels, b"]" * levels)
        for levels in range(50, 1000, 50)
    ]
    body = envelope(data="HERE").replace(b'"HERE"', b"[" + b", ".join(nested) + b"]")
    found = answers((poll(), {"koeln": body}))
    shallow, deep = flatten(found), at_depth(150, lambda: flatten(found))
    assert all(shallow[name].equals(deep[name]) for name in TABLES)
    assert 0 < shallow["flat_stations"].num_rows < len(nested)
