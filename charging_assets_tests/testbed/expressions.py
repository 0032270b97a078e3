"""Translate Redshift's expressions to PostgreSQL; functions are in `functions.sql`."""

from __future__ import annotations

from charging_assets_tests.testbed.errors import Refused
from charging_assets_tests.testbed.tokens import Statement, literal

_PART_FUNCTIONS = {"DATEADD", "DATEDIFF", "DATE_PART", "DATE_ADD", "DATE_DIFF"}
_RENAMED_FUNCTIONS = {
    "NVL": "COALESCE",
    "DATE_ADD": "rs.dateadd",
    "DATE_DIFF": "rs.datediff",
    "APPROXIMATE": "",
}


def edit_expressions(statement: Statement) -> None:
    """Replace expressions of Redshift with those of PostgreSQL."""
    for at in range(len(statement.tokens)):
        word, is_called = statement.upper(at), statement.upper(at + 1) == "("
        if word in _PART_FUNCTIONS and is_called:
            part = statement.tokens[at + 2]
            if part.upper.isalpha() and statement.upper(at + 3) == ",":
                statement.replace(at + 2, at + 3, literal(part.text))
        if word in _RENAMED_FUNCTIONS and is_called:
            statement.replace(at, at + 1, _RENAMED_FUNCTIONS[word])
        elif word == "SYSDATE" and not is_called:
            statement.replace(at, at + 1, "rs.sysdate()")
        elif word == "LISTAGG" and is_called:
            _listagg(statement, at)
        elif word == "MINUS" and statement.upper(at + 1) in {"SELECT", "("}:
            statement.replace(at, at + 1, "EXCEPT")
        elif word in {"IGNORE", "RESPECT"} and statement.upper(at + 1) == "NULLS":
            if word == "IGNORE":
                raise Refused("test bed: PostgreSQL 18 does not support IGNORE NULLS")
            statement.replace(at, at + 2, "")
        elif word == "SUPER" and statement.upper(at - 1) in {"AS", "::"}:
            statement.replace(at, at + 1, "json")
        elif word == "QUALIFY":
            raise Refused("test bed: PostgreSQL does not support QUALIFY; use a subquery")


def _listagg(statement: Statement, at: int) -> None:
    """LISTAGG(x, d) WITHIN GROUP (ORDER BY y) is STRING_AGG(x, d ORDER BY y)."""
    end = statement.close(at + 1)
    pieces = statement.parts(at + 2, end)
    value = statement.text(*pieces[0])
    between = statement.text(*pieces[1]) if len(pieces) > 1 else "''"
    order, last = "", end + 1
    if statement.starts("WITHIN", "GROUP", "(", at=end + 1):
        last = statement.close(end + 3) + 1
        order = " " + statement.text(end + 4, last - 1)
    if value.upper().startswith("DISTINCT"):
        raise Refused("test bed: LISTAGG DISTINCT is not portable between the two engines")
    statement.replace(at, last, f"STRING_AGG(({value})::text, {between}{order})::varchar(65535)")
