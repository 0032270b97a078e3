"""`import`: what is new, known and wrong, and in which zone names are read."""

from __future__ import annotations

import pytest

from charging_assets.acquisition.archive import hours_archived
from charging_assets_tests import builders
from charging_assets_tests.cli.shell import Shell


def test_import__tells_what_is_new_known_and_wrong(empty: Shell) -> None:
    good, bad = empty.home / "koeln.json", empty.home / "20220111_215824_cp.json"
    good.write_bytes(builders.envelope(builders.station()))
    bad.write_text("no JSON")
    report = empty.json("import", str(good))
    assert list(report["imported"]) == [str(good)]
    assert report["problems"] == {}
    assert empty.run("import", str(good), str(bad), str(empty.home / "absent.json")) == 1
    assert "0 files imported\n1 file already there" in empty.out
    assert f"error: {bad}: the file is not a JSON object" in empty.err
    assert f"error: {empty.home / 'absent.json'}: cannot be read" in empty.err
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]


def test_import__names_are_told_in_the_zone_that_is_said(empty: Shell) -> None:
    folder = empty.home / "archive"
    folder.mkdir()
    body = builders.envelope(builders.station()).decode()
    (folder / "20220111_200005_cp.json").write_text(f'{{"koeln": {body}}}')
    (folder / "notes.txt").write_text("not an answer")
    assert empty.run("import", str(folder)) == 1
    assert "--names-in UTC" in empty.err
    assert empty.run("import", str(folder), "--names-in", "UTC") == 0
    assert "1 file imported" in empty.out
    assert "1 file of other forms passed over: notes.txt" in empty.out
    assert [hour.key for hour in hours_archived(empty.storage.lake)] == ["2022-01-11T20"]
    with pytest.raises(SystemExit):
        empty.run("import", str(folder), "--names-in", "Mars/Olympus")


def test_import__unknown_feed_names_the_feeds(empty: Shell) -> None:
    assert empty.run("import", "x.json", "--feed", "nobody") == 2
    assert empty.err == "error: there is no feed 'nobody'; there are: chargecloud\n"
