"""Grants for a group of readers in Redshift.

The rights of the loader, which owns the schemas, are set in `deploy/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Without staging: its rows stay for some days only and are of no use to readers.
READABLE = ("warehouse", "mart", "original", "ops")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def reader_grants(group: str, schemas: Iterable[str] = READABLE) -> list[str]:
    """Statements by which a group reads all tables and views, later ones too; none for no group."""
    if not group:
        return []
    if not _NAME.fullmatch(group):
        raise ValueError("this is not the name of a group: use letters, digits and _")
    statements = []
    for schema in schemas:
        statements += [
            f"GRANT USAGE ON SCHEMA {schema} TO GROUP {group}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO GROUP {group}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO GROUP {group}",
        ]
    return statements
