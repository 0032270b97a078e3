"""Places in the paths of archives, by layout, and which are refused as ambiguous."""

from __future__ import annotations

import os
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.import_paths import NotATime, read_path
from charging_assets.acquisition.import_plan import decide, plan_file, plan_import
from charging_assets.acquisition.importer import ImportReport, import_paths
from charging_assets.archive.raw_archive import read
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed, load_feeds
from charging_assets_tests.acquisition.archived_files import BODY, cities, make_zip
from charging_assets_tests.builders import change_feed, envelope, station

# All files of a layout are of 06:20 local time, which is 05:20 UTC.
AT = "2022-01-12T06:20:03+01:00"
KOELN, BONN = envelope(station("1"), at=AT), envelope(station("2"), at=AT)
NO_TIME = envelope(station("1"), at=None)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def import_folder(folder: Path, feed: Feed, **options: Any) -> tuple[MemoryLake, ImportReport]:
    lake = MemoryLake()
    report = import_paths(lake, feed, [folder], **options)
    if report.refused:
        assert not lake.objects
        assert not report.imported
    return lake, report


def polls(lake: MemoryLake) -> list[tuple[str, str]]:
    return sorted(
        (answer.place.slug, f"{answer.poll.slot_at:%Y-%m-%dT%H:%M}")
        for key in lake.objects
        for answer in read(lake, key)
    )


TWO = [("bonn", "2022-01-12T05:20"), ("koeln", "2022-01-12T05:20")]


@pytest.mark.parametrize(
    ("koeln", "bonn"),
    [
        ("koeln/0620/status.json", "bonn/0620/status.json"),
        ("koeln/2022/01/12/0620.json", "bonn/2022/01/12/0620.json"),
        ("koeln/2022-01/12/06-20.json", "bonn/2022-01/12/06-20.json"),
        ("2022-01-12/koeln.json", "2022-01-12/bonn.json"),
        ("2022-01-12/06/20/koeln.json", "2022-01-12/06/20/bonn.json"),
        ("2022/koeln/12.01.2022_0620.json", "2022/bonn/12.01.2022_0620.json"),
        ("koeln/20220112_062003.json", "bonn/20220112_062003.json"),
        ("20220112_062003_koeln.json", "20220112_062003_bonn.json"),
        ("koeln-2022-01-12T06-20.json", "bonn-2022-01-12T06-20.json"),
        ("12.01.2022_0620_koeln.json", "12.01.2022_0620_bonn.json"),
        ("0620 12-01-2022 koeln.json", "0620 12-01-2022 bonn.json"),
        ("data/status_koeln.json", "data/status_bonn.json"),
        ("status_koeln/data.json", "status_bonn/data.json"),
        ("koeln/1641964803.json", "bonn/1641964803.json"),
        ("1641964803000_koeln.json", "1641964803000_bonn.json"),
        ("place=koeln/date=2022-01-12/hour=06/x.json", "place=bonn/date=2022-01-12/hour=06/x.json"),
        ("koeln/koeln.json", "bonn/bonn.json"),
        ("koeln/2f1c0a9b77de.json", "bonn/2f1c0a9b77de.json"),
        ("koeln/response (1).json", "bonn/response (1).json"),
        ("koeln/foo.json", "bonn/foo.json"),
        ("nrw/koeln/foo.json", "nrw/bonn/foo.json"),
        ("old/koeln.json", "new/bonn.json"),
        ("koeln\\2022-01-12\\06-20.json", "bonn\\2022-01-12\\06-20.json"),
        ("koeln/1.json", "bonn/2.json"),
    ],
)
def test_import_paths__layouts_of_two_cities_are_two_places(
    tmp_path: Path, feed: Feed, koeln: str, bonn: str
) -> None:
    folder = write_files(tmp_path / "in", {koeln: KOELN, bonn: BONN})
    lake, report = import_folder(folder, feed)
    assert (report.problems, report.refused) == ({}, {})
    assert polls(lake) == TWO
    for name, body in (("koeln", KOELN), ("bonn", BONN)):
        bodies = [a.place.body for k in lake.objects for a in read(lake, k) if a.place.slug == name]
        assert bodies == [body]
    # A zip of the same files gives the same objects.
    archive = tmp_path / "in.zip"
    archive.write_bytes(make_zip((koeln, KOELN), (bonn, BONN)))
    again = import_paths(lake, feed, [archive])
    assert (again.imported, len(again.existing)) == ({}, 2)
    assert again.places == report.places
    assert all(place.is_configured and place.polls == 1 for place in report.places.values())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["koelln/foo.json", "bonnn/foo.json"], "the place may be foo or koelln"),
        (["koeln/bonn.json"], "the place may be bonn or koeln"),
        (["koeln/hof/0620.json", "bonn/hof/0620.json"], "the place may be"),
        (["aa/run/0620.json", "bb/run/0620.json"], "the place may be run or aa"),
        (["2022/status.json"], "names a place"),
        (["0620.json"], "names a place"),
        (["data_1.json"], "names a place"),
        (["koeln.json", "mitte_2.json"], "a place and a number"),
        (["Koeln/0620.json"], "'Koeln' differs from 'koeln' only in upper and lower case"),
        (["AltStadt.json", "2022/altstadt.json"], "only in upper and lower case"),
        (["aa/place=foo/01.02.2022_0620.json"], "2022-02-01 or 2022-01-02"),
        (["koeln/2022-03-27/0230.json"], "does not exist in Europe/Berlin"),
    ],
)
def test_import_paths__ambiguous_files_leave_the_archive_empty(
    tmp_path: Path, feed: Feed, files: list[str], reason: str
) -> None:
    sound = {"20220112_062003_dortmund.json": KOELN, "damaged.json": b"<html>"}
    folder = write_files(tmp_path / "in", {**dict.fromkeys(files, NO_TIME), **sound})
    for name in files:
        if "2022" not in name or "status" in name or "altstadt" in name:
            (folder / name).write_bytes(KOELN)
    lake, report = import_folder(folder, feed)
    assert lake.objects == {}
    assert any(reason in refusal for refusal in report.refused.values()), report.refused


