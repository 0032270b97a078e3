"""S3 as the cluster accesses it, with the IAM role in a statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from charging_assets_tests.testbed.errors import internal

COPY_ROLE = "arn:aws:iam::000000000000:role/testbed-copy"


@dataclass(frozen=True)
class Objects:
    """The objects in S3, for the roles that the cluster may assume; `client` is a boto3 client."""

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
        """Read an object; Refused with the error of COPY if it does not exist."""
        from botocore.exceptions import ClientError

        bucket, key = split_url(url)
        try:
            body: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            details = error.response["Error"]
            raise internal(
                "S3ServiceException:" + details["Message"] + f",Status {_status(error)},"
                f"Error {details['Code']}",
                f"Failed to read {url}",
                code=9001,
            ) from error
        return body

    def urls(self, prefix: str) -> list[str]:
        """The URLs of the objects with this prefix."""
        bucket, key = split_url(prefix)
        contents = self.client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return [f"s3://{bucket}/{entry['Key']}" for entry in contents]


def split_url(url: str) -> tuple[str, str]:
    """The bucket and the key of an s3:// URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
