"""Keys and hashes of entities: stable signed 64-bit integers.

These functions must never change: every key in every warehouse would change with them. Do not hash
anything here that may be relabelled.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from charging_assets.sources import Kind


class Identity(NamedTuple):
    """The identity of a published id: `identity_hash` differs if two ids have one key."""

    entity: str
    key: int
    identity_hash: int


@lru_cache(maxsize=32_768)
def entity_key(network: str, entity: str, *ids: str) -> int:
    """The key of an entity: a hash of its network, its entity type, and its ids.

    Each part is hashed as a netstring (`5:koeln,`: the length in bytes of UTF-8, a colon, the text,
    a comma), so that two different lists of parts never hash the same input, whatever characters
    the ids have. `ids` are spelled as in the id columns: white space trimmed and collapsed, a
    number as its digits, case-sensitive.
    """
    return _hash(_netstrings(network, entity, *ids))


@lru_cache(maxsize=32_768)
def identity_hash(network: str, entity: str, *ids: str) -> int:
    """A second, independent hash of what `entity_key` hashes.

    It distinguishes ids with equal keys. Two ids with equal keys can be found in minutes (2^32
    hashes); two ids for which both hashes are equal would take 2^64.
    """
    return _hash(_netstrings(network, entity, *ids), person=b"identity")


def make_identity(network: str, entity: str, ids: tuple[str, ...]) -> Identity:
    """The identity of an entity: both hashes of one input."""
    data = _netstrings(network, entity, *ids)
    return Identity(entity, _hash(data), _hash(data, person=b"identity"))


def _netstrings(*parts: str) -> bytes:
    netstrings = b""
    for part in parts:
        encoded = part.encode()
        netstrings += b"%d:%b," % (len(encoded), encoded)
    return netstrings


def scopes(kind: Kind, ids_within: str | None) -> tuple[str, str]:
    """The scopes in which ids of stations and of EVSEs are unique.

    They come from the kind and from the feed's `ids_within` setting. "place" does not widen EVSE
    ids that are unique only within their station.
    """
    station, evse = kind.STATION.within, kind.EVSE.within
    if ids_within == "parent":
        return station, "parent"
    if ids_within == "place":
        return "place", evse if evse == "parent" else "place"
    if ids_within == "network":
        return "network", "network"
    return station, evse


def attribute_hash(attributes: dict[str, Any]) -> int:
    """The hash of an entity's non-null attributes, independent of their order.

    Nulls are left out so that a column added by a later version does not change any hash.
    """
    present = {name: value for name, value in attributes.items() if value is not None}
    return _hash(msgspec.json.encode(present, order="sorted"))


def names_hash(names: Any) -> int:
    """The hash of a set of names."""
    return _hash("\x1f".join(sorted(names)).encode())


def _hash(data: bytes, person: bytes = b"") -> int:
    digest = blake2b(data, digest_size=8, person=person).digest()
    return int.from_bytes(digest, "big", signed=True)
