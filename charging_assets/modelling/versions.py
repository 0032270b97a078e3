"""Code versions: hashes of SQL and schema, by which stale hours are detected after an upgrade."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from charging_assets.schemas.render import declared
from charging_assets.schemas.table import Table
from charging_assets.warehouse.sql_files import sql


def code_version(
    statements: Iterable[str], tables: Iterable[Table], upstream: Iterable[str] = ()
) -> str:
    """The hash of SQL files, table declarations and upstream versions."""
    parts = [sql(name) for name in statements]
    parts += [declared(table) for table in tables]
    parts += upstream
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
