"""A feed kind that is this one file, and runs through everything with no other file changed.

Its API answers in a layout of its own: other names, stations under `net.sites`, all numbers as
texts, power in watts and current in milliamperes, times without an offset, and no status of
connectors.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from charging_assets import definitions, deployments
from charging_assets.acquisition.importer import read_file
from charging_assets.archive.raw_archive import archive
from charging_assets.archive.raw_objects import PlaceResponse, Poll
from charging_assets.hours import Hour
from charging_assets.sources import BadBody, Envelope, RecordMap, kind, split_pages
from charging_assets.sources.feeds import Feed

NAME = __name__

STATION = RecordMap(
    columns={
        "station_id": "siteRef",
        "name": "label",
        "city": "where.town",
        "latitude": "where.lat",
        "longitude": "where.lon",
        "operator_name": "runBy",
        "is_open_24_7": "alwaysOpen",
    },
    children="outlets",
    ignored=frozenset({"checksum"}),
)
EVSE = RecordMap(
    columns={"evse_uid": "no", "evse_id": "emi3", "status": "state"},
    children="plugs",
)
CONNECTOR = RecordMap(
    columns={
        "connector_id": "plugNo",
        "standard": "type",
        "max_power_kw": "rating.watts[W]",
        "ampere": "milliamps[mA]",
        "voltage": "volts",
    }
)


def url(base_url: str, slug: str) -> str:
    """The address of a place."""
    return f"{base_url}/v3/networks?area={slug}"


def split(bodies: Sequence[bytes]) -> Envelope:
    """The sites of all pages of an answer."""
    return split_pages(bodies, _sites)


def _sites(body: bytes) -> Envelope:
    try:
        answer = json.loads(body)
        sites, published_at = answer["net"]["sites"], answer["net"].get("asOf")
    except (ValueError, KeyError, TypeError) as error:
        raise BadBody("bad_envelope", f"no net.sites: {error}", body, "/net/sites") from None
    return Envelope(published_at, [json.dumps(site).encode() for site in sites], "/net/sites")


HOUR = Hour.parse("2023-06-01T12")


def answer(minute: int, state: str, label: str = "Hafen") -> bytes:
    plug = {
        "plugNo": 7, "type": "IEC_62196_T2", "rating": {"watts": "22000.0"}, "volts": " 400 ",
        "milliamps": "32000" if minute == 0 else "32",
    }  # fmt: skip
    site: Mapping[str, Any] = {
        "siteRef": 1,
        "label": label,
        "where": {"town": "Hamburg", "lat": "53.5", "lon": "9.9"},
        "runBy": "Stadtwerk",
        "alwaysOpen": "true",
        "checksum": f"{minute}",
        "colour": "green",
        "outlets": [{"no": "1-1", "emi3": "DE*HAF*E1", "state": state, "plugs": [plug]}],
    }
    # Local time of the feed's zone, without an offset.
    return json.dumps({"net": {"asOf": f"2023-06-01T14:{minute:02d}:09", "sites": [site]}}).encode()


@pytest.fixture(scope="module")
def storage() -> deployments.Storage:
    """An hour of three polls, the last one no answer of this kind, through the whole graph."""
    made = deployments.memory_storage()
    bodies = {0: answer(0, "AVAILABLE"), 10: answer(10, "charging", "Hafen 2"), 20: b'{"net": 1}'}
    for minute, body in bodies.items():
        at = datetime(2023, 6, 1, 12, minute, tzinfo=UTC)
        poll = Poll(
            feed="harbour", kind=NAME, slot_at=at, cadence_s=600, time_zone="Europe/Berlin",
            place_slugs=("all",), started_at=at, ended_at=at, program="tests",
        )  # fmt: skip
        archive(made.lake, poll, [PlaceResponse(slug="all", outcome="ok", body=body)])
    defs = definitions.build(made, feeds={})
    job = defs.resolve_job_def("load_hour")
    assert job.execute_in_process(partition_key=HOUR.key).success
    return made


def one(storage: deployments.Storage, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in storage.warehouse.query(sql).to_pylist()]


def test_kind__is_loaded_by_its_dotted_path() -> None:
    sites_kind = kind(NAME)
    assert sites_kind.NAME == NAME
    assert (
        sites_kind.url("https://example.org", "all") == "https://example.org/v3/networks?area=all"
    )


def test_kind__can_be_a_feed_and_its_files_be_imported() -> None:
    feed = Feed(name="harbour", kind=NAME, base_url="https://example.org", places=("all",))
    poll, places = read_file(
        feed, "20230601_140009_all.json", b'{"all": %s}' % answer(0, "BLOCKED")
    )
    assert (poll.kind, poll.slot_at) == (NAME, datetime(2023, 6, 1, 12, 0, 9, tzinfo=UTC))
    assert [place.slug for place in places] == ["all"]


def test_polls__have_outcomes_and_counts(storage: deployments.Storage) -> None:
    assert one(
        storage,
        "SELECT feed_kind, outcome, observed_at, station_count, evse_count, connector_count, "
        "unknown_fields FROM warehouse.fact_poll ORDER BY slot_at",
    ) == [
        (NAME, "ok", datetime(2023, 6, 1, 12, 0, 9), 1, 1, 1, '["/*/colour"]'),
        (NAME, "ok", datetime(2023, 6, 1, 12, 10, 9), 1, 1, 1, '["/*/colour"]'),
        (NAME, "bad_body", None, 0, 0, 0, None),
    ]


def test_dimensions__hold_the_mapped_fields(storage: deployments.Storage) -> None:
    assert one(
        storage,
        "SELECT station_id, name, city, latitude, longitude, operator_name, is_open_24_7, extra, "
        "valid_from FROM warehouse.dim_station ORDER BY valid_from",
    ) == [
        ("1", "Hafen", "Hamburg", 53.5, 9.9, "Stadtwerk", True, '{"colour":"green"}',
         datetime(2023, 6, 1, 12, 0)),
        ("1", "Hafen 2", "Hamburg", 53.5, 9.9, "Stadtwerk", True, '{"colour":"green"}',
         datetime(2023, 6, 1, 12, 10)),
    ]  # fmt: skip
    assert one(storage, "SELECT evse_uid, evse_id, station_id FROM warehouse.dim_evse") == [
        ("1-1", "DE*HAF*E1", "1")
    ]
    assert one(
        storage,
        "SELECT connector_id, evse_uid, standard, max_power_kw, voltage, ampere, extra "
        "FROM warehouse.dim_connector ORDER BY valid_from",
    ) == [
        ("7", "1-1", "IEC_62196_T2", 22.0, 400.0, 32.0, None),
        ("7", "1-1", "IEC_62196_T2", 22.0, 400.0, None, None),
    ]


def test_status__is_that_of_the_evse_alone(storage: deployments.Storage) -> None:
    """Connectors without a status of their own have their EVSE's: nothing is overridden."""
    assert one(
        storage,
        "SELECT status, connector_status_overrides, poll_count FROM warehouse.fact_status "
        "ORDER BY slot_at",
    ) == [("AVAILABLE", None, 1), ("CHARGING", None, 1)]


