"""The code version of the flat tables: it makes an hour's flat files stale after an upgrade."""

from __future__ import annotations

import hashlib
from functools import cache

from charging_assets.schemas.flat import FLAT_TABLES, SCHEMA_VERSION
from charging_assets.schemas.render import declared
from charging_assets.sources import kind, maps_version, packaged_kinds

# Raise by one when flattening gives other rows with the same schema.
_FLATTEN_VERSION = 8


@cache
def flat_version() -> str:
    """The hash of the schema, of the packaged kinds' maps and of `_FLATTEN_VERSION`.

    The maps of other kinds are part of the digest of the hours that use them (`identities`).
    """
    tables = [declared(table) for table in FLAT_TABLES]
    maps = [maps_version(kind(name)) for name in packaged_kinds()]
    content = "\n".join([str(SCHEMA_VERSION), str(_FLATTEN_VERSION), *tables, *maps])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