@pytest.mark.parametrize(
    ("place_from", "places"), [("folder", ["altstadt", "neustadt"]), ("name", ["markt"])]
)
def test_import_paths__ambiguity_is_resolved_by_the_option(
    tmp_path: Path, feed: Feed, place_from: Any, places: list[str]
) -> None:
    files = {"altstadt/0620/markt.json": KOELN, "neustadt/0620/markt.json": BONN}
    folder = write_files(tmp_path / "in", files)
    plan = plan_import(feed, [folder])
    assert len(plan.doubts) == 2
    assert plan.places_from(place_from) == places
    _, report = import_folder(folder, feed, place_from=place_from)
    assert (list(report.places), report.refused, report.problems) == (places, {}, {})
    assert not any(place.is_configured for place in report.places.values())


def test_import_paths__files_imported_by_name_are_distinguished_by_their_folders(
    tmp_path: Path, feed: Feed
) -> None:
    files = {"altstadt/markt.json": KOELN, "neustadt/markt.json": BONN}
    paths = sorted(write_files(tmp_path, files).glob("*/*.json"))
    lake = MemoryLake()
    report = import_paths(lake, feed, paths)
    assert (len(report.refused), lake.objects) == (2, {})
    report = import_paths(lake, feed, paths, place_from="folder")
    assert list(report.places) == ["altstadt", "neustadt"]


def test_import_paths__the_imported_folder_is_a_place_if_configured(
    tmp_path: Path, feed: Feed
) -> None:
    folder = write_files(tmp_path, {"koeln/0620.json": KOELN, "altstadt/0620.json": BONN})
    assert list(import_folder(folder / "koeln", feed)[1].places) == ["koeln"]
    assert import_folder(folder / "altstadt", feed)[1].refused
    assert list(import_folder(folder / "altstadt", feed, place_from="folder")[1].places) == [
        "altstadt"
    ]


