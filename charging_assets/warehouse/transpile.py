"""Transpile SQL from the Redshift dialect to the dialect of the engine, and bind parameters."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from charging_assets.warehouse.transpile_cache import TranspileCache

_cache: TranspileCache | None = None


def set_transpile_cache(folder: Path | None) -> None:
    """Set the folder in which this process caches transpiled statements; None for no cache."""
    global _cache
    _cache = TranspileCache(folder) if folder is not None else None


def prune_transpile_cache() -> int:
    """Delete outdated statements from the cache; return how many."""
    return _cache.prune() if _cache else 0


# Room for every statement of a migration (one comment per column) and of all loads: a smaller cache
# would parse each statement every time.
@lru_cache(maxsize=4096)
def transpile(sql: str, dialect: str) -> tuple[str, frozenset[str]]:
    """Transpile a Redshift statement to a dialect; return it with its parameter names."""
    cached = _cache.get(sql, dialect) if _cache else None
    if cached is None:
        cached = _transpile(sql, dialect)
        if _cache:
            _cache.put(sql, dialect, *cached)
    return cached


def _transpile(sql: str, dialect: str) -> tuple[str, frozenset[str]]:
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="redshift")
    names = frozenset(str(node.this) for node in tree.find_all(exp.Placeholder))
    return tree.sql(dialect=dialect), names


def bind_params(sql: str, params: Mapping[str, Any], dialect: str) -> tuple[str, dict[str, Any]]:
    """Transpile a statement and select the parameters that it names.

    Raises:
        KeyError: a named parameter is missing.
    """
    statement, names = transpile(sql, dialect)
    return statement, {name: params[name] for name in names}
