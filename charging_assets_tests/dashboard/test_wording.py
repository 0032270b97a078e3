"""Texts with a count have the correct singular and plural in both languages."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.dashboard.blocks import Page
from charging_assets.dashboard.pages import now
from charging_assets.dashboard.reader import PublishedReader
from charging_assets.dashboard.request import Feed, PageRequest
from charging_assets.dashboard.wording import LANGUAGES, Wording, all_texts
from charging_assets.lake.store import LocalLake
from charging_assets.publication.publish import publish
from charging_assets.publication.published_files import PublishedFiles
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from charging_assets_tests.modelling import hours

COUNTED = sorted(name.removesuffix("_one") for name in all_texts() if name.endswith("_one"))
PLACES = re.compile(r"{(\w+)}")


def page_of(stations: Any, language: str, tmp_path: Any) -> Page:
    """The page of now, with its pictures, right after a poll with these stations."""
    lake, warehouse = LocalLake(tmp_path), DuckDBWarehouse(None)
    polled = hours.lake_of({0: stations})
    for hour in hours_archived(polled):
        hours.load(warehouse, polled, hour)
    publish(lake, warehouse, *hours_archived(polled))
    at = datetime(2022, 1, 11, 20)
    feed = Feed("test", "Europe/Berlin", 600, at, at)
    page_request = PageRequest("/now", {}, language, ["test"], feed, at, draws=True)
    return now.build_page(page_request, PublishedReader(PublishedFiles(lake), "a test"))


@pytest.mark.parametrize(
    ("language", "one", "several"),
    [
        ("en", ("at 1 station", "EVSE (100.0\u00a0%)"), ("at 2 stations", "EVSEs (100.0\u00a0%)")),
        (
            "de",
            ("an 1 Station", "Ladepunkt (100,0\u00a0%)"),
            ("an 2 Stationen", "Ladepunkte (100,0\u00a0%)"),
        ),
    ],
)
def test_now__units_agree_with_their_numbers(
    language: str, one: tuple[str, str], several: tuple[str, str], tmp_path: Any
) -> None:
    both = [hours.station(), hours.station([hours.evse("e2")], "s2")]
    for stations, expected in ((both[:1], one), (both, several)):
        page = page_of(stations, language, tmp_path / str(len(stations)))
        units = {figure.id: figure.unit for figure in page.figures}
        assert (units["evses"], units["free"]) == expected


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["1 of 1 EVSE reported", "Map of 1 station:", "EVSEs of 1 city by"]),
        ("de", ["1 von 1 Ladepunkt in", "Karte mit 1 Station:", "Ladepunkte von 1 Stadt nach"]),
    ],
)
def test_now__one_of_each_is_singular(language: str, expected: list[str], tmp_path: Any) -> None:
    page = page_of(hours.stand(), language, tmp_path)
    texts = [page.figures[0].coverage, *(chart.description for chart in page.charts)]
    for each, text in zip(expected, texts, strict=True):
        assert each in text


@pytest.mark.parametrize("name", COUNTED)
def test_texts__singular_and_plural_have_the_same_values(name: str) -> None:
    for language in LANGUAGES:
        one, several = (all_texts()[each][language] for each in (f"{name}_one", name))
        assert one != several
        assert set(PLACES.findall(one)) == set(PLACES.findall(several))


@pytest.mark.parametrize(("count", "expected"), [(0, "at 0 stations"), (1, "at 1 station")])
def test_counting__only_one_is_one(count: int, expected: str) -> None:
    assert Wording("en").plural("at_stations", count, stations=count) == expected
