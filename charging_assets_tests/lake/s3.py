"""The project's S3 resource and lakes, connected to a store of the tests."""

from __future__ import annotations

from typing import Any

from charging_assets.lake.s3_resource import LakeS3Resource
from charging_assets_tests.testbed.bed import S3
from charging_assets_tests.testbed.seaweedfs import Identity


def s3_resource(
    bucket: S3, identity: Identity | None = None, endpoint_url: str = "", **how: Any
) -> LakeS3Resource:
    """The resource for a bucket, as its owner and at its address unless others are given."""
    who = identity or bucket.admin
    return LakeS3Resource(
        endpoint_url=endpoint_url or bucket.endpoint_url,
        region_name=bucket.region,
        aws_access_key_id=who.access_key_id,
        aws_secret_access_key=who.secret_access_key,
        **how,
    )


class _OneClient(LakeS3Resource):
    """Making a client takes longer than most tests."""

    def get_client(self) -> Any:
        key = (self.endpoint_url, self.aws_access_key_id)
        if key not in _CLIENTS:
            _CLIENTS[key] = super().get_client()
        return _CLIENTS[key]


_CLIENTS: dict[Any, Any] = {}


def one_client(bucket: S3) -> LakeS3Resource:
    """The resource of a bucket's owner, whose lakes share a client."""
    return _OneClient(**s3_resource(bucket).model_dump())
