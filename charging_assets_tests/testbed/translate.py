"""Translate a statement of Redshift into what the bed executes; `session` runs it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from charging_assets_tests.testbed import ddl, refusals
from charging_assets_tests.testbed.catalog import edit_catalog, reads_catalog
from charging_assets_tests.testbed.copy_options import Copy, parse_copy
from charging_assets_tests.testbed.errors import SYNTAX, Refused
from charging_assets_tests.testbed.expressions import edit_expressions
from charging_assets_tests.testbed.postgres import create_database
from charging_assets_tests.testbed.tokens import Statement, syntax_error
from charging_assets_tests.testbed.unload_options import (
    RoleGrant,
    Unload,
    parse_role_grant,
    parse_unload,
)

_CHANGES = {"INSERT", "UPDATE", "DELETE", "MERGE"}
# Session settings of a cluster that have no effect on one server.
_CLUSTER_SETTINGS = {
    "QUERY_GROUP", "WLM_QUERY_SLOT_COUNT", "ENABLE_RESULT_CACHE_FOR_SESSION",
    "ANALYZE_THRESHOLD_PERCENT", "AUTO_MV", "AUTOCOMMIT",
    "DESCRIBE_FIELD_NAME_IN_UPPERCASE", "ENABLE_CASE_SENSITIVE_IDENTIFIER",
}  # fmt: skip


@dataclass(frozen=True)
class Translated:
    """The translation of a statement.

    `sql` is for PostgreSQL, `then` are further statements outside of transactions. `writes` is the
    table whose write lock it takes. `copy` is a COPY that the bed executes itself, `unload` an
    UNLOAD, whose SELECT is in `sql`, `role_grant` a grant of ASSUMEROLE. `then_commits`
    ends the transaction, as TRUNCATE does. `alone` names a command that is refused in a
    transaction. With a `tag` the bed answers with this command tag, and PostgreSQL does not prepare
    the statement.
    """

    sql: str = ""
    writes: str = ""
    copy: Copy | None = None
    unload: Unload | None = None
    role_grant: RoleGrant | None = None
    then: tuple[str, ...] = ()
    then_commits: bool = False
    alone: str = ""
    tag: str = ""

    @property
    def is_local(self) -> bool:
        """Whether PostgreSQL never sees it prepared."""
        return bool(self.copy or self.unload or self.role_grant or self.tag)


@lru_cache(maxsize=1024)
def translate(sql: str) -> Translated:
    """Translate one statement; Refused if Redshift does not support it."""
    statement = Statement(sql)
    if reads_catalog(statement):
        edit_catalog(statement)
        return Translated(sql=statement.edited())
    refusals.check(statement)
    for word, translator in _KINDS.items():
        if statement.upper(0) == word and (translated := translator(statement)) is not None:
            return translated
    edit_expressions(statement)
    return Translated(sql=statement.edited(), writes=_written_table(statement))


def _written_table(statement: Statement) -> str:
    if statement.upper(0) not in _CHANGES:
        return ""
    at = 1 if statement.upper(0) == "UPDATE" else 2
    return statement.qualified_name(at)[0]


def _copy(statement: Statement) -> Translated:
    return Translated(copy=parse_copy(statement))


def _unload(statement: Statement) -> Translated:
    """Both the statement and its SELECT are checked: a quoted query is not seen by `refusals`."""
    refusals.no_parameters(statement, "UNLOAD")
    command = parse_unload(statement)
    inner = translate(command.select)
    if inner.is_local or not inner.sql:
        raise Refused("UNLOAD source is not a SELECT query", SYNTAX)
    return Translated(sql=inner.sql, unload=command, tag="UNLOAD")


def _grant(statement: Statement) -> Translated | None:
    if statement.upper(1) != "ASSUMEROLE":
        return None
    return Translated(role_grant=parse_role_grant(statement), tag=statement.upper(0))


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
    """A user needs a password, or PASSWORD DISABLE for sign-in with IAM only."""
    at = statement.find("PASSWORD")
    if at < 0:
        raise Refused("PASSWORD or EXTERNALID is required", SYNTAX)
    if statement.upper(at + 1) == "DISABLE":
        statement.replace(at, at + 2, "PASSWORD NULL")
    return Translated(sql=statement.edited())


def _create_view(statement: Statement) -> Translated:
    """A late-binding view is bound here, but its tables must have their schema."""
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
        search_path = statement.text(3, len(statement.tokens))
        return Translated(sql=f"SET search_path = {search_path}, rs, pg_catalog")
    return Translated(sql=statement.sql)


_KINDS = {
    "COPY": _copy,
    "UNLOAD": _unload,
    "GRANT": _grant,
    "REVOKE": _grant,
    "CREATE": _create,
    "ALTER": _alter,
    "BEGIN": _begin,
    "START": _begin,
    "TRUNCATE": _truncate,
    "VACUUM": _vacuum,
    "ANALYZE": _analyze,
    "SET": _set,
}
