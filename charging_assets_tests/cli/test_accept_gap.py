"""`accept-gap` and `drain`."""

from __future__ import annotations

import pytest

from charging_assets.archive.raw_archive import hours_archived
from charging_assets.archive.raw_objects import encode
from charging_assets_tests import builders
from charging_assets_tests.cli.shell import FIRST, Shell
from charging_assets_tests.modelling import hours


@pytest.mark.slow
def test_accept_gap__hours_are_loaded_empty_and_no_longer_missed(loaded: Shell) -> None:
    gap = ("2026-01-12T02", "2026-01-12T03")
    assert loaded.run("accept-gap", FIRST.key, gap[1], "--reason", "a test") == 0
    assert "2 hours accepted as lost: 2026-01-12T02 to 2026-01-12T03 (2)" in loaded.out
    assert "2 hours have polls, left as they are" in loaded.out
    assert [each["hour"] for each in loaded.json("load")["loaded"]] == list(gap)
    assert loaded.json("status")["stale"] == []
    gaps = loaded.storage.warehouse.query("SELECT reason FROM ops.gaps").to_pylist()
    assert gaps == [{"reason": "a test"}] * 2
    assert loaded.json("accept-gap", *gap, "--reason", "again")["known"] == list(gap)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2026-01-12T02", "2026-01-12T01", "--reason", "x"], "ends before it begins"),
        (["2020-01-12T02", "2026-01-12T01", "--reason", "x"], "begins at 2021-01-01T00"),
        (["2026-01-12T02", "2999-01-01T00", "--reason", "x"], "has not ended yet"),
        (["2026-01-12T02", "2026-01-12T02", "--reason", " "], "is empty"),
    ],
)
def test_accept_gap__invalid_arguments_are_refused(
    empty: Shell, arguments: list[str], message: str
) -> None:
    assert empty.run("accept-gap", *arguments) == 2
    assert message in empty.err


def test_drain__archives_spooled_polls(empty: Shell) -> None:
    assert empty.run("drain") == 0
    assert "the spool is empty" in empty.out
    made = encode(builders.poll(0), [builders.place("koeln", b"{}")])
    assert empty.storage.spool is not None
    empty.storage.spool.keep(made)
    assert empty.run("drain") == 0
    assert "1 poll archived" in empty.out
    assert list(hours_archived(empty.storage.lake).values()) == [[made.key]]


def test_accept_gap__of_a_feed__is_no_longer_missing_beside_other_feeds(empty: Shell) -> None:
    lake = empty.storage.lake
    for minute in (0, 120):
        hours.put(lake, minute, hours.stand(), "late")
    for minute in (0, 60, 120):
        hours.put(lake, minute, hours.stand(), "steady")
    at = hours.hour_after(1).key

    def missing() -> dict[str, list[str]]:
        return {f["feed"]: f["hours_missing"] for f in empty.json("status")["feeds"]}

    assert missing() == {"late": [at], "steady": []}
    assert empty.run("accept-gap", at, at, "--reason", "it was away") == 1
    assert empty.run("accept-gap", at, at, "--feed", "nobody", "--reason", "x") == 2
    assert "there is no feed 'nobody'; feeds are " in empty.err
    assert empty.run("accept-gap", at, at, "--feed", "late", "--reason", "it was away") == 0
    assert missing() == {"late": [], "steady": []}
    gaps = empty.storage.warehouse.query("SELECT feed, reason FROM ops.gaps").to_pylist()
    assert gaps == [{"feed": "late", "reason": "it was away"}]