@pytest.mark.parametrize(
    ("above", "imported_folder", "refusal"),
    [
        ("roth/Downloads", "archive", "'roth' is above the imported one"),
        ("home/hof", "data", "'hof' is above the imported one"),
        ("kiel", "2022-01-12", "'kiel' is above the imported one"),
        ("home/meier/Downloads", "archive", "nor a folder names a place"),
    ],
)
def test_import_paths__folders_above_the_imported_one_are_not_places(
    tmp_path: Path, feed: Feed, above: str, imported_folder: str, refusal: str
) -> None:
    folder = write_files(tmp_path / above / imported_folder, {"20220112_062003.json": KOELN})
    for path in (folder, folder / "20220112_062003.json"):
        lake, report = import_folder(path, feed)
        assert lake.objects == {}
        assert [refusal in why for why in report.refused.values()] == [True]
        lake, report = import_folder(path, feed, place_from="folder")
        assert (lake.objects, len(report.problems)) == ({}, 1)


@pytest.mark.parametrize(
    "name",
    [
        "stations_koeln", "koeln_stations", "charging_koeln", "koeln_test", "KOELN-nord",
        "bad-koeln", "koeln2", "evse_koeln_station_x", "SW_stations_Stuttgart", "sw-stuttgart-west",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}_2022-01-12T06-20.json", "{}/0620.json", "2022-01-12/{}.json"])
def test_import_paths__a_name_that_contains_a_configured_place_is_refused(
    tmp_path: Path, feed: Feed, name: str, form: str
) -> None:
    lake, report = import_folder(write_files(tmp_path / "in", {form.format(name): KOELN}), feed)
    place = "SW-Stuttgart" if "tuttgart" in name else "koeln"
    assert lake.objects == {}
    assert [f"may be the configured place {place!r}" in why for why in report.refused.values()] == [
        True
    ]
    # The option states that it is a place.
    option = "folder" if "/0620" in form else "name"
    _, report = import_folder(tmp_path / "in", feed, place_from=option)
    assert list(report.places) == [name]


@pytest.mark.parametrize("name", ["bahnhof", "koelnmesse", "rothenburg", "hofheim-am-taunus"])
def test_import_paths__a_configured_place_within_a_word_is_not_that_place(
    tmp_path: Path, feed: Feed, name: str
) -> None:
    lake, _ = import_folder(
        write_files(tmp_path / "in", {f"{name}_2022-01-12T06-20.json": KOELN}), feed
    )
    assert polls(lake) == [(name, "2022-01-12T05:20")]


def test_import_paths__with_the_option_a_file_without_a_place_is_a_problem(
    tmp_path: Path, feed: Feed
) -> None:
    folder = write_files(tmp_path / "in", {"koeln.json": KOELN, "0620.json": BONN})
    assert import_folder(folder, feed)[1].refused
    lake, report = import_folder(folder, feed, place_from="name")
    assert polls(lake) == [("koeln", "2022-01-12T05:20")]
    assert list(report.problems.values()) == ["its name contains no place"]


def test_import_paths__one_unambiguous_date_decides_the_order_of_all(
    tmp_path: Path, feed: Feed
) -> None:
    first = {"01.02.2022_0620_koeln.json": NO_TIME}
    folder = write_files(tmp_path / "in", first)
    assert import_folder(folder, feed)[1].refused
    lake, _ = import_folder(write_files(folder, {"13.02.2022_0620_koeln.json": NO_TIME}), feed)
    assert polls(lake) == [("koeln", "2022-02-01T05:20"), ("koeln", "2022-02-13T05:20")]
    # With a contradicting date, no order is certain.
    assert import_folder(write_files(folder, {"02.14.2022_0620_bonn.json": NO_TIME}), feed)[
        1
    ].refused


def test_import_paths__answers_decide_the_order_of_day_and_month(
    tmp_path: Path, feed: Feed
) -> None:
    files = {"01-12-2022_0620_koeln.json": KOELN, "02-01-2022_0620_koeln.json": NO_TIME}
    lake, _ = import_folder(write_files(tmp_path / "in", files), feed)
    assert polls(lake) == [("koeln", "2022-01-12T05:20"), ("koeln", "2022-02-01T05:20")]


NOT_UTF_8 = b"20220112_062003_k\xf6ln.json".decode("utf-8", "surrogateescape")


def test_import_paths__names_that_are_not_utf_8_are_kept_escaped(
    tmp_path: Path, feed: Feed
) -> None:
    files = {
        "20220112_062000_a.json": cities(koeln=KOELN),
        NOT_UTF_8: cities(bonn=BONN),
        "20220112_062006_a\x1b[31m\nz.json": cities(kiel=BODY),
    }
    folder = write_files(tmp_path / "in", files)
    lake, report = import_folder(folder, feed, names_in="Europe/Berlin")
    assert (len(report.imported), report.problems, report.refused) == (3, {}, {})
    origins = sorted(str(a.poll.origin) for k in lake.objects for a in read(lake, k))
    assert origins[1] == "20220112_062003_k\\xf6ln.json"
    assert all(text.isprintable() for text in [*origins, *report.imported])


def test_import_paths__a_place_that_is_not_utf_8_is_a_problem_of_its_file(
    tmp_path: Path, feed: Feed
) -> None:
    folder = write_files(tmp_path / "in", {NOT_UTF_8: KOELN, "20220112_062003_bonn.json": BONN})
    folder = write_files(folder, {b"k\xf6ln/0620.json".decode("utf-8", "surrogateescape"): KOELN})
    lake, report = import_folder(folder, feed)
    assert polls(lake) == [("bonn", "2022-01-12T05:20")]
    assert [("k\\xf6ln" in path, "cannot be a place" in why) for path, why in
            sorted(report.problems.items())] == [(True, True)] * 2  # fmt: skip


def test_import_paths__a_zip_of_another_code_page_is_imported(tmp_path: Path, feed: Feed) -> None:
    content = bytearray(make_zip(("20220112_062003_kXln.json", cities(koeln=KOELN))))
    for at in (content.find(b"kXln"), content.rfind(b"kXln")):
        content[at + 1] = 0x94  # ö of code page 437
    (tmp_path / "old.zip").write_bytes(content)
    lake, report = import_folder(tmp_path / "old.zip", feed)
    assert (polls(lake), report.problems) == ([("koeln", "2022-01-12T05:20")], {})
    assert next(iter(report.imported)).endswith("köln.json")


def test_import_paths__composed_and_decomposed_names_are_one(tmp_path: Path, feed: Feed) -> None:
    lake = MemoryLake()
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "20220112_062003_köln.json")
        folder = write_files(tmp_path / form, {name: cities(koeln=KOELN)})
        report = import_paths(lake, feed, [folder])
        assert report.problems == {}
    assert len(lake.objects) == 1