def test_rejects__contain_the_bad_body_and_the_wrong_unit(
    storage: deployments.Storage,
) -> None:
    query = "SELECT severity, code, pointer, fragment FROM ops.flat_rejects ORDER BY slot_at"
    assert one(storage, query) == [
        ("field", "out_of_range", "/net/sites/0/outlets/0/plugs/0/milliamps", '"32"'),
        ("body", "bad_envelope", "/net/sites", '{"net": 1}'),
    ]


def test_original_views__are_of_chargecloud_alone(storage: deployments.Storage) -> None:
    for view in (
        "status_chargingpoints",
        "charging_station",
        "charging_point",
        "connector",
        "time",
    ):
        assert one(storage, f"SELECT COUNT(*) FROM original.{view}") == [(0,)], view


def test_kind__that_is_no_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks NAME, STATION"):
        kind("charging_assets.hours")
    with pytest.raises(ValueError, match=r"no feed kind 'charging_assets_tests\.none'"):
        kind("charging_assets_tests.none")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"max_power_kw": "power[hp]"},
            r"'power\[hp\]' of column 'max_power_kw': unknown unit 'hp'",
        ),
        ({"max_power_kw": "power[]"}, "unknown unit ''"),
        ({"voltage": "power[W]"}, "W cannot be converted to V"),
        ({"standard": "power[W]"}, r"the column has no unit; leave out \[W\]"),
    ],
)
def test_kind__with_a_unit_that_cannot_be_converted_is_refused(
    columns: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ModuleType("wrong_units")
    parts = {"STATION": STATION, "EVSE": EVSE, "url": url, "split": split}
    vars(made).update(parts, NAME="wrong_units", CONNECTOR=RecordMap(columns=columns))
    monkeypatch.setitem(sys.modules, "tests_of_units.wrong", made)
    monkeypatch.setitem(sys.modules, "tests_of_units", ModuleType("tests_of_units"))
    with pytest.raises(ValueError, match=message):
        kind("tests_of_units.wrong")


@pytest.mark.parametrize(
    ("part", "within", "named"),
    [("STATION", "parent", "network, place"), ("EVSE", "city", "network, place, parent")],
)
def test_kind__an_id_within_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, part: str, within: str, named: str
) -> None:
    this = sys.modules[__name__]
    monkeypatch.setattr(this, part, replace(getattr(this, part), within=within))
    with pytest.raises(ValueError, match=rf"{part}\.within cannot be '{within}': .*{named}"):
        kind(__name__)
