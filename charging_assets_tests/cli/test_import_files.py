"""`import`: imported, known and invalid files, places, times and members."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets_tests import builders
from charging_assets_tests.cli.shell import Shell


def test_import__reports_imported_existing_and_invalid_files(empty: Shell) -> None:
    good, bad = empty.home / "koeln.json", empty.home / "20220111_215824_cp.json"
    good.write_bytes(builders.envelope(builders.station()))
    bad.write_text("no JSON")
    report = empty.json("import", str(good))
    assert list(report["imported"]) == [str(good)]
    assert report["problems"] == {}
    assert empty.run("import", str(good), str(bad), str(empty.home / "absent.json")) == 1
    assert "0 files imported\n1 file already there" in empty.out
    assert f"error: {bad}: the file is neither a JSON object" in empty.err
    assert f"error: {empty.home / 'absent.json'}: cannot be read" in empty.err
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]


def test_import__names_in_sets_the_zone_of_names(empty: Shell) -> None:
    folder = empty.home / "archive"
    folder.mkdir()
    body = builders.envelope(builders.station()).decode()
    (folder / "20220111_200005_cp.json").write_text(f'{{"koeln": {body}}}')
    (folder / "notes.txt").write_text("not an answer")
    assert empty.run("import", str(folder)) == 1
    assert "--names-in UTC" in empty.err
    assert empty.run("import", str(folder), "--names-in", "UTC") == 0
    assert "1 file imported" in empty.out
    assert "1 file of other types skipped: notes.txt" in empty.out
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]
    with pytest.raises(SystemExit):
        empty.run("import", str(folder), "--names-in", "Mars/Olympus")


def two_cities(empty: Shell) -> Path:
    folder = empty.home / "archive"
    for city, at in (("altstadt", "05:00:01"), ("neustadt", "05:00:04")):
        (folder / city).mkdir(parents=True)
        body = builders.envelope(builders.station(city), at=f"2022-01-12T{at}Z")
        (folder / city / "markt.json").write_bytes(body)
    return folder


def test_import__ambiguous_place_is_refused_with_remedies(empty: Shell) -> None:
    folder = two_cities(empty)
    assert empty.run("import", str(folder)) == 1
    assert "the place may be markt or altstadt" in empty.err
    assert "--place-from folder makes 2 places of them: altstadt, neustadt" in empty.err
    assert "--place-from name makes 1 place of them: markt" in empty.err
    assert "error: nothing was imported" in empty.err
    assert hours_archived(empty.storage.lake) == {}
    assert empty.run("import", str(folder), "--json") == 1
    assert sorted(json.loads(empty.out)["refused"]) == [
        str(folder / city / "markt.json") for city in ("altstadt", "neustadt")
    ]


def test_import__places_are_listed_also_before_anything_is_imported(empty: Shell) -> None:
    options = ["import", str(two_cities(empty)), "--place-from", "folder"]
    line = "altstadt: 1 poll, 2022-01-12T05, not configured in the feed"
    assert empty.run(*options, "--dry-run") == 0
    assert line in empty.out
    assert "nothing was imported (--dry-run)" in empty.out
    assert hours_archived(empty.storage.lake) == {}
    assert empty.run(*options) == 0
    assert line in empty.out
    assert "2 files imported" in empty.out
    report = empty.json(*options)
    assert len(report["already_there"]) == 2
    assert report["places"]["neustadt"] == {
        "polls": 1,
        "first": "2022-01-12T05:00:04+00:00",
        "last": "2022-01-12T05:00:04+00:00",
        "is_configured": False,
    }


def test_import__fields_and_names_in_other_encodings_are_printed(empty: Shell) -> None:
    folder = empty.home / "archive"
    folder.mkdir()
    body = builders.envelope(builders.station()).decode()
    name = os.fsencode(folder) + b"/20220111_210005_k\xf6ln\x1b[2J.json"
    Path(os.fsdecode(name)).write_text(f'{{"koeln": {body}, "version": 3}}')
    assert empty.run("import", str(folder)) == 0
    assert "k\\xf6ln\\x1b[2J.json → raw/feed=chargecloud" in empty.out
    assert "1 field next to the places skipped, in 1 file: version" in empty.out


def test_import__member_option_decides(empty: Shell) -> None:
    body = builders.envelope(builders.station()).decode()
    path = empty.home / "20220111_210005_a.json"
    path.write_text(f'{{"koeln": {body}, "aachen": "timeout"}}')
    assert empty.run("import", str(path)) == 1
    assert "use --member aachen=place or --member aachen=field" in empty.err
    with pytest.raises(SystemExit):
        empty.run("import", str(path), "--member", "aachen")
    assert list(empty.json("import", str(path), "--member", "aachen=place")["places"]) == [
        "aachen", "koeln",
    ]  # fmt: skip


def test_import__times_from_decides_about_a_counter(empty: Shell) -> None:
    folder = empty.home / "archive"
    folder.mkdir()
    for number in ("0001", "0002"):
        path = folder / f"koeln_2022-01-11_{number}.json"
        path.write_bytes(builders.envelope(builders.station(number), at="2022-01-11T20:58:22Z"))
    assert empty.run("import", str(folder), "--names-in", "Europe/Berlin") == 1
    assert "--times-from answers, or --times-from names if the answers are wrong" in empty.err
    assert hours_archived(empty.storage.lake) == {}
    assert empty.run("import", str(folder), "--times-from", "answers") == 0
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]


def test_import__unknown_feed_names_the_feeds(empty: Shell) -> None:
    assert empty.run("import", "x.json", "--feed", "nobody") == 2
    assert empty.err == "error: there is no feed 'nobody'; there are: chargecloud\n"
