"""Names: what the configuration accepts, every table and folder can hold."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charging_assets import names
from charging_assets.archive.gaps import note_key
from charging_assets.archive.raw_objects import encode
from charging_assets.hours import Hour
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator.network import Network
from charging_assets.sources.feeds import SIMULATED, Feed, FeedError
from charging_assets_tests import builders

RULES = {"feed": names.FEED, "place": names.PLACE, "feed_kind": names.KIND}
# Names about as long as they may be, of characters that are allowed and of others.
NEAR_THE_LIMIT = st.text("abzAZ09_-~ ./äß\n\0", min_size=1, max_size=140)


def a_feed(**settings: Any) -> Feed:
    needed = {"name": "x", "kind": "chargecloud", "base_url": "https://example.org"}
    return Feed(**{**needed, "places": ("a",), **settings})


def test_tables__columns_of_names_are_as_long_as_names_may_be() -> None:
    lengths = {
        (column.name, column.length)
        for table in TABLES
        for column in table.columns
        if column.name in {*RULES, "time_zone"}
    }
    assert lengths == {
        *((column, rule.max_bytes) for column, rule in RULES.items()),
        ("time_zone", names.TIME_ZONE_MAX_BYTES),
    }


@given(NEAR_THE_LIMIT | st.text("ab", min_size=60, max_size=70), NEAR_THE_LIMIT)
@example("f" * 64, "p" * 128)
@example("f" * 65, "p" * 129)
def test_names__what_a_feed_accepts_every_flat_table_holds(name: str, place: str) -> None:
    try:
        feed = a_feed(name=name, places=(place,))
    except FeedError:
        assert not (names.FEED.is_valid(name) and names.PLACE.is_valid(place))
        return
    header = builders.poll(feed=feed.name, place_slugs=feed.places)
    body = builders.envelope(builders.station(), "no station")
    hour = builders.flattened((header, {place: body}))
    for table in FLAT_TABLES:
        assert find_violations(table, hour[table.name]) == []
    assert hour["flat_polls"].column("place").to_pylist() == [place]
    key, _ = encode(header, [builders.place(place, body)])
    assert all(len(part.encode()) <= 255 for part in key.split("/"))
    assert len(key.encode()) <= FLAT_TABLES[0].column("raw_key").length
    assert len(note_key(Hour.of(header.slot_at))) < 255


@pytest.mark.parametrize(
    ("setting", "value", "limit"),
    [
        ("name", "f" * 65, "65 characters long, 64 is the limit"),
        ("kind", "my_company." + "k" * 54, "65 characters long, 64 is the limit"),
        ("kind", "kind_äöü", "it is made of A-Z"),
        ("places", ("koeln", "p" * 129), "129 characters long, 128 is the limit"),
        ("user_agent", "u" * 257, "up to 256"),
        ("base_url", "https://example.org/" + "p" * 1024, "up to 1,024"),
        ("time_zone", "Europe/" + "./" * 40 + "Berlin", "IANA"),
    ],
)
def test_feed__a_text_that_is_too_long_is_refused_with_its_limit(
    setting: str, value: Any, limit: str
) -> None:
    with pytest.raises(FeedError, match=f"feed .*: {setting} cannot be .*{limit}") as refused:
        a_feed(**{setting: value})
    assert len(str(refused.value)) < 500


def test_simulator__has_names_that_a_feed_may_have() -> None:
    assert names.FEED.is_valid(SIMULATED)
    assert all(map(names.PLACE.is_valid, Network(seed=1, scale=3).slugs))


def test_feed__every_time_zone_fits() -> None:
    assert max(len(zone.encode()) for zone in available_timezones()) <= names.TIME_ZONE_MAX_BYTES


@pytest.mark.parametrize(
    "long", [{"slug": "k" * 129}, {"slug": "ö" * 90}, {"feed": "f" * 65}, {"kind": "long"}]
)
def test_flatten__a_name_of_an_old_archive_that_is_too_long_costs_no_hour(
    long: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slug, feed = long.get("slug", "koeln"), long.get("feed", "test")
    header = builders.poll(feed=feed, place_slugs=(slug, "bonn"))
    body = builders.envelope(builders.station())
    if "kind" in long:
        import sys

        from charging_assets.sources import chargecloud

        kind = "a_kind.of_a_package." + "k" * 60
        monkeypatch.setitem(sys.modules, kind, chargecloud)
        header = builders.poll(kind=kind, place_slugs=(slug, "bonn"))
    hour = builders.flattened((header, {slug: body, "bonn": body}))
    for table in FLAT_TABLES:
        assert find_violations(table, hour[table.name]) == []
    # Nothing is lost: both places are there, and the object's own name leads to the whole.
    polls = hour["flat_polls"].to_pylist()
    assert [row["station_count"] for row in polls] == [1, 1]
    assert {row["place"] for row in polls} == {"bonn", names.fit(slug, names.PLACE)}
    assert all(f"feed={feed}/" in row["raw_key"] for row in polls)


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_fit__is_short_and_apart(one: str, other: str) -> None:
    one, other = one.replace("~", ""), other.replace("~", "")
    fitting = names.fit(one, names.PLACE)
    assert len(fitting.encode()) <= names.PLACE.max_bytes
    assert (fitting == one) == (one.isprintable() and len(one.encode()) <= names.PLACE.max_bytes)
    assert (names.fit(other, names.PLACE) == fitting) == (one == other)
