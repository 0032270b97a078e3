"""Ambiguous times in paths: zones, AM and PM, counters, postcodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.import_paths import NotATime, read_path
from charging_assets.acquisition.import_times import TimesFrom
from charging_assets.acquisition.importer import (
    ImportRefused,
    ImportReport,
    import_paths,
    read_file,
)
from charging_assets.archive.raw_archive import read
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed, load_feeds
from charging_assets_tests.acquisition.archived_files import BODY, cities
from charging_assets_tests.builders import envelope

# The time of `BODY` is 2022-01-11 20:58:22 UTC.
NO_TIME = envelope(at=None)


def slots(
    folder: Path, feed: Feed, files: dict[str, bytes], **options: Any
) -> tuple[list[str], ImportReport]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lake = MemoryLake()
    report = import_paths(lake, feed, [folder], **options)
    if report.refused:
        assert not lake.objects
    slot_times = {answer.poll.slot_at for key in lake.objects for answer in read(lake, key)}
    return [f"{slot:%Y-%m-%dT%H:%M}" for slot in sorted(slot_times)], report


@pytest.mark.parametrize(
    "name",
    [
        "koeln_20220111T155824-0500", "koeln_20220111T155824-05:00",
        "20220111T155824\u22120500_koeln",
        "20220111_155824-0500_koeln", "koeln_2022-01-11 15:58:24 -05:00",
        "koeln_20220111T1558-0500",
        "koeln_20220111T215824+01", "koeln_2022-01-11T22-58-24+0200", "koeln_20220112T022824+0530",
        "koeln_2022-01-11_20-58_UTC", "koeln_2022-01-11_2058-GMT", "koeln 2022-01-11 2058 utc",
        "2058UTC_2022-01-11_koeln", "koeln_2022-01-11_20-58-24Z", "koeln_20220111T172824-0330",
        "koeln_2022-01-11_2158_CET", "koeln_2022-01-11_21-58_MEZ", "koeln_2022-01-11_2258CEST",
        "koeln_2022-01-11 15-58 UTC-5", "koeln_2022-01-11 21-58 GMT+1",
        "koeln_20220111T2158 UTC+01:00",
        "koeln_2022-01-11 09-58 PM", "koeln_2022-01-11 9-58PM", "koeln_2022-01-11_0958pm",
        "koeln_2022-01-11 9.58 p.m.", "koeln_2022-01-11 21-58 PM", "09.58 PM 2022-01-11 koeln",
        "koeln_2022-01-11_9.58.24_PM", "koeln_2022-01-11 08-58 PM UTC", "koeln_2022-01-11_21h58",
        "koeln_2022-01-11_21h58m24s", "koeln_2022-01-11_2158h", "koeln_2022-01-11_2158Uhr",
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [BODY, NO_TIME])
def test_read_file__zones_and_halves_of_the_day_are_read(
    feed: Feed, name: str, body: bytes
) -> None:
    poll, places = read_file(feed, f"{name}.json", body)
    assert poll.slot_at.replace(second=0) == datetime(2022, 1, 11, 20, 58, tzinfo=UTC)
    assert [place.slug for place in places] == ["koeln"]


def test_read_file__twelve_is_noon_and_midnight(feed: Feed) -> None:
    for half, hour in (("AM", 23), ("PM", 11)):
        poll, _ = read_file(feed, f"koeln_2022-01-12 12-30 {half}.json", NO_TIME)
        assert poll.slot_at == datetime(2022, 1, 12 - (half == "AM"), hour, 30, tzinfo=UTC)
    with pytest.raises(ImportRefused, match="is not a time"):
        read_file(feed, "koeln_2022-01-11 13-30 AM.json", NO_TIME)


AMBIGUOUS = [
    "koeln_2022-01-11_2158EST", "koeln_2022-01-11_2158_EST", "koeln_20220111T215824 PST",
    "koeln_2022-01-11_21-58x", "koeln_20220111_2158MSK", "koeln_2022-01-11 09-58_am_markt",
    "koeln_2022-01-11_2158-0000", "koeln_20220111_215824-01", "2022-01-11/2158/koeln",
    "2158/2022-01-11/koeln", "2022-01-11/koeln_2158", "2022-01-11/215824/koeln",
    "2022-01-11_koeln_2158", "koeln_20220111_215824CX",
]  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_import__an_ambiguous_time_is_refused_unless_the_answers_agree(
    tmp_path: Path, feed: Feed, name: str
) -> None:
    for options in ({}, {"names_in": "Europe/Berlin"}):
        slot_keys, report = slots(tmp_path, feed, {f"{name}.json": NO_TIME}, **options)
        assert (slot_keys, len(report.refused)) == ([], 1), report
        assert all("--times-from names" in why for why in report.refused.values())
    _, report = slots(tmp_path, feed, {}, times_from="names")
    assert (len(report.imported), report.refused, report.problems) == (1, {}, {})
    if "-0000" not in name and "_am_" not in name:
        slot_keys, report = slots(tmp_path, feed, {f"{name}.json": BODY})
        assert (slot_keys, report.refused) == (["2022-01-11T20:58"], {})


def test_import__letters_that_begin_a_place_are_not_a_zone(tmp_path: Path, feed: Feed) -> None:
    slot_keys, report = slots(tmp_path, feed, {"2022-01-11_2158koeln.json": NO_TIME})
    assert (slot_keys, list(report.places)) == (["2022-01-11T20:58"], ["koeln"])


COUNTERS = [
    ["koeln_2022-01-11_0001", "koeln_2022-01-11_0002"],
    ["koeln_2022-01-11_0001"],
    ["koeln_2022-01-11_000001", "koeln_2022-01-11_000002", "koeln_2022-01-12_000001"],
    ["20220111_000001_koeln", "20220111_000002_koeln"],
    ["koeln_2022-01-11_0101", "koeln_2022-01-12_0102", "koeln_2022-01-13_0103"],
    ["koeln_2022-01-11_0000", "bonn_2022-01-11_0001", "kiel_2022-01-11_0002"],
    ["koeln/2022-01-11/1017", "koeln/2022-01-11/1018"],
    ["koeln-202201110017", "koeln-202201110018"],
    ["0001_2022-01-11_koeln", "0002_2022-01-11_koeln"],
]


@pytest.mark.parametrize("names", COUNTERS)
@pytest.mark.parametrize("options", [{}, {"names_in": "Europe/Berlin"}, {"names_in": "UTC"}])
@pytest.mark.parametrize("body", [NO_TIME, BODY])
def test_import__counters_are_not_times(
    tmp_path: Path, feed: Feed, names: list[str], options: dict[str, str], body: bytes
) -> None:
    files = {f"{name}.json": body for name in names}
    slot_keys, report = slots(tmp_path, feed, files, **options)
    assert slot_keys == []
    assert report.refused
    assert all("--times-from names" in why for why in report.refused.values()), report.refused
    _, report = slots(tmp_path, feed, {}, times_from="names")
    assert (len(report.imported), report.problems) == (len(files), {})
    if body == BODY:
        slot_keys, report = slots(tmp_path, feed, {}, times_from="answers")
        assert (slot_keys, report.problems) == (["2022-01-11T20:58"], {})


@pytest.mark.parametrize(
    "names",
    [
        ["koeln_2022-01-11_0000", "koeln_2022-01-11_0010", "koeln_2022-01-12_0000"],
        ["koeln_2022-01-11_2158", "bonn_2022-01-11_2159"],
        ["koeln/2022/01/11/0620", "koeln/2022/01/11/0630"],
        ["20220111_215824_koeln", "20220112_215825_koeln", "20220112_000000_koeln"],
        ["koeln_20220111T0001", "koeln_20220111T0002"],
        ["koeln_2022-01-11_00-01", "koeln_2022-01-11_00-02"],
        ["koeln/date=2022-01-11/time=0620/x"],
    ],
)
def test_import__times_without_answers_are_times(
    tmp_path: Path, feed: Feed, names: list[str]
) -> None:
    _, report = slots(tmp_path, feed, {f"{name}.json": NO_TIME for name in names})
    assert (len(report.imported), report.refused, report.problems) == (len(names), {}, {})


def test_import__answers_confirm_the_numbers_of_their_shape(tmp_path: Path, feed: Feed) -> None:
    files = {"koeln_2022-01-11_2158.json": BODY, "koeln_2022-01-11_2159.json": NO_TIME}
    slot_keys, _ = slots(tmp_path, feed, files)
    assert slot_keys == ["2022-01-11T20:58", "2022-01-11T20:59"]


@pytest.mark.parametrize(
    ("name", "zone", "slot"),
    [
        ("koeln_2022-01-11_1558", "America/New_York", "2022-01-11T20:58"),
        ("koeln_2022-01-11_2058", "UTC", "2022-01-11T20:58"),
        # The answers publish the local time as UTC: they differ by the zone's offset.
        ("koeln_2022-01-11_2058", "Europe/Berlin", "2022-01-11T19:58"),
        ("koeln_2022-01-11_0900", "Europe/Berlin", None),
        ("koeln_2022-01-11_2158", "UTC", None),
        ("koeln_2022-01-11_2035", "Europe/Berlin", None),
        ("20220111_215824_koeln", "Asia/Tokyo", None),
        ("koeln_2022-01-11_0958", "Europe/Berlin", None),
        ("koeln_20220111T155824-0400", "Europe/Berlin", None),
    ],
)
def test_import__a_named_zone_is_compared_with_the_answers(
    tmp_path: Path, feed: Feed, name: str, zone: str, slot: str | None
) -> None:
    slot_keys, report = slots(tmp_path, feed, {f"{name}.json": BODY}, names_in=zone)
    assert slot_keys == ([slot] if slot else [])
    assert len(report.refused) == (slot is None)


def test_import__numbers_that_are_not_times_are_ignored_with_times_from_answers(
    tmp_path: Path, feed: Feed
) -> None:
    files = {f"koeln_2022-01-11_{n:04}.json": BODY for n in (61, 2500)}
    files["20220111_999999_koeln.json"] = BODY
    slot_keys, report = slots(tmp_path, feed, {**files, "bonn.json": NO_TIME}, times_from="answers")
    assert (slot_keys, len(report.imported)) == (["2022-01-11T20:58"], 3)
    assert ["--times-from answers" in why for why in report.problems.values()] == [True]


FORMS = st.sampled_from(["%Y%m%dT%H%M%S{z}", "x_%Y-%m-%dT%H-%M-%S{z}", "%Y-%m-%d %H:%M:%S {z}_x"])
OFFSETS = st.sampled_from([-720, -570, -300, -210, -60, 0, 60, 120, 330, 345, 765, 840])


@settings(max_examples=200)
@given(
    st.datetimes(datetime(2021, 1, 3), datetime(2025, 12, 30)).map(
        lambda at: at.replace(microsecond=0)
    ),
    OFFSETS,
    FORMS,
    st.sampled_from(["", ":"]),
)
def test_read_path__any_offset_is_applied(at: datetime, offset: int, form: str, colon: str) -> None:
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    named_time = read_path(
        at.strftime(form).replace("{z}", f"{sign}{hours:02}{colon}{minutes:02}") + ".json"
    ).time
    assert named_time is not None
    assert (named_time.is_utc, named_time.doubt) == (True, None)
    assert named_time.readings == (at - timedelta(minutes=offset),)


TAILS = st.text("0123456789-+_ .:TZAPMESTUCh/apm\u2212", max_size=14)


@settings(max_examples=400, deadline=timedelta(seconds=2))
@given(st.sampled_from(["2022-01-11_", "20220111", "2022/01/11/", "koeln_2022-01-11 "]), TAILS,
       st.sampled_from([None, "answers", "names"]))  # fmt: skip
def test_read_file__any_tail_is_near_the_answers_or_refused(
    start: str, tail: str, times_from: TimesFrom | None
) -> None:
    name = f"{start}{tail}.json"
    try:
        reading = read_path(name, is_time_read=times_from != "answers")
        assert reading.time is None or reading.time.text in f"{name} "
    except NotATime:
        pass
    if times_from is None and not name.startswith("20220111_"):
        try:
            poll, _ = read_file(load_feeds()["chargecloud"], name, cities(koeln=BODY))
        except ImportRefused:
            return
        published = datetime(2022, 1, 11, 20, 58, 22, tzinfo=UTC)
        assert abs(poll.slot_at - published) <= timedelta(minutes=15)
