"""Keys and hashes: stable signed 64-bit integers.

Belongs here: how an entity is known across hours and years. The functions must never change:
every key in every warehouse would. Does not belong here: anything that may be relabelled.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from charging_assets.kinds import Kind


class Identity(NamedTuple):
    """What a published id stands for: `identity_hash` differs where two ids have one key."""

    entity: str
    key: int
    identity_hash: int


@lru_cache(maxsize=32_768)
def entity_key(network: str, entity: str, *ids: str) -> int:
    """The key of an entity: a hash of its network, what it is, and the ids that identify it.

    Each part is hashed as a netstring (`5:koeln,`: the length in bytes of UTF-8, a colon, the text,
    a comma), so that no two lists of parts are hashed alike, whatever characters ids are made of.
    `ids` are ids as the id columns hold them: white space trimmed and collapsed, a number as its
    digits, upper and lower case apart.
    """
    return _hash(_netstrings(network, entity, *ids))


@lru_cache(maxsize=32_768)
def identity_hash(network: str, entity: str, *ids: str) -> int:
    """A second, independent hash of what `entity_key` hashes.

    It distinguishes ids whose keys are equal. Ids with equal keys are found in minutes (2^32
    hashes); ids for which both hashes are equal would take 2^64.
    """
    return _hash(_netstrings(network, entity, *ids), person=b"identity")


def _netstrings(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join([b"%d:%b," % (len(part), part) for part in encoded])


def scopes(kind: Kind, ids_within: str | None) -> tuple[str, str]:
    """Where ids of stations and of EVSEs are unique, by the kind and a feed's own setting.

    A feed whose EVSE ids are unique at their station only is not widened by "place".
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
    """The hash of an entity's attributes that are not null, whatever their order.

    Nulls are left out so that a column which a later version adds changes no hash.
    """
    known = {name: value for name, value in attributes.items() if value is not None}
    return _hash(msgspec.json.encode(known, order="sorted"))


def names_hash(names: Any) -> int:
    """The hash of a set of names."""
    return _hash("\x1f".join(sorted(names)).encode())


def _hash(data: bytes, person: bytes = b"") -> int:
    digest = blake2b(data, digest_size=8, person=person).digest()
    return int.from_bytes(digest, "big", signed=True)
