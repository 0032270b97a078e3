"""The web server responds to any URL, always with the same security headers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard import reader as reader_module
from charging_assets.dashboard.reader import DataUnavailable, PublishedReader
from charging_assets.dashboard.server import PAGES, create_app
from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours

NOW = datetime(2022, 1, 12, 0, 0, tzinfo=UTC)
EVSE_COUNT = 600
FOLLOWING = "9" * 4400
HEADERS = (
    "content-security-policy", "referrer-policy", "x-content-type-options", "cache-control",
)  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Over published files of one small station, and of one with 600 EVSEs."""
    lake, warehouse = LocalLake(tmp_path_factory.mktemp("lake")), DuckDBWarehouse(None)
    many = [hours.evse(f"many-{number:03}") for number in range(EVSE_COUNT)]
    polled = hours.lake_of(
        {0: [hours.station([hours.evse("a")], "small"), hours.station(many, "large")]}
    )
    for hour in hours_archived(polled):
        hours.load(warehouse, polled, hour)
    publish(lake, warehouse, *hours_archived(polled))
    reader = PublishedReader(PublishedFiles(lake), "a test")
    return TestClient(
        create_app(reader, lambda: NOW),
        base_url="http://127.0.0.1:3001",
        raise_server_exceptions=False,
    )


def station(client: TestClient, station_id: str, **query: str) -> str:
    key = str(hours.key_of("station", station_id))
    response = client.get("/station", params={"station": key, "lang": "en", **query})
    assert response.status_code == 200
    return response.text


@pytest.mark.parametrize(
    "address",
    [
        "station?station=--5",
        f"station?station={FOLLOWING}",
        "station?station=9223372036854775808",
        "station?station=%D9%A3",
        f"station?page_evses={FOLLOWING}",
        "station?evse=--1",
        "station?evse=" + FOLLOWING,
        "station?from=0001-01-01&to=9999-12-31",
        "now?at=0001-01-01T02:00",
        "now?at=9999-12-31T23:59",
        "now?at=2022-01-11T00:00%2B99:00",
        "now/places.csv?at=0001-01-01T20:00",
        "now/stations.csv?at=9999-12-31",
        "city?from=%00",
        "quality?place=%ff%fe",
    ],
)
def test_page__value_out_of_range_is_answered(client: TestClient, address: str) -> None:
    assert client.get(f"/{address}").status_code == 200


@pytest.mark.parametrize("address", ["now?at=0001-01-01T02:00", "station?station=--5"])
def test_page__value_out_of_range_is_named(client: TestClient, address: str) -> None:
    text = client.get(f"/{address}&lang=en").text
    assert text.count('class="note warns" role="status"') == 1


_VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.from_regex(r"-*[0-9]{1,40}", fullmatch=True),
    st.datetimes().map(datetime.isoformat),
    st.dates().map(str),
    st.sampled_from(["", "9" * 5000, "nan", "inf", "1e999"]),
)
_NAMES = [
    "access", "at", "evse", "feed", "from", "lang", "operator", "page_evses", "page_stations",
    "place", "power", "state", "station", "to", "unknown",
]  # fmt: skip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    page=st.sampled_from([*PAGES, "now/places.csv", "station/evses.csv", "city/days.csv"]),
    query=st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4),
)
def test_page__no_query_is_an_error(client: TestClient, page: str, query: dict[str, str]) -> None:
    assert client.get(f"/{page}?{urlencode(query)}").status_code in {200, 404}


def test_station__of_many_evses_draws_some_and_states_how_many(client: TestClient) -> None:
    text = station(client, "large")
    assert "The charts show 40 of 600 charging points" in text
    assert text.count("<option") < 600


def test_station__evse_beyond_the_drawn_ones_can_be_chosen(client: TestClient) -> None:
    key = str(hours.key_of("evse", f"many-{EVSE_COUNT - 1:03}"))
    text = station(client, "large", evse=key)
    assert "The charts show" not in text
    assert f'<option value="{key}" selected>' in text


def test_station__of_few_evses_has_no_note(client: TestClient) -> None:
    assert "The charts show" not in station(client, "small")


@pytest.mark.parametrize(
    "path", ["/", "/now", "/nothing", "/static/style.css", "/static/nothing", "/now/places.csv"]
)
def test_answer__has_the_security_headers(client: TestClient, path: str) -> None:
    response = client.get(path, follow_redirects=False)
    expected = HEADERS[:-1] if path.startswith("/static") else HEADERS
    assert set(expected) <= set(response.headers)


def test_reader__reaches_published_files_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, secret = LocalLake(tmp_path / "lake"), tmp_path / "secret.txt"
    secret.write_text("sentinel", "utf-8")
    statements = {
        "read": f"SELECT content FROM read_text('{secret}')",
        "list": f"SELECT content FROM read_text('{tmp_path}/*')",
        "write": f"COPY (SELECT 1 AS a) TO '{tmp_path}/x'",
        "reopen": "SET enable_external_access = true",
        "unlock": "SET lock_configuration = false",
    }
    monkeypatch.setattr(reader_module, "sql", statements.__getitem__)
    for name in statements:
        with (
            pytest.raises(DataUnavailable, match=r"disabled by configuration|has been locked"),
            PublishedReader(PublishedFiles(lake), "a test").session() as rows,
        ):
            rows(name)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["secret.txt"]


def test_page__other_host_is_refused(client: TestClient) -> None:
    response = client.get("/now", headers={"host": "evil.example"})
    assert response.status_code == 403
    assert set(HEADERS) <= set(response.headers)


def test_error__is_logged_in_one_line(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("charging_assets.dashboard.server.loaded_feeds", lambda reader: 1 / 0)
    with caplog.at_level(logging.ERROR):
        response = client.get("/city/x%C2%85ERROR.csv", follow_redirects=False)
    assert response.status_code == 500
    assert set(HEADERS) <= set(response.headers)
    (record,) = (each for each in caplog.records if each.name.endswith("dashboard.server"))
    assert record.getMessage().isprintable()
    assert "ERROR.csv could not be created" in record.getMessage()


def test_page__control_characters_in_an_address_are_refused(client: TestClient) -> None:
    assert client.get("/city/x%0aERROR%20forged.csv").status_code == 400


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("reliability/operators.csv?access=open&power=50", "operators-opening-hours-50-kw"),
        ("reliability/days.csv?access=always&power=51", "days"),
        ("city/days.csv?unknown=ignored", "days-possibly-full"),
        ("city/days.csv", "days"),
    ],
)
def test_csv__is_named_after_the_options_that_are_set(
    client: TestClient, address: str, file: str
) -> None:
    response = client.get(f"/{address}")
    assert response.headers["content-disposition"].endswith(f'-{file}.csv"')


def test_option__is_kept_in_the_form_and_named_in_captions(client: TestClient) -> None:
    text = client.get("/reliability?access=open&power=50&lang=en").text
    assert '<option value="open" selected>' in text
    assert '<option value="50" selected>' in text
    assert text.count("only EVSEs with a connector of 50 kW or more") >= 3
    german = client.get("/city?unknown=ignored&lang=de").text
    assert '<option value="ignored" selected>' in german
    assert "möglicherweise voll" in german
    fault = client.get("/city?unknown=maybe&lang=en").text
    assert "“maybe” is not a valid choice" in fault
