"""Statements about Redshift's own catalog, as drivers and SQLAlchemy's dialect ask them.

The leader node answers them, as PostgreSQL 8 would with some columns and tables of Redshift's own;
`functions.sql` has views for these. Views that are bound late are bound in the bed, so their
columns are in `pg_attribute`, and `pg_get_late_binding_view_cols` has none.
"""

from __future__ import annotations

from charging_assets_tests.testbed.tokens import Statement

# Tables with columns that PostgreSQL does not have, or no longer.
_CHANGED = {"PG_CLASS", "PG_ATTRIBUTE", "PG_ATTRDEF"}
_TABLES = {*_CHANGED, "PG_CONSTRAINT"}


def reads_catalog(statement: Statement) -> bool:
    """Whether a statement reads the catalog's tables of relations."""
    return any(_is_table(statement, at, _TABLES) for at in range(len(statement.tokens)))


def edit_catalog(statement: Statement) -> None:
    """Read the bed's views in place of PostgreSQL's tables, and put columns for their aliases.

    Redshift's conditions may name what the SELECT list calls an expression, and an integer is one.
    """
    aliases: dict[str, str] = {}
    for at in range(len(statement.tokens)):
        if _is_table(statement, at, _CHANGED):
            statement.replace(at, at + 3, f"rs.redshift_{statement.upper(at + 2).lower()}")
        elif statement.starts("WHERE", "1", at=at):
            statement.replace(at + 1, at + 2, "TRUE")
        elif statement.upper(at + 1) == "AS" and at + 2 < len(statement.tokens):
            first = at - 2 if statement.upper(at - 1) == "." else at
            aliases[statement.tokens[at + 2].name] = statement.text(first, at + 1)
        elif statement.upper(at) == "AND" and statement.upper(at + 2) == "=":
            name = statement.tokens[at + 1].name
            statement.replace(at + 1, at + 2, aliases.get(name, name))


def _is_table(statement: Statement, at: int, names: set[str]) -> bool:
    return statement.starts("PG_CATALOG", ".", at=at) and statement.upper(at + 2) in names
