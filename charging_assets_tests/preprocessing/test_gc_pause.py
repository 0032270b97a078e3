"""Flattening pauses the garbage collector and leaves no reference cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from datetime import timedelta

import pytest

from charging_assets.archive.raw_archive import hour_keys, read_places
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.gc_pause import gc_paused
from charging_assets.simulator import Network, write_history

HOUR = Hour.parse("2025-06-02T10")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("was_on", [True, False])
def test_gc_paused__restores_the_state_also_after_an_error(was_on: bool) -> None:
    (gc.enable if was_on else gc.disable)()
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is was_on
    with pytest.raises(ValueError, match="broken"), gc_paused():
        raise ValueError("broken")
    assert gc.isenabled() is was_on


def test_flatten__bad_records_leave_no_reference_cycles() -> None:
    lake = MemoryLake()
    network = Network(seed=7, scale=0.2, hostile=True)
    write_history(lake, network, HOUR, Hour(HOUR.start + timedelta(hours=1)))
    keys = hour_keys(lake, ["simulated"], HOUR)
    rejected = flatten(read_places(lake, keys))["flat_rejects"].num_rows
    gc.collect()
    gc.disable()
    flatten(read_places(lake, keys))
    assert rejected > 500
    assert gc.collect() < rejected / 5
