"""Large places are read answer by answer, and the hour before changes no row."""

from __future__ import annotations

import pytest

from charging_assets.archive import raw_archive
from charging_assets.archive.raw_archive import hours_archived, read_places, stream_places
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing import flatten as flatten_module
from charging_assets.preprocessing.caches import KeptCache
from charging_assets.preprocessing.flatten import FlatHour, flatten
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator import Network, write_history

FIRST, LAST = Hour.parse("2025-01-08T06"), Hour.parse("2025-01-08T09")


@pytest.fixture(scope="module")
def lake() -> MemoryLake:
    """Two hours of a dirty and hostile network."""
    made = MemoryLake()
    write_history(made, Network(seed=3, scale=0.02, hostile=True, overrides=0.3), FIRST, LAST)
    return made


def _without_hour_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatten_module, "_LAST_POLLS", KeptCache(0))


def _equal(first: FlatHour, second: FlatHour) -> bool:
    return all(first[table.name].equals(second[table.name]) for table in FLAT_TABLES)


def test_flatten__a_large_place_gives_the_same_rows(
    lake: MemoryLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for keys in hours_archived(lake).values():
        _without_hour_before(monkeypatch)
        expected = flatten(read_places(lake, keys))
        _without_hour_before(monkeypatch)
        monkeypatch.setattr(raw_archive, "_EAGER_BYTES", 0)
        assert _equal(flatten(stream_places(lake, keys)), expected)
        monkeypatch.undo()


def test_flatten__rows_do_not_depend_on_the_hour_before(
    lake: MemoryLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = list(hours_archived(lake).values())
    expected = []
    for keys in hours:
        _without_hour_before(monkeypatch)
        expected.append(flatten(read_places(lake, keys)))
    monkeypatch.undo()
    monkeypatch.setattr(flatten_module, "_LAST_POLLS", KeptCache(96 << 20))
    for order in ((0, 1, 2), (2, 0, 1)):
        for number in order:
            assert _equal(flatten(read_places(lake, hours[number])), expected[number])
    assert flatten_module._LAST_POLLS._entries


def test_kept_cache__has_a_limit_and_evicts_nothing() -> None:
    cache = KeptCache(10)
    cache.keep("a", 1, 6)
    cache.keep("b", 2, 6)
    assert (cache.take("b"), cache.take("a"), cache.take("a")) == (None, 1, None)
    cache.keep("b", 2, 6)
    cache.keep("b", 3, 10)
    cache.keep("c", 4, 1)
    assert (cache.take("b"), cache.take("c")) == (3, None)
