"""Parse COPY … FROM 's3://…' statements; `load` executes them."""

from __future__ import annotations

from dataclasses import dataclass

from charging_assets_tests.testbed.errors import Refused
from charging_assets_tests.testbed.tokens import Statement, syntax_error


@dataclass(frozen=True)
class Copy:
    """A COPY: the table as a name of PostgreSQL, the named columns if any, source and options."""

    table: str
    columns: tuple[str, ...]
    source: str
    iam_role: str
    is_manifest: bool
    file_format: str


def parse_copy(statement: Statement) -> Copy:
    """Parse a COPY; Refused where Redshift would refuse it."""
    table, at = statement.qualified_name(1)
    columns: tuple[str, ...] = ()
    if statement.upper(at) == "(":
        end = statement.close(at)
        columns = tuple(statement.tokens[first].name for first, _ in statement.parts(at + 1, end))
        at = end + 1
    if statement.upper(at) != "FROM" or not _is_string(statement, at + 1):
        raise syntax_error(statement.tokens[at].text if at < len(statement.tokens) else "")
    source = statement.tokens[at + 1].text
    iam_role, is_manifest, file_format = "", False, "CSV"
    at += 2
    while at < len(statement.tokens):
        word = statement.upper(at)
        if word == "IAM_ROLE":
            iam_role = statement.tokens[at + 1].text
            at += 2
        elif word == "FORMAT":
            at += 2 if statement.upper(at + 1) == "AS" else 1
            file_format = statement.upper(at)
            at += 1
        elif word == "MANIFEST":
            is_manifest, at = True, at + 1
        elif word in {"COMPUPDATE", "STATUPDATE"}:
            at += 2
        elif word in {"CREDENTIALS", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"}:
            raise Refused("test bed: keys in SQL are not accepted; use IAM_ROLE", "42601")
        elif word == "REGION":
            raise Refused("REGION argument is not supported for PARQUET based COPY")
        else:
            raise syntax_error(statement.tokens[at].text)
    if not source.startswith("s3://"):
        raise Refused("COPY from this file-system not supported", "0A000")
    if not iam_role:
        raise Refused("CREDENTIALS argument is required but not specified", "42601")
    if file_format != "PARQUET":
        raise Refused(f"test bed: COPY reads Parquet only, not {file_format}")
    return Copy(table, columns, source, iam_role, is_manifest, file_format)


def _is_string(statement: Statement, at: int) -> bool:
    return at < len(statement.tokens) and statement.tokens[at].is_string