FIELDS = {"timestamp": b'"2022-01-12T06:20:03+01:00"', "meta": b'{"version": 2}', "n": b"[1]"}


def test_import_paths__fields_next_to_the_places_are_reported_and_not_places(
    tmp_path: Path, feed: Feed
) -> None:
    content = cities(**FIELDS, altstadt=KOELN, bonn=b"null", neustadt=b'{"data": undefined}')
    folder = write_files(tmp_path / "in", {"20220112_062003_cities.json": content})
    lake, report = import_folder(folder, feed)
    # A configured place without an answer and a damaged answer are places as well.
    assert [slug for slug, _ in polls(lake)] == ["altstadt", "bonn", "neustadt"]
    assert list(report.fields.values()) == [("timestamp", "meta", "n")]
    assert list(report.places) == ["altstadt", "bonn", "neustadt"]


FAILED = [
    b'{"error": "timeout"}', b"null", b"{}", b"[]", b'{"status": 503, "message": "x"}',
    b'{"data": null}', b'{"ok": false}', b'[{"id": "1"}]', b'{"statusCode":"E"}',
]  # fmt: skip


@pytest.mark.parametrize("failed", FAILED)
def test_import_paths__a_failed_answer_is_archived_whatever_is_configured(
    tmp_path: Path, feed: Feed, failed: bytes
) -> None:
    content = cities(koeln=KOELN, bergheim=failed, timestamp=b'"2022"', status=b"{}")
    folder = write_files(tmp_path / "in", {"20220112_062003_cities.json": content})
    lake, report = import_folder(folder, feed)
    bodies = {a.place.slug: a.place.body for key in lake.objects for a in read(lake, key)}
    assert bodies == {"koeln": KOELN, "bergheim": failed}
    assert list(report.fields.values()) == [("timestamp", "status")]
    configured = change_feed(feed, places=("bergheim", "aachen"))
    assert len(import_paths(lake, configured, [folder]).existing) == 1


