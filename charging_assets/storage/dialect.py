"""One SQL, two engines: from the Redshift dialect to the one that runs.

Belongs here: rendering of statements and of their parameters. Does not belong here: connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any


# Room for every statement of a migration (a comment is one a column) and of all loads: with less,
# each one is parsed anew each time.
@lru_cache(maxsize=4096)
def rendered(sql: str, dialect: str) -> tuple[str, frozenset[str]]:
    """A statement of the Redshift dialect in another, and the names of its parameters."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, read="redshift")
    names = frozenset(str(node.this) for node in tree.find_all(exp.Placeholder))
    return tree.sql(dialect=dialect), names


def bound(sql: str, params: Mapping[str, Any], dialect: str) -> tuple[str, dict[str, Any]]:
    """The rendered statement and just the parameters that it names; KeyError if one is missing."""
    statement, names = rendered(sql, dialect)
    return statement, {name: params[name] for name in names}
