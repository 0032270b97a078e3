"""Importing archives: folders, files and zips, each answer once."""

from __future__ import annotations

import gzip
import json
import os
import random
import zipfile
from pathlib import Path

import pytest

from charging_assets.acquisition.importer import import_paths, read_file
from charging_assets.archive.raw_archive import hours_archived, read
from charging_assets.lake.memory import MemoryLake
from charging_assets.sources.feeds import Feed
from charging_assets_tests.acquisition.archived_files import BODY, NAME, cities, make_zip
from charging_assets_tests.builders import flattened


def folder_of_files(folder: Path) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / NAME).write_bytes(cities(koeln=BODY, bonn=BODY))
    (folder / "deep" / "SW-Stuttgart.json").write_bytes(BODY)
    (folder / "notes.txt").write_text("not an archive")
    (folder / f"._{NAME}").write_bytes(b"\x00\x05")
    with zipfile.ZipFile(folder / "january.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2022/20220111_220822_cp_data_cities.json", cities(koeln=BODY))
        archive.writestr("__MACOSX/2022/._20220111_220822_cp_data_cities.json", b"\x00")
        archive.writestr("readme.md", "x")
    return folder


def test_import_paths__reads_folders_files_and_zips(tmp_path: Path, feed: Feed) -> None:
    lake, folder = MemoryLake(), folder_of_files(tmp_path / "archive")
    report = import_paths(lake, feed, [folder])
    assert (len(report.imported), report.existing, report.problems) == (3, {}, {})
    assert [Path(path).name for path in report.skipped] == ["readme.md", "notes.txt"]
    assert [hour.key for hour in hours_archived(lake)] == ["2022-01-11T20", "2022-01-11T21"]
    bodies = {key: [answer.place.body for answer in read(lake, key)] for key in lake.objects}
    assert sorted(bodies.values()) == [[BODY], [BODY], [BODY, BODY]]
    assert set(report.imported.values()) == set(bodies)


def test_import_paths__the_same_file_compressed_is_the_same_object(
    tmp_path: Path, feed: Feed
) -> None:
    lake, content = MemoryLake(), cities(koeln=BODY)
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / f"{NAME}.gz").write_bytes(gzip.compress(content))
    (tmp_path / NAME.replace(".json", ".JSON.GZ")).write_bytes(gzip.compress(content))
    report = import_paths(lake, feed, [tmp_path])
    assert (len(report.imported), len(report.existing), report.problems) == (2, 1, {})
    assert [hour.key for hour in hours_archived(lake)] == ["2022-01-11T20"]


def test_import_paths__reads_zips_of_other_programs(tmp_path: Path, feed: Feed) -> None:
    inner = make_zip((f"2022\\{NAME}", cities(koeln=BODY)))
    deepest = make_zip(("deeper.zip", inner))
    outer = make_zip(
        ("2022/january.ZIP", inner),
        ("2022/deep.zip", deepest),
        (f"._{NAME}", b"\x00"),
        ("SW-Stuttgart.json.gz", gzip.compress(BODY)),
    )
    (tmp_path / "all.zip").write_bytes(outer)
    report = import_paths(MemoryLake(), feed, [tmp_path / "all.zip"])
    assert sorted(map(_tail, report.imported)) == [f"2022/{NAME}", "all.zip/SW-Stuttgart.json.gz"]
    assert list(map(_tail, report.skipped)) == ["deep.zip/deeper.zip"]
    assert report.problems == {}


def _tail(path: str) -> str:
    return "/".join(Path(path.replace("\\", "/")).parts[-2:])


def test_import_paths__two_members_of_one_name_are_both_kept(tmp_path: Path, feed: Feed) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = make_zip((NAME, cities(koeln=BODY)), (NAME, cities(bonn=BODY)))
    (tmp_path / "x.zip").write_bytes(content)
    lake = MemoryLake()
    import_paths(lake, feed, [tmp_path / "x.zip"])
    assert {answer.place.slug for key in lake.objects for answer in read(lake, key)} == {
        "koeln", "bonn",
    }  # fmt: skip


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_import_paths__a_zip_with_any_damage_is_a_problem(
    tmp_path: Path, feed: Feed, method: int
) -> None:
    rng, content = random.Random(7), make_zip((NAME, cities(koeln=BODY)), method=method)
    for number in range(60):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 2, 9])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "damaged.zip").write_bytes(damaged[: rng.choice([None, len(damaged) // 2])])
        (tmp_path / "x.json.gz").write_bytes(gzip.compress(content)[number % 40 :])
        report = import_paths(MemoryLake(), feed, [tmp_path])
        reported = [*report.imported, *report.problems, *report.skipped]
        assert sum("damaged.zip" in path for path in reported) >= 1
        assert all(report.problems.values())


def test_import_paths__twice_changes_nothing(tmp_path: Path, feed: Feed) -> None:
    lake, folder = MemoryLake(), folder_of_files(tmp_path / "archive")
    first = import_paths(lake, feed, [folder])
    before = dict(lake.objects)
    again = import_paths(lake, feed, [folder, folder / NAME])
    assert lake.objects == before
    assert again.imported == {}
    assert again.existing == first.imported
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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20220111_000000_a.json", cities(koeln=BODY))
        archive.writestr("20220111_010000_b.json", cities(koeln=BODY))
    content = path.read_bytes()
    start = content.index(b"20220111_000000_a.json") + len("20220111_000000_a.json")
    path.write_bytes(content[:start] + b"\xff" * 20 + content[start + 20 :])
    report = import_paths(MemoryLake(), feed, [path])
    assert [Path(name).name for name in report.problems] == ["20220111_000000_a.json"]
    assert [Path(name).name for name in report.imported] == ["20220111_010000_b.json"]


def test_import_paths__nothing_to_import_is_a_problem(tmp_path: Path, feed: Feed) -> None:
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.md", "x")
    report = import_paths(MemoryLake(), feed, [tmp_path / "empty", tmp_path / "empty.zip"])
    assert len(report.problems) == 2


def test_import_paths__a_folder_without_read_permission_is_a_problem(
    tmp_path: Path, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scandir = folder_of_files(tmp_path / "archive"), os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    report = import_paths(MemoryLake(), feed, [folder])
    assert len(report.imported) == 2
    assert list(report.problems) == [str(folder / "deep")]


def test_import_paths__an_import_and_a_poll_of_one_slot_are_one_answer(feed: Feed) -> None:
    poll, places = read_file(feed, NAME, cities(koeln=BODY))
    again, _ = read_file(feed, "20220111_215824_copy.json", cities(koeln=BODY))
    bodies = {place.slug: place for place in places}
    hour = flattened((poll, bodies), (again, bodies))
    assert hour["flat_polls"].to_pylist()[0]["answer_count"] == 2
    assert hour["flat_status"].num_rows == 1
    assert hour["flat_polls"].to_pylist()[0]["is_imported"] is True


@pytest.mark.samples
def test_import_paths__samples_are_archived_unchanged(samples: Path, feed: Feed) -> None:
    lake = MemoryLake()
    report = import_paths(lake, feed, [samples / "chargecloud_2022"])
    slots = []
    for name, key in report.imported.items():
        content = Path(name).read_bytes()
        answers = list(read(lake, key))
        slots.append(answers[0].poll.slot_at.isoformat())
        assert len(answers) == 38
        assert all(answer.place.body and answer.place.body in content for answer in answers)
        imported = {answer.place.slug: json.loads(answer.place.body or b"") for answer in answers}
        assert imported == json.loads(content)
    assert slots == ["2022-01-11T20:58:24+00:00", "2022-01-11T21:08:22+00:00"]
