"""Rules about published data: each reports planted errors and accepts clean data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.identities import FeedIdentity
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import Lake
from charging_assets_tests.builders import connector
from charging_assets_tests.checks.stores import (
    BY_NAME,
    evse,
    find,
    flat_lake,
    network,
    poll_at,
    sample_text,
    station,
)
from charging_assets_tests.modelling import hours


def _connector(**fields: Any) -> list[dict[str, Any]]:
    return [station([evse("bad", connectors=[connector("c-bad", **fields)])]), *network()]


def _station(**fields: Any) -> list[dict[str, Any]]:
    return [station([evse("e9")], "s-bad", **fields), *network()]


def _evse(uid: str = "bad", **fields: Any) -> list[dict[str, Any]]:
    return [station([evse(uid, **fields)], "s-bad"), *network()]


def _town(name: str, station_id: str = "1", evse_uid: str = "1", **fields: Any) -> list[Any]:
    """The only station of a town whose operator counts ids from 1."""
    parts = [evse(evse_uid, id=f"DE*{name[:3].upper()}*E1")]
    details = {"name": f"Rathaus {name}", "city": name, "coordinates": None}
    return [station(parts, station_id, **{**details, **fields})]


def _clock() -> Lake:
    lake = MemoryLake()
    poll_at(lake, 0, "2022-01-11T23:00:05+01:00")
    hours.flat_files(lake)
    return lake


# A lake with an error, and words that the sample must contain.
PLANTED: dict[str, tuple[Callable[[], Lake], tuple[str, ...]]] = {
    "raw_api_snapshots__every_slot_was_polled": (
        lambda: flat_lake(network(), (0, 10, 30, 40, 50)), ("test", "2022-01-11T20:20:00+00:00")),
    "flat_polls__no_untrimmed_text": (
        lambda: flat_lake(_station(postal_code="53177 ")),
        ("koeln", "s-bad", "postal_code", "53177 ")),
    "flat_polls__every_place_answered": (
        lambda: flat_lake({"koeln": network(), "bonn": None}), ("bonn", "timeout", "raw/feed=")),
    "flat_polls__no_schema_drift": (
        lambda: flat_lake(_station(novelty=1)), ("/*/novelty",)),
    "flat_polls__clock_agrees": (_clock, ("koeln", "7205")),
    "flat_rejects__no_id_twice": (
        lambda: flat_lake([*network(), station([evse("e4")], "s2")]),
        ("station", "'s2'", "/data/2")),
    "flat_stations__country_form": (
        lambda: flat_lake(_station(country="XYZ")), ("s-bad", "XYZ")),
    "flat_stations__coordinates_are_in_the_country": (
        lambda: flat_lake(_station(coordinates={"latitude": "6.99", "longitude": "50.94"})),
        ("s-bad", "6.99", "50.94")),
    "flat_stations__postal_code_form": (
        lambda: flat_lake(_station(postal_code="1234")), ("s-bad", "1234")),
    "flat_stations__hours_are_known": (
        lambda: flat_lake(_station(opening_times={"twentyfourseven": False, "regular_hours": []})),
        ("s-bad",)),
    "flat_stations__one_id_is_one_station": (
        lambda: flat_lake({"adorf": _town("Adorf"), "bdorf": _town("Bdorf", evse_uid="2")}),
        ("'station_id': '1'", "adorf", "bdorf", "Rathaus Adorf", "Rathaus Bdorf")),
    "flat_evses__one_id_is_one_evse": (
        lambda: flat_lake({"adorf": _town("Adorf"), "bdorf": _town("Bdorf", station_id="2")}),
        ("'evse_uid': '1'", "adorf", "bdorf", "DE*ADO*E1", "DE*BDO*E1")),
    "flat_evses__evse_id_form": (lambda: flat_lake(_evse(id="DE-TST-1")), ("bad", "DE-TST-1")),
    "flat_connectors__power_agrees_with_current_and_voltage": (
        lambda: flat_lake(_connector(ampere="8", max_power=3)), ("c-bad", "5.54")),
    "flat_connectors__current_and_voltage_are_published": (
        lambda: flat_lake(_connector(ampere="0")), ("c-bad",)),
    "flat_connectors__power_is_above_3_kw": (
        lambda: flat_lake(_connector(ampere="13", voltage="230", power_type="AC_1_PHASE",
                                     max_power=3)), ("c-bad", "13.0")),
    "flat_status__status_is_ocpi": (
        lambda: flat_lake(_evse(status="BROKEN")), ("bad", "'poll_count': 6")),
    "flat_status__status_is_known": (lambda: flat_lake(_evse(status="UNKNOWN")), ("bad",)),
    "flat_status__operators_report_status": (
        lambda: flat_lake(_evse(status="UNKNOWN")), ("Musterwerke", "0.25")),
    "flat_status__evse_agrees_with_connectors": (
        lambda: flat_lake(_evse(connectors=[connector("c1", status="CHARGING")])),
        ("bad", "AVAILABLE", "c1")),
    "flat_status__sensor_agrees": (
        lambda: flat_lake(_evse(status="CHARGING", parkingsensor_status="AVAILABLE")),
        ("bad", "CHARGING")),
}  # fmt: skip


@pytest.fixture(scope="module")
def clean() -> Lake:
    return flat_lake(network())


@pytest.mark.parametrize("name", PLANTED)
def test_rule__reports_the_planted_error(name: str) -> None:
    make, words = PLANTED[name]
    finding = find(name, make())
    assert not finding.passed
    assert finding.count == 1, finding.sample
    assert [word for word in words if word not in sample_text(finding)] == [], sample_text(finding)


@pytest.mark.parametrize("name", PLANTED)
def test_rule__accepts_clean_data(clean: Lake, name: str) -> None:
    finding = find(name, clean)
    assert (finding.passed, finding.count) == (True, 0), finding.sample


def test_rules__have_a_remedy() -> None:
    for rule in BY_NAME.values():
        assert len(rule.remedy) > 20, rule.name
        assert rule.description.endswith("."), rule.name


@pytest.mark.parametrize(
    ("status", "connectors", "contradicts"),
    [
        ("CHARGING", ["AVAILABLE"], True),
        ("CHARGING", ["AVAILABLE", "BLOCKED"], True),
        ("CHARGING", ["CHARGING", "AVAILABLE"], False),
        ("AVAILABLE", ["AVAILABLE", "CHARGING"], True),
        ("AVAILABLE", ["AVAILABLE", "OUTOFORDER"], False),
        ("UNKNOWN", ["CHARGING"], True),
        ("RESERVED", ["AVAILABLE"], False),
    ],
)
def test_evse_agrees_with_connectors__is_about_charging(
    status: str, connectors: list[str], contradicts: bool
) -> None:
    # Ids with characters that have a meaning in the JSON of the overrides.
    connector_records = [connector(f'c":{n}\\', status=each) for n, each in enumerate(connectors)]
    lake = flat_lake([station([evse(status=status, connectors=connector_records)])], (0,))
    assert find("flat_status__evse_agrees_with_connectors", lake).passed is not contradicts


def test_status_is_known__tolerates_5_percent() -> None:
    many = [station([evse(f"e{n}", "UNKNOWN" if n == 0 else "AVAILABLE") for n in range(20)])]
    finding = find("flat_status__status_is_known", flat_lake(many, (0,)))
    assert (finding.count, finding.population, finding.passed) == (1, 20, True)


@pytest.mark.parametrize("postal_code", ["01067", " 53177"])
def test_postal_code__is_checked_after_trimming(postal_code: str) -> None:
    lake = flat_lake(_station(postal_code=postal_code), (0,))
    assert find("flat_stations__postal_code_form", lake).passed


def _is_contradiction(power_type: str, ampere: int, voltage: int, power: int) -> bool:
    """Whether power contradicts current and voltage; an independent calculation."""
    phases = {"AC_1_PHASE": 1, "AC_3_PHASE": 3**0.5 if voltage >= 300 else 3, "DC": 1}
    expected = ampere * voltage * phases[power_type] / 1000
    if abs(power - expected) <= max(expected / 10, 0 if power < expected else 1):
        return False
    return power > expected or (power_type != "DC" and expected - power >= 1)


_CASES = st.tuples(
    st.sampled_from(["AC_1_PHASE", "AC_3_PHASE", "DC"]),
    st.integers(1, 600),
    st.sampled_from([120, 230, 400, 920]),
    st.integers(1, 400),
)


@settings(max_examples=25)
@given(cases=st.lists(_CASES, min_size=20, max_size=60, unique=True))
def test_power__agrees_with_a_plain_calculation(cases: list[tuple[str, int, int, int]]) -> None:
    connectors = [
        connector(f"c{n}", power_type=kind, ampere=ampere, voltage=voltage, max_power=power)
        for n, (kind, ampere, voltage, power) in enumerate(cases)
    ]
    lake = flat_lake([station([evse(connectors=connectors)])], (0,))
    wrong = sum(_is_contradiction(*case) for case in cases)
    finding = find("flat_connectors__power_agrees_with_current_and_voltage", lake)
    assert finding.count == wrong


def _near(latitude: str, longitude: str) -> dict[str, Any]:
    return {"coordinates": {"latitude": latitude, "longitude": longitude}}


@pytest.mark.parametrize(
    ("station_fields", "is_one"),
    [
        ({}, True),
        ({"name": "NORD"}, True),
        ({"name": "Other"}, True),
        ({"address": "Other 1"}, True),
        ({"name": "Other", "address": "Other 1"}, False),
        ({"name": "Other", "address": "Other 1", **_near("50.1", "7.0")}, False),
        (_near("50.1", "7.0"), True),
    ],
)
def test_one_id_is_one_station__fails_if_name_and_address_differ(
    station_fields: dict[str, Any], is_one: bool
) -> None:
    fields = {"name": "Nord", "address": "Weg 1", "city": "X", "coordinates": None}
    stations_by_place = {
        "a": [station([evse()], **fields)],
        "b": [station([evse()], **{**fields, **station_fields})],
    }
    finding = find("flat_stations__one_id_is_one_station", flat_lake(stations_by_place, (0,)))
    assert finding.passed is is_one, finding.sample


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        (("50.1", "7.0"), ("50.1", "7.0"), True),
        (("50.1", "7.0"), ("50.105", "7.0"), True),
        (("50.1", "7.0"), ("50.12", "7.0"), False),
        (("50.1", "7.0"), ("50.1", "7.02"), False),
    ],
)
def test_one_id_is_one_station__fails_over_one_kilometre(
    one: tuple[str, str], other: tuple[str, str], is_one: bool
) -> None:
    stations_by_place = {
        slug: [station([evse()], **_near(*where))] for slug, where in (("a", one), ("b", other))
    }
    finding = find("flat_stations__one_id_is_one_station", flat_lake(stations_by_place, (0,)))
    assert finding.passed is is_one, finding.sample


@pytest.mark.parametrize(("latitude", "is_one"), [("50.101", True), ("50.105", False)])
def test_one_id_is_one_station__allows_other_names_within_200_metres(
    latitude: str, is_one: bool
) -> None:
    stations_by_place = {
        "a": [station([evse()], **_near("50.1", "7.0"))],
        "b": [station([evse()], name="Other", address="Other 1", **_near(latitude, "7.0"))],
    }
    finding = find("flat_stations__one_id_is_one_station", flat_lake(stations_by_place, (0,)))
    assert finding.passed is is_one, finding.sample


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("DE*TST*E1", "DETSTE1", True),
        ("DE*TST*E1", "de-tst-e1", True),
        ("DE*TST*E1", "DE*TST*E2", False),
        ("DE*TST*E1", None, False),
        (None, None, False),
    ],
)
def test_one_id_is_one_evse__compares_evse_ids_then_stations(
    one: str | None, other: str | None, is_one: bool
) -> None:
    stations_by_place = {
        slug: [station([evse(id=evse_id)], f"s-{slug}")]
        for slug, evse_id in (("a", one), ("b", other))
    }
    finding = find("flat_evses__one_id_is_one_evse", flat_lake(stations_by_place, (0,)))
    assert finding.passed is is_one, finding.sample


def test_one_id_is_one_evse__accepts_a_change_in_both_places() -> None:
    lake = MemoryLake()
    for minute, evse_id in ((0, "DE*TST*E1"), (10, "DE*TST*E2")):
        hours.put(lake, minute, {slug: [station([evse(id=evse_id)])] for slug in ("a", "b")})
    hours.flat_files(lake)
    assert find("flat_evses__one_id_is_one_evse", lake).passed
    assert find("flat_stations__one_id_is_one_station", lake).passed


def test_one_id__is_not_compared_with_ids_within_place() -> None:
    lake = MemoryLake()
    for minute in (0, 10):
        hours.put(lake, minute, {"adorf": _town("Adorf"), "bdorf": _town("Bdorf")})
    for identities, is_passed in (({}, False), ({"test": FeedIdentity("test", "place")}, True)):
        hours.flat_files(lake, identities=identities)
        assert find("flat_stations__one_id_is_one_station", lake).passed is is_passed
        assert find("flat_evses__one_id_is_one_evse", lake).passed is is_passed


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("flat_evses__evse_id_form", {"id": "DE-TST-1"}),
        ("flat_status__status_is_known", {"status": "UNKNOWN"}),
        ("flat_status__status_is_ocpi", {"status": "BROKEN"}),
        (
            "flat_status__sensor_agrees",
            {"status": "CHARGING", "parkingsensor_status": "AVAILABLE"},
        ),
        (
            "flat_status__evse_agrees_with_connectors",
            {"connectors": [connector("1", status="CHARGING")]},
        ),
        (
            "flat_connectors__current_and_voltage_are_published",
            {"connectors": [connector("1", ampere="0")]},
        ),
        (
            "flat_connectors__power_agrees_with_current_and_voltage",
            {"connectors": [connector("1", ampere="8", max_power=3)]},
        ),
        (
            "flat_connectors__power_is_above_3_kw",
            {
                "connectors": [
                    connector("1", ampere="13", voltage="230", power_type="AC_1_PHASE", max_power=3)
                ]
            },
        ),
    ],
)
def test_rule__counts_evses_with_one_uid_at_two_stations_separately(
    name: str, fields: dict[str, Any]
) -> None:
    lake = MemoryLake()
    hours.put(lake, 0, [station([evse("1", **fields)], each) for each in ("s1", "s2")])
    hours.flat_files(lake, identities={"test": FeedIdentity("test", "parent")})
    assert find(name, lake).count == 2
