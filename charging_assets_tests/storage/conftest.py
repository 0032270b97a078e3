"""What tests of storage share: one store for S3 a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from charging_assets.storage.lake_s3 import S3Lake
from charging_assets.storage.s3_resource import LakeS3Resource
from charging_assets_tests.storage.seaweedfs import BUCKET, SeaweedFS, s3_resource, seaweedfs


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """SeaweedFS with an empty bucket."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


class _OneClient(LakeS3Resource):
    """Making a client takes longer than most tests."""

    def get_client(self) -> Any:
        if self not in _CLIENTS:
            _CLIENTS[self] = super().get_client()
        return _CLIENTS[self]


_CLIENTS: dict[LakeS3Resource, Any] = {}


@pytest.fixture(scope="session")
def s3(s3_store: SeaweedFS) -> LakeS3Resource:
    """The store, by the program's own resource."""
    return _OneClient(**s3_resource(s3_store.endpoint_url).model_dump())


@pytest.fixture
def s3_lake(s3: LakeS3Resource) -> S3Lake:
    """A lake of the test's own, below a prefix."""
    return S3Lake(BUCKET, f"test-{uuid.uuid4().hex}/in", s3)
