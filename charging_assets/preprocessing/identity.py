"""Keys and hashes: stable signed 64-bit integers.

Belongs here: how an entity is known across hours and years. The functions must never change:
every key in every warehouse would. Does not belong here: anything that may be relabelled.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec


@lru_cache(maxsize=32_768)
def entity_key(feed: str, entity: str, published_id: str) -> int:
    """The key of an entity: a hash of its feed, what it is, and its id as published."""
    return _hash("\x1f".join((feed, entity, published_id)).encode())


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
