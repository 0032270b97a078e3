"""Keys and hashes: stable signed 64-bit integers.

Belongs here: how an entity is known across hours and years. The functions must never change:
every key in every warehouse would. Does not belong here: anything that may be relabelled.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

from charging_assets.kinds import Kind


@lru_cache(maxsize=32_768)
def entity_key(network: str, entity: str, *ids: str) -> int:
    """The key of an entity: a hash of its network, what it is, and the ids that identify it.

    Each part is hashed as a netstring (`5:koeln,`: the length in bytes of UTF-8, a colon, the text,
    a comma), so that no two lists of parts are hashed alike, whatever characters ids are made of.
    `ids` are ids as the id columns hold them: white space trimmed and collapsed, a number as its
    digits, upper and lower case apart.
    """
    encoded = [part.encode() for part in (network, entity, *ids)]
    return _hash(b"".join([b"%d:%b," % (len(part), part) for part in encoded]))


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


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)
