"""Fixtures: one bed for each session (or xdist worker), a bucket and a database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # the bed is imported only where a test uses it
    from charging_assets_tests.testbed.bed import S3, Bed, Redshift


@pytest.fixture(scope="session")
def testbed() -> Iterator[Bed]:
    """Running S3 and Redshift, trusted by the driver during the session."""
    from charging_assets_tests.testbed.bed import running_bed

    with running_bed() as bed, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(bed.tls.authority))
        yield bed


@pytest.fixture
def s3(testbed: Bed) -> S3:
    """An empty bucket."""
    return testbed.new_bucket()


@pytest.fixture
def redshift(testbed: Bed) -> Redshift:
    """An empty database under snapshot isolation, Redshift's default."""
    return testbed.new_database("snapshot")


@pytest.fixture(params=["snapshot", "serializable"])
def each_redshift(testbed: Bed, request: pytest.FixtureRequest) -> Redshift:
    """An empty database for each isolation level."""
    return testbed.new_database(request.param)
