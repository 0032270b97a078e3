"""`accept-gap` and `drain`: hours that are lost for good, and polls that waited."""

from __future__ import annotations

import pytest

from charging_assets.acquisition.archive import hours_archived
from charging_assets.acquisition.raw_objects import encode
from charging_assets_tests import builders
from charging_assets_tests.cli.shell import FIRST, Shell


@pytest.mark.slow
def test_accept_gap__hours_become_loaded_and_empty_and_are_no_longer_missed(loaded: Shell) -> None:
    gap = ("2026-01-12T02", "2026-01-12T03")
    assert loaded.run("accept-gap", FIRST.key, gap[1], "--reason", "a test") == 0
    assert "2 hours accepted as lost: 2026-01-12T02 to 2026-01-12T03 (2)" in loaded.out
    assert "2 hours have polls, left as they are" in loaded.out
    assert [each["hour"] for each in loaded.json("load")["loaded"]] == list(gap)
    assert loaded.json("status")["pending"] == []
    held = loaded.storage.warehouse.query("SELECT reason FROM ops.gaps").to_pylist()
    assert held == [{"reason": "a test"}] * 2
    assert loaded.json("accept-gap", *gap, "--reason", "again")["known"] == list(gap)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["2026-01-12T02", "2026-01-12T01", "--reason", "x"], "ends before it begins"),
        (["2020-01-12T02", "2026-01-12T01", "--reason", "x"], "begins at 2021-01-01T00"),
        (["2026-01-12T02", "2999-01-01T00", "--reason", "x"], "is not over yet"),
        (["2026-01-12T02", "2026-01-12T02", "--reason", " "], "says nothing"),
    ],
)
def test_accept_gap__of_what_cannot_be_is_refused(
    empty: Shell, arguments: list[str], said: str
) -> None:
    assert empty.run("accept-gap", *arguments) == 2
    assert said in empty.err


def test_drain__archives_what_waits(empty: Shell) -> None:
    assert empty.run("drain") == 0
    assert "the spool is empty" in empty.out
    made = encode(builders.poll(0), [builders.place("koeln", b"{}")])
    assert empty.storage.spool is not None
    empty.storage.spool.keep(made)
    assert empty.run("drain") == 0
    assert "1 poll archived" in empty.out
    assert list(hours_archived(empty.storage.lake).values()) == [[made.key]]
