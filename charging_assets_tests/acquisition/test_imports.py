"""Archives of before: every answer byte for byte, at its own time, once."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.archive import hours_archived, read
from charging_assets.acquisition.feeds import Feed, load_feeds
from charging_assets.acquisition.imports import CannotImport, import_paths, read_file
from charging_assets.storage.memory import MemoryLake
from charging_assets_tests.builders import envelope, flattened, station

NAME = "20220111_215824_cp_data_cities.json"
BODY = envelope(station(), at="2022-01-11T21:58:22+01:00")


@pytest.fixture(scope="module")
def feed() -> Feed:
    return load_feeds()["chargecloud"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def cities(**bodies: bytes) -> bytes:
    members = b", ".join(json.dumps(slug).encode() + b": " + bodies[slug] for slug in bodies)
    return b"{" + members + b"}"


def bodies_of(feed: Feed, name: str, content: bytes) -> dict[str, bytes | None]:
    return {place.slug: place.body for place in read_file(feed, name, content)[1]}


def test_read_file__all_places_at_the_local_time_of_the_name(feed: Feed) -> None:
    odd = b'{ "data" :[],\t"timestamp":"x\\u00e4" }'
    poll, places = read_file(feed, NAME, cities(koeln=BODY, bonn=odd))
    assert poll.slot_at == poll.started_at == at("2022-01-11T20:58:24+00:00")
    assert poll.slot_at.utcoffset() is not None
    assert (poll.is_imported, poll.origin, poll.asked) == (True, NAME, ("koeln", "bonn"))
    assert (poll.feed, poll.kind, poll.cadence_s) == ("chargecloud", "chargecloud", 600)
    assert {place.slug: place.body for place in places} == {"koeln": BODY, "bonn": odd}
    assert {place.outcome for place in places} == {"ok"}
    assert {place.requested_at for place in places} == {None}


@pytest.mark.parametrize(
    "content",
    [BODY, b"\xef\xbb\xbf" + BODY, BODY.replace(b'"50.940991"', b"NaN"), b" \n" + BODY + b"\n"],
)
def test_read_file__one_answer_at_its_own_time_in_the_place_of_its_name(
    feed: Feed, content: bytes
) -> None:
    poll, places = read_file(feed, "SW-Stuttgart.json", content)
    assert poll.slot_at == at("2022-01-11T20:58:22+00:00")
    assert [(place.slug, place.body) for place in places] == [("SW-Stuttgart", content)]


def test_read_file__an_answer_without_an_offset_is_in_local_time(feed: Feed) -> None:
    poll, _ = read_file(feed, "koeln.json", envelope(at="2022-07-11T21:58:22"))
    assert poll.slot_at == at("2022-07-11T19:58:22+00:00")


@pytest.mark.parametrize("name", ["20220111_220000_koeln.json", "20220111_220000-koeln.json"])
def test_read_file__one_answer_whose_name_begins_with_a_time_is_of_that_time(
    feed: Feed, name: str
) -> None:
    poll, places = read_file(feed, name, BODY)
    assert poll.slot_at == at("2022-01-11T21:00:00+00:00")
    assert [place.slug for place in places] == ["koeln"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80)
@given(
    st.dictionaries(st.sampled_from(["koeln", "bonn", "SW-Stuttgart"]), JSON, max_size=3),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_read_file__bodies_are_byte_for_byte(
    members: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    bodies = {
        slug: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
        for slug, value in members.items()
    }
    found = bodies_of(load_feeds()["chargecloud"], NAME, cities(anchor=BODY, **bodies))
    assert found == {"anchor": BODY, **bodies}


DAMAGED = {
    "nan": b'{"data": [NaN, -Infinity, 1e999], "timestamp": null}',
    "control_characters": b'{"data": ["a\nb"]}',
    "lone_surrogate": b'{"data": ["\\ud800"]}',
    "large_number": b'{"data": [' + b"9" * 10_000 + b"]}",
}


@pytest.mark.parametrize("damage", ["nan", "lone_surrogate"])
def test_read_file__what_only_strict_readers_refuse_costs_no_neighbour(
    feed: Feed, damage: str
) -> None:
    content = cities(koeln=BODY, bonn=DAMAGED[damage], kiel=BODY)
    expected = {"koeln": BODY, "bonn": DAMAGED[damage], "kiel": BODY}
    assert bodies_of(feed, NAME, content) == expected


@pytest.mark.parametrize(
    "tail",
    [
        b'{"data": [{"id": ',
        b'{"data": ["a\nb"]}, "kiel": ' + BODY + b"}",
        b'{"data": [' + b"9" * 10_000 + b']}, "kiel": ' + BODY + b"}",
        b'{"data": ' + b"[" * 100_000 + b'}, "kiel": {}}',
        b'undefined, "kiel": {}}',
    ],
)
def test_read_file__from_damage_on_all_bytes_are_kept(feed: Feed, tail: bytes) -> None:
    content = b'{"koeln": ' + BODY + b', "bonn": ' + tail
    found = bodies_of(feed, NAME, content)
    assert found["koeln"] == BODY
    rest = b"".join(body for slug, body in found.items() if slug != "koeln" and body)
    # Either the places were told apart, or what follows the damage is kept in one piece.
    assert found["bonn"] == tail or rest.count(b"kiel") + ("kiel" in found) >= 1


@pytest.mark.parametrize("tail", [b'{"data": [NaN, "\xf6"]}}', b'{"data": ["K\xc3'])
def test_read_file__bytes_that_are_no_text_cost_no_neighbour(feed: Feed, tail: bytes) -> None:
    found = bodies_of(feed, NAME, b'{"koeln": ' + BODY + b', "bonn": ' + tail)
    assert found == {"koeln": BODY, "bonn": tail.removesuffix(b"}}") + b"}" * tail.count(b"}}")}


@pytest.mark.parametrize(
    "content",
    [
        b'{"koeln": {"data": [NaN]} garbage "bonn": {"data": []}}',
        b'{"koeln": {"data": [NaN]}} {"bonn": {"data": []}}',
        b'{"koeln": {"data": [NaN]}, bonn: {"data": []}}',
        b'{"koeln": {"data": [NaN]}, "bonn" {"data": []}}',
        b'{"koeln": {"data": [NaN]}, "bon',
    ],
)
def test_read_file__damage_between_answers_is_refused_not_dropped(
    feed: Feed, content: bytes
) -> None:
    with pytest.raises(CannotImport):
        read_file(feed, NAME, content)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (NAME, b"", "not a JSON object"),
        (NAME, b"[]", "not a JSON object"),
        (NAME, b'"x"', "not a JSON object"),
        (NAME, b"{}", "no answer"),
        (NAME, b'{"status_code": 2000, "status_message": "busy"}', "no answer"),
        (NAME, b'{"koeln": null}', "no answer"),
        (NAME, b'\xff\xfe{"k": 1}', "not UTF-8"),
        (NAME, cities(**{"../etc": BODY}), "cannot be places"),
        (NAME, cities(**{"koeln\n": BODY}), "cannot be places"),
        (NAME, cities(**{"": BODY}), "cannot be places"),
        (NAME, cities(**{"köln": BODY}), "cannot be places"),
        (NAME, cities(koeln=BODY, **{"a b": BODY}), "cannot be places"),
        ("köln.json", BODY, "named"),
        ("koeln_20220111_215824.json", BODY, "holds a date"),
        ("2022-01-11 koeln.json", BODY, "holds a date"),
        ("20220111_215824.json", BODY, "cannot be places"),
        ("koeln.json", envelope(at="2021-10-31T02:29:58"), "says the time"),
        ("20211031_023000_x.json", cities(koeln=envelope(at="2021-10-31T02:29:58")), "ambiguous"),
        ("koeln.json", envelope(at=None), "says the time"),
        ("koeln.json", envelope(at="yesterday"), "says the time"),
        ("koeln.json", envelope(at="0001-01-01T00:00:00+01:00"), "says the time"),
        ("koeln.json", envelope(at="1970-01-01T00:00:00+00:00"), "no partitions before"),
        ("cities.json", cities(koeln=envelope(at=None)), "says the time"),
        ("20221301_000000_x.json", cities(koeln=BODY), "not a time"),
        ("20191231_235959_x.json", cities(koeln=BODY), "no partitions before"),
        ("29990101_000000_x.json", cities(koeln=BODY), "yet to come"),
    ],
)
def test_read_file__what_cannot_be_imported_says_why(
    feed: Feed, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(CannotImport, match=reason):
        read_file(feed, name, content)


@pytest.mark.fault(
    "The two days on which clocks change",
    area="time",
)
@pytest.mark.parametrize(
    ("name", "published", "slot"),
    [
        # 02:00 to 03:00 was there twice.
        ("20211031_023000", "2021-10-31T02:29:58+02:00", "2021-10-31T00:30:00+00:00"),
        ("20211031_023000", "2021-10-31T02:29:58+01:00", "2021-10-31T01:30:00+00:00"),
        ("20211031_015959", "2021-10-31T01:59:58+02:00", "2021-10-30T23:59:59+00:00"),
        ("20211031_030000", "2021-10-31T03:00:00+01:00", "2021-10-31T02:00:00+00:00"),
        # 02:00 to 03:00 was not there.
        ("20220327_023000", "2022-03-27T03:29:58+02:00", "2022-03-27T01:30:00+00:00"),
        ("20220327_023000", "2022-03-27T01:29:58+01:00", "2022-03-27T00:30:00+00:00"),
        ("20220327_030000", "2022-03-27T03:00:00+02:00", "2022-03-27T01:00:00+00:00"),
        # What the name says holds, whatever the answers' own clocks say.
        ("20220111_215824", "2022-01-11T20:10:00+01:00", "2022-01-11T20:58:24+00:00"),
    ],
)
def test_read_file__a_name_at_a_change_of_clocks_is_resolved_by_the_answers(
    feed: Feed, name: str, published: str, slot: str
) -> None:
    poll, _ = read_file(feed, f"{name}_cp_data_cities.json", cities(koeln=envelope(at=published)))
    assert poll.slot_at == at(slot)


def test_read_file__one_stopped_clock_does_not_resolve_a_name(feed: Feed) -> None:
    published = envelope(at="2021-10-31T02:29:58+01:00")
    content = cities(a=envelope(at="2020-01-01T00:00:00+01:00"), b=published, c=published)
    poll, _ = read_file(feed, "20211031_023000_cp_data_cities.json", content)
    assert poll.slot_at == at("2021-10-31T01:30:00+00:00")


def test_read_file__one_stopped_clock_does_not_tell_the_time_of_the_others(feed: Feed) -> None:
    told = {
        "bonn": envelope(at="2022-01-11T21:58:23+01:00"),
        "kiel": envelope(at="2021-03-01T00:00:00+01:00"),
        "koeln": BODY,
    }
    poll, _ = read_file(feed, "cities.json", cities(**told))
    assert poll.slot_at == at("2022-01-11T20:58:22+00:00")


def test_read_file__an_ambiguous_name_that_nothing_resolves_is_refused(feed: Feed) -> None:
    with pytest.raises(CannotImport, match="ambiguous"):
        read_file(feed, "20211031_023000_x.json", cities(koeln=envelope(at=None)))


IN_UTC = "20220111_205824_cp_data_cities.json"


def test_read_file__a_name_that_tells_utc_is_doubted_until_it_is_said(feed: Feed) -> None:
    content = cities(koeln=BODY, bonn=BODY, kiel=envelope(at=None))
    with pytest.raises(CannotImport, match="--names-in UTC, or --names-in Europe/Berlin"):
        read_file(feed, IN_UTC, content)
    poll, _ = read_file(feed, IN_UTC, content, names_in="UTC")
    assert (poll.slot_at, poll.time_zone) == (at("2022-01-11T20:58:24+00:00"), "Europe/Berlin")
    poll, _ = read_file(feed, IN_UTC, content, names_in="Europe/Berlin")
    assert poll.slot_at == at("2022-01-11T19:58:24+00:00")


def folder_of_files(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / NAME).write_bytes(cities(koeln=BODY, bonn=BODY))
    (folder / "deep" / "SW-Stuttgart.json").write_bytes(BODY)
    (folder / "notes.txt").write_text("not an archive")
    (folder / f"._{NAME}").write_bytes(b"\x00\x05")
    with zipfile.ZipFile(folder / "january.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("2022/20220111_220822_cp_data_cities.json", cities(koeln=BODY))
        zipped.writestr("__MACOSX/2022/._20220111_220822_cp_data_cities.json", b"\x00")
        zipped.writestr("readme.md", "x")
    return folder


def test_import_paths__reads_folders_files_and_zips(tmp_path: Path, feed: Feed) -> None:
    lake, folder = MemoryLake(), folder_of_files(tmp_path / "archive")
    report = import_paths(lake, feed, [folder])
    assert (len(report.imported), report.known, report.problems) == (3, {}, {})
    assert [Path(path).name for path in report.passed_over] == ["readme.md", "notes.txt"]
    assert [hour.key for hour in hours_archived(lake)] == ["2022-01-11T20", "2022-01-11T21"]
    found = {key: [answer.place.body for answer in read(lake, key)] for key in lake.objects}
    assert sorted(found.values()) == [[BODY], [BODY], [BODY, BODY]]
    assert set(report.imported.values()) == set(found)


def test_import_paths__the_same_file_compressed_is_the_same_object(
    tmp_path: Path, feed: Feed
) -> None:
    lake, content = MemoryLake(), cities(koeln=BODY)
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress(content))
    (tmp_path / NAME.replace(".json", ".JSON.GZ")).write_bytes(gzip.compress(content))
    report = import_paths(lake, feed, [tmp_path])
    assert (len(report.imported), len(report.known), report.problems) == (2, 1, {})
    assert [hour.key for hour in hours_archived(lake)] == ["2022-01-11T20"]


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", method) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return made.getvalue()


def test_import_paths__reads_zips_as_others_make_them(tmp_path: Path, feed: Feed) -> None:
    inner = zipped((f"2022\\{NAME}", cities(koeln=BODY)))
    deepest = zipped(("deeper.zip", inner))
    outer = zipped(
        ("2022/january.ZIP", inner),
        ("2022/deep.zip", deepest),
        (f"._{NAME}", b"\x00"),
        ("SW-Stuttgart.json.gz", gzip.compress(BODY)),
    )
    (tmp_path / "all.zip").write_bytes(outer)
    report = import_paths(MemoryLake(), feed, [tmp_path / "all.zip"])
    assert sorted(map(_tail, report.imported)) == [f"2022/{NAME}", "all.zip/SW-Stuttgart.json.gz"]
    assert list(map(_tail, report.passed_over)) == ["deep.zip/deeper.zip"]
    assert report.problems == {}


def _tail(path: str) -> str:
    return "/".join(Path(path.replace("\\", "/")).parts[-2:])


def test_import_paths__two_members_of_one_name_are_both_kept(tmp_path: Path, feed: Feed) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped((NAME, cities(koeln=BODY)), (NAME, cities(bonn=BODY)))
    (tmp_path / "x.zip").write_bytes(content)
    lake = MemoryLake()
    import_paths(lake, feed, [tmp_path / "x.zip"])
    assert {answer.place.slug for key in lake.objects for answer in read(lake, key)} == {
        "koeln", "bonn",
    }  # fmt: skip


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_import_paths__a_damaged_zip_is_a_problem_whatever_the_damage(
    tmp_path: Path, feed: Feed, method: int
) -> None:
    dice, content = random.Random(7), zipped((NAME, cities(koeln=BODY)), method=method)
    for number in range(60):
        damaged = bytearray(content)
        for _ in range(dice.choice([1, 2, 9])):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "damaged.zip").write_bytes(damaged[: dice.choice([None, len(damaged) // 2])])
        (tmp_path / "x.json.gz").write_bytes(gzip.compress(content)[number % 40 :])
        report = import_paths(MemoryLake(), feed, [tmp_path])
        found = [*report.imported, *report.problems, *report.passed_over]
        assert sum("damaged.zip" in path for path in found) >= 1
        assert all(report.problems.values())


def test_import_paths__twice_changes_nothing(tmp_path: Path, feed: Feed) -> None:
    lake, folder = MemoryLake(), folder_of_files(tmp_path / "archive")
    first = import_paths(lake, feed, [folder])
    before = dict(lake.objects)
    again = import_paths(lake, feed, [folder, folder / NAME])
    assert lake.objects == before
    assert again.imported == {}
    assert again.known == first.imported
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    import_paths(lake, feed, [moved])
    assert lake.objects == before


def test_import_paths__a_bad_file_leaves_the_others(tmp_path: Path, feed: Feed) -> None:
    (tmp_path / "a.json").write_bytes(b"<html>")
    (tmp_path / "b.zip").write_bytes(b"PK no zip")
    (tmp_path / "koeln.json").write_bytes(BODY)
    lake = MemoryLake()
    report = import_paths(lake, feed, [tmp_path, tmp_path / "gone.json"])
    assert [Path(name).name for name in report.problems] == ["a.json", "b.zip", "gone.json"]
    assert [Path(name).name for name in report.imported] == ["koeln.json"]
    assert all(report.problems.values())


def test_import_paths__a_bad_member_leaves_the_others_of_its_zip(
    tmp_path: Path, feed: Feed
) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("20220111_000000_a.json", cities(koeln=BODY))
        zipped.writestr("20220111_010000_b.json", cities(koeln=BODY))
    content = path.read_bytes()
    start = content.index(b"20220111_000000_a.json") + len("20220111_000000_a.json")
    path.write_bytes(content[:start] + b"\xff" * 20 + content[start + 20 :])
    report = import_paths(MemoryLake(), feed, [path])
    assert [Path(name).name for name in report.problems] == ["20220111_000000_a.json"]
    assert [Path(name).name for name in report.imported] == ["20220111_010000_b.json"]


def test_import_paths__nothing_to_import_is_a_problem(tmp_path: Path, feed: Feed) -> None:
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as zipped:
        zipped.writestr("readme.md", "x")
    report = import_paths(MemoryLake(), feed, [tmp_path / "empty", tmp_path / "empty.zip"])
    assert len(report.problems) == 2


def test_import_paths__an_import_and_a_poll_of_one_slot_are_one_answer(feed: Feed) -> None:
    poll, places = read_file(feed, NAME, cities(koeln=BODY))
    again, _ = read_file(feed, "20220111_215824_copy.json", cities(koeln=BODY))
    bodies = {place.slug: place for place in places}
    hour = flattened((poll, bodies), (again, bodies))
    assert hour["flat_polls"].to_pylist()[0]["answer_count"] == 2
    assert hour["flat_status"].num_rows == 1
    assert hour["flat_polls"].to_pylist()[0]["is_imported"] is True


@pytest.mark.samples
def test_import_paths__samples_come_out_as_they_went_in(samples: Path, feed: Feed) -> None:
    lake = MemoryLake()
    report = import_paths(lake, feed, [samples / "chargecloud_2022"])
    slots = []
    for name, key in report.imported.items():
        content = Path(name).read_bytes()
        answers = list(read(lake, key))
        slots.append(answers[0].poll.slot_at.isoformat())
        assert len(answers) == 38
        assert all(answer.place.body and answer.place.body in content for answer in answers)
        told = {answer.place.slug: json.loads(answer.place.body or b"") for answer in answers}
        assert told == json.loads(content)
    assert slots == ["2022-01-11T20:58:24+00:00", "2022-01-11T21:08:22+00:00"]