@pytest.mark.parametrize("failed", [b'"timeout"', b"503", b"false", b"[1]", b'{"x": 1}'])
def test_import_paths__a_place_in_one_file_is_a_place_in_all(
    tmp_path: Path, feed: Feed, failed: bytes
) -> None:
    first = {"20220112_062003_a.json": cities(koeln=KOELN, bergheim=failed)}
    folder = write_files(tmp_path / "in", first)
    lake, report = import_folder(folder, feed)
    assert ["--member bergheim=place" in why for why in report.refused.values()] == [True]
    _, report = import_folder(folder, feed, members={"bergheim": "field"})
    assert (list(report.places), list(report.fields.values())) == (["koeln"], [("bergheim",)])
    _, report = import_folder(folder, feed, members={"bergheim": "place"})
    assert list(report.places) == ["bergheim", "koeln"]
    write_files(folder, {"20220112_063003_a.json": cities(koeln=KOELN, bergheim=BONN)})
    lake, report = import_folder(folder, feed)
    assert (report.refused, report.problems, report.fields) == ({}, {}, {})
    bodies = [a.place.body for k in lake.objects for a in read(lake, k) if
              a.place.slug == "bergheim"]  # fmt: skip
    assert sorted(map(str, bodies)) == sorted(map(str, [failed, BONN]))


def test_import_paths__a_configured_place_with_the_name_of_a_field_is_refused(
    tmp_path: Path, feed: Feed
) -> None:
    content = cities(koeln=KOELN, info=b"null")
    folder = write_files(tmp_path / "in", {"20220112_062003_a.json": content})
    _, report = import_folder(folder, feed)
    assert list(report.fields.values()) == [("info",)]
    _, report = import_folder(folder, change_feed(feed, places=("info",)))
    assert ["--member info=field" in why for why in report.refused.values()] == [True]


def test_import_paths__a_place_with_an_invalid_name_is_a_problem_not_a_field(
    tmp_path: Path, feed: Feed
) -> None:
    content = cities(koeln=KOELN, **{"köln": b'{"error": "timeout"}'})
    folder = write_files(tmp_path / "in", {"20220112_062003_a.json": content})
    lake, report = import_folder(folder, feed)
    assert (lake.objects, len(report.problems)) == ({}, 1)


