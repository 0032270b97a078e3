"""Errors of Redshift, classified by code and message."""

from __future__ import annotations

import struct

import pytest
from redshift_connector import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from charging_assets.warehouse.redshift.errors import (
    ErrorKind,
    classify_error,
    describe_error,
    explain,
)


def server(code: str, message: str, **more: str) -> ProgrammingError:
    return ProgrammingError({"S": "ERROR", "C": code, "M": message, **more})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (
            server("XX000", "1023", D="Serializable isolation violation on table"),
            ErrorKind.CONFLICT,
        ),
        (server("XX000", "Serializable isolation violation"), ErrorKind.CONFLICT),
        (
            server("40001", "could not serialize access due to concurrent update"),
            ErrorKind.CONFLICT,
        ),
        (server("40P01", "deadlock detected"), ErrorKind.CONFLICT),
        (server("XX000", "conflict with concurrent transaction 17"), ErrorKind.CONFLICT),
        (server("57P01", "terminating connection due to administrator command"), ErrorKind.LOST),
        (InterfaceError("BrokenPipe: server socket closed."), ErrorKind.LOST),
        (InterfaceError("communication error", OSError(110, "timed out")), ErrorKind.LOST),
        (OperationalError("connection time out", TimeoutError()), ErrorKind.LOST),
        (ConnectionResetError(104, "reset"), ErrorKind.LOST),
        (TimeoutError("read timed out"), ErrorKind.LOST),
        (struct.error("unpack requires a buffer of 5 bytes"), ErrorKind.LOST),
        (server("XX000", "S3ServiceException:Please reduce your request rate.,Status 503,Error "
                "SlowDown"), ErrorKind.UNAVAILABLE),
        (server("XX000", "S3ServiceException:We encountered an internal error,Status 500,Error "
                "InternalError"), ErrorKind.UNAVAILABLE),
        (server("XX000", "S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
         ErrorKind.REFUSED),
        (server("XX000", "Spectrum Scan Error: Retries exceeded"), ErrorKind.UNAVAILABLE),
        (server("XX000", "Spectrum Scan Error: Access throttled"), ErrorKind.UNAVAILABLE),
        (server("XX000", "Spectrum Scan Error", D="error: Spectrum Scan Error code: 15001 context: "
                "Retries exceeded: too many requests"), ErrorKind.UNAVAILABLE),
        (server("XX000", "S3 Query Exception (Fetch)", D="Task failed due to an internal error. "
                "HTTP response error code: 503 Message: AWS SlowDown"), ErrorKind.UNAVAILABLE),
        (server("XX000", "S3 Query Exception (Fetch)", D="Task failed due to an internal error. "
                "File has an incompatible Parquet schema"), ErrorKind.REFUSED),
        (server("XX000", "S3 Query Exception (Fetch)", D="HTTP response error code: 403"),
         ErrorKind.REFUSED),
        (server("XX000", "1018", D="Relation does not exist"), ErrorKind.CONFLICT),
        (server("XX000", "ERROR: 1018 DETAIL: Relation does not exist."), ErrorKind.CONFLICT),
        (server("XX000", "ERROR: 1023 DETAIL: Serializable isolation violation on table"),
         ErrorKind.CONFLICT),
        (server("XX000", "could not open relation with OID 107234"), ErrorKind.CONFLICT),
        (server("XX000", "Value too long for character type", D="length 1023 exceeds 256"),
         ErrorKind.REFUSED),
        (server("22P02", "invalid input syntax for integer: 1018 km"), ErrorKind.REFUSED),
        (server("42P01", 'relation "ops.ledger" does not exist'), ErrorKind.MISSING),
        (server("3F000", 'schema "ops" does not exist'), ErrorKind.MISSING),
        (server("57014", "Query cancelled on user's request"), ErrorKind.REFUSED),
        (server("42601", "syntax error"), ErrorKind.REFUSED),
        (server("XX000", "Spectrum Scan Error", D="has an incompatible Parquet schema"),
         ErrorKind.REFUSED),
        (InterfaceError({"C": "28000", "M": "password authentication failed"}), ErrorKind.REFUSED),
        (IntegrityError({"C": "23505", "M": "duplicate key"}), ErrorKind.REFUSED),
        (KeyError("hour_at"), ErrorKind.REFUSED),
    ],
)  # fmt: skip
def test_classify_error__by_code_and_message(error: Exception, kind: ErrorKind) -> None:
    assert classify_error(error) is kind


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("42501", "permission denied for database charging", "deploy/aws/bootstrap.sql"),
        ("42501", "permission denied for schema ops", "CHARGING_REDSHIFT_READER_GROUP"),
        ("3D000", 'database "charging" does not exist', "deploy/aws/bootstrap.sql"),
        ("57014", "Query cancelled on user's request", "CHARGING_REDSHIFT_STATEMENT_TIMEOUT_S"),
        ("XX000", "Spectrum Scan Error: incompatible Parquet schema", "sys_load_error_detail"),
        ("XX000", "S3ServiceException:Access Denied,Status 403", "sys_load_error_detail"),
        ("XX000", "User x is not authorized to assume IAM Role y", "CHARGING_REDSHIFT_IAM_ROLE"),
        ("42704", 'group "charging_readers" does not exist', "deploy/aws/bootstrap.sql"),
        ("42704", 'role "charging_readers" does not exist', "deploy/aws/bootstrap.sql"),
    ],
)
def test_explain__names_the_remedy(code: str, message: str, remedy: str) -> None:
    text = explain(server(code, message))
    assert text.startswith(f"{message} ({code}); ")
    assert remedy in text


def test_explain__adds_nothing_to_other_errors() -> None:
    for error in (server("42601", "syntax error"), InterfaceError("connection is closed")):
        assert explain(error) == describe_error(error)


def test_describe_error__has_message_detail_hint_and_code() -> None:
    error = server("XX000", "1023", D=" Serializable isolation violation ", H="try again")
    assert describe_error(error) == "1023; Serializable isolation violation; try again (XX000)"
    assert describe_error(InterfaceError("connection is closed")) == "connection is closed"
    assert describe_error(EOFError()) == "EOFError"
