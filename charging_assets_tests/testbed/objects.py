"""S3 as the cluster accesses it, with the IAM role in a statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from charging_assets_tests.testbed.errors import Refused, internal
from charging_assets_tests.testbed.unload_options import COMMANDS, RoleGrant

COPY_ROLE = "arn:aws:iam::000000000000:role/testbed-copy"


@dataclass
class Objects:
    """The objects in S3, for the roles that the cluster may assume; `client` is a boto3 client.

    `superusers` may use every role for every command. So may everybody until ASSUMEROLE is revoked
    from PUBLIC: `grants` are (user, role, command), with an empty user for PUBLIC and an empty role
    for all.
    """

    client: Any
    superusers: frozenset[str] = frozenset()
    roles: set[str] = field(default_factory=lambda: {COPY_ROLE})
    grants: set[tuple[str, str, str]] = field(
        default_factory=lambda: {("", "", command) for command in COMMANDS}
    )

    def grant(self, change: RoleGrant) -> None:
        """Change who may use a role."""
        entries = {(change.grantee, change.role, command) for command in change.commands}
        self.grants = self.grants | entries if change.is_grant else self.grants - entries

    def check_role(self, role: str, user: str, command: str) -> None:
        """Raise Refused if a user may not use a role for a command, or the cluster not at all."""
        is_granted = user in self.superusers or any(
            (grantee, granted, command) in self.grants
            for grantee in ("", user)
            for granted in ("", role)
        )
        if role not in self.roles or not is_granted:
            raise internal(
                f"User arn:aws:redshift:eu-central-1:000000000000:dbuser:testbed/{user} is not "
                f"authorized to assume IAM Role {role}",
                f"IAM Role={role}",
            )

    def read(self, url: str) -> bytes:
        """Read an object; Refused with the error of COPY if it does not exist."""
        from botocore.exceptions import ClientError

        bucket, key = split_url(url)
        _check_policy("GetObject", key, f"Failed to read {url}")
        try:
            body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise _refused(error, f"Failed to read {url}") from error
        return body

    def write(self, url: str, body: bytes) -> None:
        """Write an object; Refused with the error of UNLOAD if S3 refuses it."""
        from botocore.exceptions import ClientError

        bucket, key = split_url(url)
        _check_policy("PutObject", key, f"Failed to write {url}")
        try:
            self.client.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise _refused(error, f"Failed to write {url}") from error

    def urls(self, prefix: str) -> list[str]:
        """The URLs of the objects with this prefix."""
        bucket, key = split_url(prefix)
        _check_policy("ListObjectsV2", key, f"Failed to list {prefix}")
        from botocore.exceptions import ClientError

        try:
            contents = self.client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        except ClientError as error:
            raise _refused(error, f"Failed to list {prefix}") from error
        return [f"s3://{bucket}/{entry['Key']}" for entry in contents]


def split_url(url: str) -> tuple[str, str]:
    """The bucket and the key of an s3:// URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _check_policy(operation: str, key: str, context: str) -> None:
    """Raise Refused if the deployed role for COPY may not do this in a folder of a lake."""
    from charging_assets_tests.deploy.roles import may_copy

    if not may_copy(operation, key):
        raise internal(
            "S3ServiceException:Access Denied,Status 403,Error AccessDenied", context, code=9001
        )


def _refused(error: Any, context: str) -> Refused:
    details = error.response["Error"]
    return internal(
        "S3ServiceException:" + details["Message"] + f",Status {_status(error)},"
        f"Error {details['Code']}",
        context,
        code=9001,
    )


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
