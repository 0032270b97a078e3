"""Keys and hashes: pinned, for every key in every warehouse depends on them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.identity import attribute_hash, entity_key, names_hash

ATTRIBUTES = {
    "name": "Köln",
    "latitude": 50.940991,
    "is_roaming": False,
    "station_key": -7837455555786956550,
    "max_power_kw": 22.0,
    "comment": None,
}


@pytest.mark.parametrize(
    ("feed", "entity", "published", "key"),
    [
        ("chargecloud", "station", "2", 5426217446937151892),
        ("chargecloud", "evse", "2", -6524819613838094661),
        ("chargecloud", "connector", "447", 7273748874213393158),
        ("simulated", "station", "2", 2690215403406012114),
        ("chargecloud", "station", "Süd/1", 9023958252182736541),
    ],
)
def test_entity_key__never_changes(feed: str, entity: str, published: str, key: int) -> None:
    assert entity_key(feed, entity, published) == key


def test_attribute_hash__never_changes() -> None:
    assert attribute_hash(ATTRIBUTES) == -2829026487231443279
    assert attribute_hash({}) == 137279666008780115
    assert attribute_hash({"ampere": 32.5, "extra": '{"a":1}'}) == -6363983193539468619


def test_names_hash__never_changes() -> None:
    assert names_hash({"/*/id", "/*/evses/*/uid"}) == -8696302516648324833


@given(st.permutations(list(ATTRIBUTES.items())))
def test_attribute_hash__does_not_depend_on_order(items: list[tuple[str, Any]]) -> None:
    assert attribute_hash(dict(items)) == attribute_hash(ATTRIBUTES)


def test_attribute_hash__does_not_change_with_columns_that_are_null() -> None:
    assert attribute_hash({**ATTRIBUTES, "a_later_column": None}) == attribute_hash(ATTRIBUTES)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Koeln"},
        {"name": None},
        {"latitude": 50.940992},
        {"is_roaming": True},
        {"is_roaming": None},
        {"comment": "x"},
        {"name": None, "comment": "Köln"},
    ],
)
def test_attribute_hash__changes_with_a_value(change: dict[str, Any]) -> None:
    assert attribute_hash({**ATTRIBUTES, **change}) != attribute_hash(ATTRIBUTES)


def test_names_hash__is_of_the_set() -> None:
    assert names_hash(["a", "b"]) == names_hash(("b", "a"))
    assert names_hash(["ab"]) != names_hash(["a", "b"])


@settings(max_examples=200)
@given(
    st.tuples(*[st.text(st.characters(exclude_characters="\x1f", codec="utf-8"), max_size=8)] * 3)
)
def test_entity_key__is_a_signed_64_bit_integer(parts: tuple[str, str, str]) -> None:
    key = entity_key(*parts)
    assert -(2**63) <= key < 2**63
    assert key == entity_key(*parts)


def test_entity_key__tells_its_parts_apart() -> None:
    keys = {entity_key("a", "b", "c"), entity_key("ab", "", "c"), entity_key("a", "bc", "")}
    assert len(keys) == 3


def test_entity_key__is_the_same_in_another_process() -> None:
    """Nothing of it is salted by the process, as Python's own hashes are."""
    code = (
        "from charging_assets.preprocessing.identity import *;"
        "print(entity_key('f', 'evse', '1'), names_hash({'a', 'b'}),"
        " attribute_hash({'b': 1, 'a': 2}))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    keys = entity_key("f", "evse", "1"), names_hash({"a", "b"}), attribute_hash({"b": 1, "a": 2})
    assert found == {" ".join(map(str, keys)) + "\n"}
