"""A statement of Redshift as what the bed does about it.

Belongs here: which kind of statement it is, and PostgreSQL's spelling of it. Does not belong here:
running it (`session`), tables' definitions (`ddl`), what is refused (`refusals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from charging_assets_tests.testbed import ddl
from charging_assets_tests.testbed.copy_options import Copy, parse_copy
from charging_assets_tests.testbed.tokens import Statement, literal

_CHANGES = {"INSERT", "UPDATE", "DELETE", "MERGE"}
_PART_FUNCTIONS = {"DATEADD", "DATEDIFF", "DATE_PART", "DATE_ADD", "DATE_DIFF"}
# Session settings that steer a cluster and mean nothing to one server.
_CLUSTER_SETTINGS = {
    "QUERY_GROUP", "WLM_QUERY_SLOT_COUNT", "ENABLE_RESULT_CACHE_FOR_SESSION",
    "ANALYZE_THRESHOLD_PERCENT",
    "AUTO_MV", "AUTOCOMMIT", "DESCRIBE_FIELD_NAME_IN_UPPERCASE", "ENABLE_CASE_SENSITIVE_IDENTIFIER",
}  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """What to do for a statement.

    `sql` is for PostgreSQL. `writes` is the table whose write lock it takes. `copy` is a COPY that
    the bed does itself. `then_commits` ends the transaction, as TRUNCATE does. `tag` is what the
    client is told when nothing is to be done.
    """

    sql: str = ""
    writes: str = ""
    copy: Copy | None = None
    then_commits: bool = False
    tag: str = ""

    @property
    def is_local(self) -> bool:
        """Whether PostgreSQL never sees it prepared."""
        return bool(self.copy or self.tag or self.then_commits)


@lru_cache(maxsize=1024)
def translate(sql: str) -> Translated:
    """What the bed does for one statement; Refused if Redshift would not."""
    statement = Statement(sql)
    word = statement.upper(0)
    if word == "COPY":
        return Translated(copy=parse_copy(statement))
    if word == "CREATE" and statement.find("TABLE") in {1, 2, 3}:
        _edit_expressions(statement)
        return Translated(sql=ddl.create_table(Statement(statement.edited())))
    if word == "ALTER" and statement.upper(1) == "TABLE":
        altered = ddl.alter_table(statement)
        return Translated(tag="ALTER TABLE") if altered is None else Translated(sql=altered)
    if word in {"BEGIN", "START"}:
        return Translated(sql="BEGIN")
    if word == "TRUNCATE":
        return Translated(sql=sql, then_commits=True, tag="TRUNCATE TABLE")
    if word == "VACUUM":
        return Translated(sql=_vacuum(statement))
    if word == "ANALYZE":
        return Translated(sql=_analyze(statement))
    if word == "SET":
        return _set(statement)
    _edit_expressions(statement)
    return Translated(sql=statement.edited(), writes=_written(statement))


def _written(statement: Statement) -> str:
    if statement.upper(0) not in _CHANGES:
        return ""
    at = 1 if statement.upper(0) == "UPDATE" else 2
    return statement.qualified_name(at)[0]


def _edit_expressions(statement: Statement) -> None:
    for at in range(len(statement.tokens)):
        word = statement.upper(at)
        if word in _PART_FUNCTIONS and statement.upper(at + 1) == "(":
            part = statement.tokens[at + 2]
            if part.upper.isalpha() and statement.upper(at + 3) == ",":
                statement.replace(at + 2, at + 3, literal(part.text))
        elif word == "SYSDATE" and statement.upper(at + 1) != "(":
            statement.replace(at, at + 1, "rs.sysdate()")
        elif word == "NVL" and statement.upper(at + 1) == "(":
            statement.replace(at, at + 1, "COALESCE")


def _vacuum(statement: Statement) -> str:
    at = 1
    while statement.upper(at) in {"FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER"}:
        at += 1
    if at == len(statement.tokens):
        return "VACUUM"
    return f"VACUUM {statement.qualified_name(at)[0]}"


def _analyze(statement: Statement) -> str:
    at = 1
    while statement.upper(at) in {"COMPRESSION", "VERBOSE"}:
        at += 1
    if at == len(statement.tokens):
        return "ANALYZE"
    return f"ANALYZE {statement.qualified_name(at)[0]}"


def _set(statement: Statement) -> Translated:
    name = statement.upper(1)
    if name in _CLUSTER_SETTINGS:
        return Translated(tag="SET")
    if name == "SEARCH_PATH":
        given = statement.text(3, len(statement.tokens))
        return Translated(sql=f"SET search_path = {given}, rs, pg_catalog")
    return Translated(sql=statement.sql)