MEMBERS = st.sampled_from([*FAILED, KOELN, b"1", b'"x"', b'{"v": 1}', b'{"data": undefined}'])
NAMES = st.sampled_from(["koeln", "bonn", "bergheim", "aachen", "meta", "timestamp", "x"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(NAMES, MEMBERS, max_size=4), min_size=1, max_size=3),
    st.lists(st.lists(NAMES, unique=True, min_size=1), min_size=2, max_size=2),
)
def test_decide__archived_places_do_not_depend_on_the_configuration(
    files: list[dict[str, bytes]], configurations: list[list[str]]
) -> None:
    archived = []
    for places in configurations:
        feed = change_feed(load_feeds()["chargecloud"], places=tuple(places))
        planned = [
            plan_file(feed, f"20220112_06{at}000.json", "x", cities(**members), ())
            for at, members in enumerate(files)
        ]
        decide(planned, feed, None, None)
        archived.append(planned)
    for one, other in zip(*archived, strict=True):
        if one.is_importable and other.is_importable:
            assert one.contents == other.contents
            assert one.contents
            assert {*one.slugs, *one.contents.fields} == {m.name for m in one.contents.members}


def test_import_paths__a_file_that_changes_during_the_import_is_not_archived(
    tmp_path: Path, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from charging_assets.acquisition.importer import execute_import

    folder = write_files(tmp_path / "in", {"koeln.json": KOELN, "bonn.json": BONN})
    plan, lake = plan_import(feed, [folder]), MemoryLake()
    (folder / "koeln.json").write_bytes(BONN)
    report = execute_import(lake, plan)
    assert polls(lake) == [("bonn", "2022-01-12T05:20")]
    assert ["changed during the import" in why for why in report.problems.values()] == [True]


PLACES = st.sampled_from(["koeln", "SW-Stuttgart", "alt_stadt", "stadt-a", "new-town", "x"])
TIMES = st.datetimes(datetime(2021, 1, 2), datetime(2025, 12, 31)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


@settings(max_examples=200)
@given(
    PLACES,
    TIMES,
    st.sampled_from(
        [
            "{p}/%Y/%m/%d/%H%M.json", "{p}_%Y-%m-%dT%H-%M.json", "%Y%m%d%H%M_{p}.json",
            "%Y-%m-%d/%H/%M/{p}.json", "%Y%m%d/{p}-%H%M%S.json", "{p}/%Y-%m-%d %H.%M.%S.json.gz",
            "status_{p}_%Y.%m.%d_%H:%M.json", "%H%M_%Y-%m-%d_{p}.json", "%d.%m.%Y_%H%M_{p}.json",
        ]
    ),
)  # fmt: skip
def test_read_path__finds_the_time_and_place_that_were_write_files(
    place: str, at: datetime, form: str
) -> None:
    reading = read_path(at.strftime(form).replace("{p}", place))
    assert reading.time is not None
    assert at in reading.time.readings
    assert len(reading.time.readings) == (2 if form.startswith("%d") and at.day <= 12
                                        and at.day != at.month else 1)  # fmt: skip
    assert [*reading.places.name, *reading.places.folders] == [place]


@given(st.text(st.characters(exclude_categories=[]), max_size=40), st.binary(max_size=30))
def test_read_path__any_name_is_read_or_refused(text: str, content: bytes) -> None:
    name = content.decode("utf-8", "surrogateescape")
    for path in (text, name, f"{text}/{name}", f"20220112_{text}"):
        try:
            reading = read_path(path)
        except NotATime:
            pass
        else:
            assert all(isinstance(place, str) for place in reading.places.name)


@settings(max_examples=60, deadline=timedelta(seconds=2))
@given(st.datetimes(), st.sampled_from(["%Y%m%d_%H%M%S_x.json", "%Y-%m-%dT%H-%M_x.json"]))
def test_import__any_time_of_the_calendar_is_imported_or_refused(at: datetime, form: str) -> None:
    from charging_assets.acquisition.importer import ImportRefused, read_file

    # strftime writes years before 1000 without leading zeros.
    name = at.strftime(form.replace("%Y", f"{at.year:04}"))
    try:
        poll, _ = read_file(load_feeds()["chargecloud"], name, cities(koeln=NO_TIME))
    except ImportRefused:
        pass
    else:
        local = poll.slot_at.replace(tzinfo=None)
        assert abs(local - at) <= timedelta(hours=2, minutes=1)
        assert datetime(2021, 1, 1, tzinfo=UTC) <= poll.slot_at
