"""Who may read the warehouse in Redshift.

Belongs here: grants for a group of readers. Does not belong here: the loader's own rights, which
are those of the owner of the schemas (`deploy/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Staging is a window on its way through, and of no use to a reader.
READABLE = ("warehouse", "mart", "original", "ops")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def reader_grants(group: str, schemas: Iterable[str] = READABLE) -> list[str]:
    """Statements by which a group reads all tables and views, later ones too; none for no group."""
    if not group:
        return []
    if not _NAME.fullmatch(group):
        raise ValueError("this is not the name of a group: use letters, digits and _")
    granted = []
    for schema in schemas:
        granted += [
            f"GRANT USAGE ON SCHEMA {schema} TO GROUP {group}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO GROUP {group}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO GROUP {group}",
        ]
    return granted
