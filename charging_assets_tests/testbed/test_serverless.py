"""Sign-in with IAM roles: their database users and rights."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redshift_connector
from botocore.exceptions import ClientError
from redshift_connector.iam_helper import IamHelper

from charging_assets_tests.testbed.bed import S3, Bed, Redshift
from charging_assets_tests.testbed.serverless import WORKGROUP

ROLE, USER = "somebody-else", "IAMR:somebody-else"


@contextmanager
def signed_in(
    bed: Bed, s3: S3, redshift: Redshift, workgroup: str = WORKGROUP, **environment: str
) -> Iterator[Any]:
    """The real driver with IAM, as used by a task with the role."""
    given = bed.role_environment(ROLE, s3, redshift.database) | environment
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        patch.setattr(IamHelper, "credentials_cache", {})
        connection = redshift_connector.connect(
            iam=True, is_serverless=True, serverless_work_group=workgroup,
            database=redshift.database, region=s3.region, sslmode="verify-full",
        )  # fmt: skip
    connection.autocommit = True
    yield connection
    connection.close()


def run(connection: Any, statement: str) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(statement)
    return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def owner(redshift: Redshift) -> Iterator[Any]:
    connection = redshift_connector.connect(**redshift.connection_arguments())
    connection.autocommit = True
    yield connection
    connection.close()


def test_role__is_a_user_without_rights_until_granted(
    testbed: Bed, s3: S3, redshift: Redshift, owner: Any
) -> None:
    with signed_in(testbed, s3, redshift) as somebody:
        assert run(somebody, "SELECT current_user") == [[USER]]
        with pytest.raises(redshift_connector.ProgrammingError, match="42501"):
            run(somebody, "CREATE SCHEMA mine")
        run(owner, f'GRANT CREATE, TEMP ON DATABASE {redshift.database} TO "{USER}"')
        run(somebody, "CREATE SCHEMA mine")
        # As in Redshift, until an administrator revokes it.
        run(somebody, "CREATE TABLE public.t (a BIGINT)")
        run(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        with pytest.raises(redshift_connector.ProgrammingError, match="42501"):
            run(somebody, "CREATE TABLE public.u (a BIGINT)")


def test_role__unknown_key_workgroup_or_forbidden_action_is_refused(
    testbed: Bed, s3: S3, redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    for workgroup, key, code in (
        (WORKGROUP, "nobody", "UnrecognizedClientException"),
        ("another", "role-somebody-else", "ResourceNotFoundException"),
    ):
        with (
            pytest.raises(ClientError, match=code),
            signed_in(testbed, s3, redshift, workgroup, AWS_ACCESS_KEY_ID=key),
        ):
            pass
    monkeypatch.setattr(testbed.serverless, "is_allowed", lambda role, action: role != ROLE)
    with (
        pytest.raises(ClientError, match="not authorized to perform"),
        signed_in(testbed, s3, redshift),
    ):
        pass


def test_user__must_have_a_password_or_disable_it(owner: Any) -> None:
    name = f"user_{uuid.uuid4().hex[:8]}"
    with pytest.raises(redshift_connector.ProgrammingError, match="42601"):
        run(owner, f"CREATE USER {name}")
    run(owner, f'CREATE USER "IAMR:{name}" PASSWORD DISABLE')
    run(owner, f'CREATE GROUP group_{name} WITH USER "IAMR:{name}"')
    run(owner, f'DROP USER "IAMR:{name}"')
    run(owner, f"DROP GROUP group_{name}")
