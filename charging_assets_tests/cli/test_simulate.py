"""`simulate`: again, in part, and where it may not."""

from __future__ import annotations

from charging_assets.archive.raw_archive import hours_archived
from charging_assets_tests.cli.shell import SCALE, Shell


def test_simulate__again_writes_nothing(loaded: Shell) -> None:
    before = hours_archived(loaded.storage.lake)
    assert loaded.run("simulate", "--hours", "2", "--scale", SCALE) == 0
    assert "already simulated" in loaded.out
    assert hours_archived(loaded.storage.lake) == before


def test_simulate__another_network_in_the_same_hours_is_refused(loaded: Shell) -> None:
    assert loaded.run("simulate", "--hours", "2", "--scale", SCALE, "--seed", "2") == 2
    assert "2026-01-12T00 holds polls of another network (simulator seed=1" in loaded.err


def test_simulate__fills_an_hour_that_lacks_a_poll(empty: Shell) -> None:
    simulate = ("simulate", "--hours", "1", "--scale", SCALE, "--start", "2026-02-01T10")
    assert empty.run(*simulate) == 0
    (keys,) = hours_archived(empty.storage.lake).values()
    assert len(keys) == 6
    empty.storage.lake.delete(keys[3])
    assert empty.run(*simulate) == 0
    assert "1 poll written" in empty.out
    assert list(hours_archived(empty.storage.lake).values()) == [keys]


def test_simulate__before_the_first_partition_is_refused(empty: Shell) -> None:
    assert empty.run("simulate", "--hours", "1", "--start", "2020-12-31T23") == 2
    assert "the archive begins at 2021-01-01T00" in empty.err
