"""One hour to flat tables: equal to the reference, and the same bytes for the same answers."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import read_places
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import write_flat
from charging_assets.lake.memory import MemoryLake
from charging_assets.preprocessing.flatten import flatten
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets_tests.builders import SLOT, answers, archived, flattened
from charging_assets_tests.preprocessing.flat_hours import (
    TABLES,
    assert_like_the_reference,
    assert_sound,
)
from charging_assets_tests.preprocessing.made_answers import hours

HOUR = Hour(SLOT)


@settings(max_examples=160)
@given(hours(), st.sampled_from([None, None, "network", "place", "parent"]))
def test_flatten__equals_the_reference(polls: list[Any], ids_within: str | None) -> None:
    assert_sound(assert_like_the_reference(answers(*polls), ids_within))


@settings(max_examples=40)
@given(hours(), st.randoms(use_true_random=False))
def test_flatten__the_order_of_objects_does_not_matter(
    polls: list[Any], dice: random.Random
) -> None:
    lake = MemoryLake()
    keys = [archived(lake, header, bodies) for header, bodies in polls]
    expected = flatten(read_places(lake, keys))
    dice.shuffle(keys)
    hour = flatten(read_places(lake, keys))
    assert all(hour[name].equals(expected[name]) for name in TABLES)


@settings(max_examples=20)
@given(hours())
def test_write_flat__the_same_answers_give_the_same_bytes(polls: list[Any]) -> None:
    written = []
    for _ in range(2):
        lake, hour = MemoryLake(), flattened(*polls)
        for table in FLAT_TABLES:
            versions = {"archive_digest": "a", "code_version": "c"}
            write_flat(lake, table, "test", HOUR, hour[table.name], **versions)
        written.append(lake.objects)
    assert written[0] == written[1]


def test_flatten__an_hour_without_answers_has_empty_tables() -> None:
    hour = flatten([])
    assert_sound(hour)
    assert [hour[name].num_rows for name in TABLES] == [0] * 6
