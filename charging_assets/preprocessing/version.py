"""The code version of the flat tables.

Belongs here: what makes an hour's flat files stale after an upgrade.
"""

from __future__ import annotations

import hashlib
from functools import cache

from charging_assets.schemas.flat import FLAT_TABLES, SCHEMA_VERSION
from charging_assets.schemas.render import declared

# Raised when flattening changes what rows say without changing the schema.
_FLATTEN_VERSION = 5


@cache
def flat_version() -> str:
    """The hash of the schema and of what flattening does."""
    tables = [declared(table) for table in FLAT_TABLES]
    said = "\n".join([str(SCHEMA_VERSION), str(_FLATTEN_VERSION), *tables])
    return hashlib.sha256(said.encode()).hexdigest()[:12]
