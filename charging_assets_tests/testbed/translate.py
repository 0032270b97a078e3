"""A statement of Redshift as what the bed does about it.

Belongs here: which kind of statement it is, and what PostgreSQL is given. Does not belong here:
running it (`session`), tables' definitions (`ddl`), expressions, refusals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from charging_assets_tests.testbed import ddl, refusals
from charging_assets_tests.testbed.catalog import asks_catalog, edit_catalog
from charging_assets_tests.testbed.copy_options import Copy, parse_copy
from charging_assets_tests.testbed.errors import SYNTAX, Refused
from charging_assets_tests.testbed.expressions import edit_expressions
from charging_assets_tests.testbed.postgres import create_database
from charging_assets_tests.testbed.tokens import Statement, syntax_error

_CHANGES = {"INSERT", "UPDATE", "DELETE", "MERGE"}
# Session settings that steer a cluster and mean nothing to one server.
_CLUSTER_SETTINGS = {
    "QUERY_GROUP", "WLM_QUERY_SLOT_COUNT", "ENABLE_RESULT_CACHE_FOR_SESSION",
    "ANALYZE_THRESHOLD_PERCENT", "AUTO_MV", "AUTOCOMMIT",
    "DESCRIBE_FIELD_NAME_IN_UPPERCASE", "ENABLE_CASE_SENSITIVE_IDENTIFIER",
}  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """What to do for a statement.

    `sql` is for PostgreSQL, `then` what follows it outside of transactions. `writes` is the table
    whose write lock it takes. `copy` is a COPY that the bed does itself. `then_commits` ends the
    transaction, as TRUNCATE does. `alone` names a command that is refused inside a transaction.
    With a `tag`, the client is told just that, and PostgreSQL never sees the statement prepared.
    """

    sql: str = ""
    writes: str = ""
    copy: Copy | None = None
    then: tuple[str, ...] = ()
    then_commits: bool = False
    alone: str = ""
    tag: str = ""

    @property
    def is_local(self) -> bool:
        """Whether PostgreSQL never sees it prepared."""
        return bool(self.copy or self.tag)


@lru_cache(maxsize=1024)
def translate(sql: str) -> Translated:
    """What the bed does for one statement; Refused if Redshift would not run it."""
    statement = Statement(sql)
    if asks_catalog(statement):
        edit_catalog(statement)
        return Translated(sql=statement.edited())
    refusals.check(statement)
    for word, how in _KINDS.items():
        if statement.upper(0) == word and (done := how(statement)) is not None:
            return done
    edit_expressions(statement)
    return Translated(sql=statement.edited(), writes=_written(statement))


def _written(statement: Statement) -> str:
    if statement.upper(0) not in _CHANGES:
        return ""
    at = 1 if statement.upper(0) == "UPDATE" else 2
    return statement.qualified_name(at)[0]


def _copy(statement: Statement) -> Translated:
    return Translated(copy=parse_copy(statement))


def _create(statement: Statement) -> Translated | None:
    if statement.find("TABLE") in {1, 2, 3}:
        refusals.no_parameters(statement, "CREATE TABLE")
        edit_expressions(statement)
        return Translated(sql=ddl.create_table(Statement(statement.edited())))
    if statement.find("VIEW") in {1, 3}:
        return _create_view(statement)
    if statement.starts("CREATE", "DATABASE"):
        return _create_database(statement)
    if statement.starts("CREATE", "USER"):
        return _create_user(statement)
    if statement.starts("CREATE", "GROUP"):
        return Translated(sql=statement.sql)
    return None


def _create_user(statement: Statement) -> Translated:
    """A user has a password, or PASSWORD DISABLE: then only IAM signs it in."""
    at = statement.find("PASSWORD")
    if at < 0:
        raise Refused("PASSWORD or EXTERNALID is required", SYNTAX)
    if statement.upper(at + 1) == "DISABLE":
        statement.replace(at, at + 2, "PASSWORD NULL")
    return Translated(sql=statement.edited())


def _create_view(statement: Statement) -> Translated:
    """A late-binding view is bound here all the same, but its tables must be named in full."""
    at = statement.find("WITH", "NO", "SCHEMA", "BINDING")
    if at >= 0:
        refusals.check_full_names(statement)
        statement.replace(at, at + 4, "")
    refusals.no_parameters(statement, "CREATE VIEW")
    edit_expressions(statement)
    return Translated(sql=statement.edited())


def _create_database(statement: Statement) -> Translated:
    name, at = statement.qualified_name(2)
    isolation = "snapshot"
    if statement.starts("ISOLATION", "LEVEL", at=at):
        isolation = statement.upper(at + 2).lower()
    first, *then = create_database(name, isolation)
    return Translated(sql=first, then=tuple(then), alone="CREATE DATABASE", tag="CREATE DATABASE")


def _alter(statement: Statement) -> Translated | None:
    if statement.upper(1) != "TABLE":
        return None
    altered = ddl.alter_table(statement)
    if altered is None:
        return Translated(tag="ALTER TABLE")
    if altered.startswith("DO"):
        return Translated(sql=altered, alone="ALTER TABLE ALTER COLUMN", tag="ALTER TABLE")
    return Translated(sql=altered)


def _begin(statement: Statement) -> Translated:
    return Translated(sql="BEGIN")


def _truncate(statement: Statement) -> Translated:
    return Translated(sql=statement.sql, then_commits=True, tag="TRUNCATE TABLE")


def _vacuum(statement: Statement) -> Translated:
    at = 1
    while statement.upper(at) in {"FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER"}:
        at += 1
    name = "" if at == len(statement.tokens) else " " + statement.qualified_name(at)[0]
    return Translated(sql=f"VACUUM{name}", alone="VACUUM", tag="VACUUM")


def _analyze(statement: Statement) -> Translated:
    at = 1
    while statement.upper(at) in {"COMPRESSION", "VERBOSE"}:
        at += 1
    name = "" if at == len(statement.tokens) else " " + statement.qualified_name(at)[0]
    return Translated(sql=f"ANALYZE{name}")


def _set(statement: Statement) -> Translated:
    if statement.upper(2) not in {"TO", "="} and statement.upper(1) not in {"SESSION", "LOCAL"}:
        raise syntax_error(statement.tokens[min(2, len(statement.tokens) - 1)].text)
    name = statement.upper(1)
    if name in _CLUSTER_SETTINGS:
        return Translated(tag="SET")
    if name == "SEARCH_PATH":
        given = statement.text(3, len(statement.tokens))
        return Translated(sql=f"SET search_path = {given}, rs, pg_catalog")
    return Translated(sql=statement.sql)


_KINDS = {
    "COPY": _copy,
    "CREATE": _create,
    "ALTER": _alter,
    "BEGIN": _begin,
    "START": _begin,
    "TRUNCATE": _truncate,
    "VACUUM": _vacuum,
    "ANALYZE": _analyze,
    "SET": _set,
}
