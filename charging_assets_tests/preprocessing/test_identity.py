"""Keys and hashes: pinned, because every key in every warehouse depends on them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.preprocessing.identity import (
    attribute_hash,
    entity_key,
    names_hash,
    scopes,
)
from charging_assets.sources import Kind, chargecloud

ATTRIBUTES = {
    "name": "Köln",
    "latitude": 50.940991,
    "is_roaming": False,
    "station_key": -7837455555786956550,
    "max_power_kw": 22.0,
    "comment": None,
}


KEYS = [
    (("chargecloud", "station", "2"), -6888314198056602516),
    (("chargecloud", "evse", "2"), 3104332985417746885),
    (("chargecloud", "evse", "koeln", "2"), 5154249651994845836),
    (("chargecloud", "connector", "2", "447"), 3920593128448255536),
    (("chargecloud", "connector", "koeln", "2", "447"), 459282280669508446),
    (("simulated", "station", "2"), 366112292600559266),
    (("chargecloud", "station", "Süd/1"), 5745108344024094626),
]


@pytest.mark.parametrize(("parts", "key"), KEYS)
def test_entity_key__never_changes(parts: tuple[str, ...], key: int) -> None:
    assert entity_key(*parts) == key


def test_entity_key__is_a_hash_of_netstrings() -> None:
    """As any language can make it: the sum of what the page on keys describes."""
    parts = b"11:chargecloud,", b"7:station,", b"6:S\xc3\xbcd/1,"
    made = blake2b(b"".join(parts), digest_size=8).digest()
    expected = int.from_bytes(made, "big", signed=True)
    assert entity_key("chargecloud", "station", "Süd/1") == expected


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


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
PARTS = st.lists(st.one_of(TEXTS, st.sampled_from(["\x1f", "1:a,", ",", "a\x1fb"])), max_size=3)


@settings(max_examples=200)
@given(TEXTS, TEXTS, PARTS)
def test_entity_key__is_a_signed_64_bit_integer(network: str, entity: str, ids: list[str]) -> None:
    key = entity_key(network, entity, *ids)
    assert -(2**63) <= key < 2**63
    assert key == entity_key(network, entity, *ids)


@settings(max_examples=300)
@given(PARTS, PARTS)
def test_entity_key__differs_for_different_ids(ids: list[str], others: list[str]) -> None:
    """Whatever ids are made of: `a`, `b` are not one id `a<separator>b`."""
    assert (entity_key("n", "e", *ids) == entity_key("n", "e", *others)) == (ids == others)


@pytest.mark.parametrize("separator", ["\x1f", "\x00", ",", ":", "|", '","', "1:"])
def test_entity_key__has_no_separator_that_an_id_could_hold(separator: str) -> None:
    keys = {
        entity_key("a", "b", f"c{separator}d"),
        entity_key("a", "b", "c", "d"),
        entity_key("a", f"b{separator}c", "d"),
        entity_key(f"a{separator}b", "c", "d"),
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("station", "evse", "ids_within", "expected"),
    [
        ("network", "network", None, ("network", "network")),
        ("network", "network", "place", ("place", "place")),
        ("network", "network", "parent", ("network", "parent")),
        ("network", "parent", "place", ("place", "parent")),
        ("place", "place", "network", ("network", "network")),
        ("place", "place", None, ("place", "place")),
        ("place", "place", "parent", ("place", "parent")),
    ],
)
def test_scopes__are_the_kinds_unless_the_feed_states_them(
    station: str, evse: str, ids_within: str | None, expected: tuple[str, str]
) -> None:
    made = cast(
        Kind,
        SimpleNamespace(
            STATION=replace(chargecloud.STATION, within=station),
            EVSE=replace(chargecloud.EVSE, within=evse),
        ),
    )
    assert scopes(made, ids_within) == expected


def test_entity_key__is_the_same_in_another_process() -> None:
    """Nothing of it is salted by the process, as Python's own hashes are."""
    code = (
        "from charging_assets.preprocessing.identity import *;"
        "print(entity_key('f', 'evse', '1'), names_hash({'a', 'b'}),"
        " attribute_hash({'b': 1, 'a': 2}))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    keys = entity_key("f", "evse", "1"), names_hash({"a", "b"}), attribute_hash({"b": 1, "a": 2})
    assert outputs == {" ".join(map(str, keys)) + "\n"}
