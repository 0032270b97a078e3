"""S3 as the cluster sees it: with the rights of the IAM role that a statement names.

Belongs here: roles, reading and writing objects. Does not belong here: what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from charging_assets_tests.testbed.errors import internal

COPY_ROLE = "arn:aws:iam::000000000000:role/testbed-copy"


@dataclass(frozen=True)
class Objects:
    """The store behind the roles that the cluster may assume; `client` is boto3's."""

    client: Any
    roles: frozenset[str] = frozenset({COPY_ROLE})

    def check_role(self, role: str, user: str) -> None:
        if role not in self.roles:
            raise internal(
                f"User arn:aws:redshift:eu-central-1:000000000000:dbuser:testbed/{user} is not "
                f"authorized to assume IAM Role {role}",
                f"IAM Role={role}",
            )

    def read(self, url: str) -> bytes:
        """An object's bytes; Refused as COPY would be where there is none."""
        from botocore.exceptions import ClientError

        bucket, key = split_url(url)
        try:
            body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            told = error.response["Error"]
            raise internal(
                "S3ServiceException:" + told["Message"] + f",Status {_status(error)},"
                f"Error {told['Code']}",
                f"Failed to read {url}",
                code=9001,
            ) from error
        return body

    def urls(self, prefix: str) -> list[str]:
        """The objects whose keys begin as the URL does."""
        bucket, key = split_url(prefix)
        found = self.client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return [f"s3://{bucket}/{each['Key']}" for each in found]


def split_url(url: str) -> tuple[str, str]:
    """The bucket and the key of an s3:// URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
