"""Loads while S3 fails: errors, resets and lost replies at each of their requests.

SeaweedFS behind a proxy that breaks requests, the real loader, the test bed's Redshift. In each
case the rows exist once and nothing is left in the bucket.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.store import LakeError
from charging_assets.warehouse.redshift import retries
from charging_assets.warehouse.redshift.warehouse import RedshiftWarehouse
from charging_assets_tests.lake import faulty_s3
from charging_assets_tests.lake.faulty_s3 import Fault, FaultyS3
from charging_assets_tests.lake.s3 import s3_resource
from charging_assets_tests.testbed.bed import S3, Bed
from charging_assets_tests.testbed.errors import internal
from charging_assets_tests.warehouse.loads import a_load, names, sample_rows
from charging_assets_tests.warehouse.redshifts import EmptyRedshift, of_the_bed

pytestmark = pytest.mark.faults

ReportObserved = Callable[[str], None]
FAULTS: dict[str, Fault] = {
    "500": faulty_s3.refuse(500),
    "503": faulty_s3.refuse(503),
    "500 after executing it": faulty_s3.refuse(500, having_done_it=True),
    "reset": faulty_s3.reset,
    "reply lost": faulty_s3.lose_reply,
}


@dataclass(frozen=True)
class StagedLoads:
    """A database whose loads are staged through a faulty proxy of S3."""

    database: EmptyRedshift
    bucket: S3
    proxy: FaultyS3
    lake: S3Lake

    def load(self, *given: str) -> int:
        """Load an hour of these names; returns the number of its requests to S3."""
        self.proxy.methods.clear()
        warehouse = RedshiftWarehouse(self.database.redshift, self.lake, self.database.iam_role)
        warehouse.apply(a_load(sample_rows(*given), digest=uuid.uuid4().hex))
        return len(self.proxy.methods)

    def check(self, *given: str) -> None:
        assert names(self.database.warehouse()) == sorted(given)
        assert self.lake.keys("loads/") == []


@pytest.fixture(scope="module")
def loads(testbed: Bed) -> Iterator[StagedLoads]:
    bucket = testbed.new_bucket()
    database = of_the_bed(testbed, bucket, "snapshot")
    with faulty_s3.faulty(bucket.endpoint_url) as proxy:
        through = s3_resource(bucket, endpoint_url=proxy.endpoint_url)
        yield StagedLoads(database, bucket, proxy, S3Lake(bucket.bucket, "lake", through))
    database.end()


@pytest.mark.fault(
    "S3 answers 500 or 503, resets, or loses its reply while a load is staged",
    "the request is retried; the rows exist once, and nothing is left in the bucket",
    area="warehouse",
)
@pytest.mark.parametrize("fault", FAULTS)
def test_load__s3_fails_at_each_request__rows_exist_once(
    loads: StagedLoads, report_observed: ReportObserved, fault: str
) -> None:
    count = loads.load("a", "b")
    assert count == 4  # put a part and its manifest, delete both
    for at in range(count):
        loads.proxy.faults[:] = [faulty_s3.answer] * at + [FAULTS[fault]]
        loads.load("c", f"d{at}")
        assert loads.proxy.faults == []
        loads.check("c", f"d{at}")
    report_observed(f"{len(FAULTS)} faults at each of {count} requests")


@pytest.mark.fault(
    "S3 stays unreachable while a load is staged",
    "the load fails with an error that names the object, and the old rows stay",
    area="warehouse",
)
def test_load__s3_stays_unreachable__old_rows_stay(loads: StagedLoads) -> None:
    loads.load("a", "b")
    loads.proxy.faults[:] = [faulty_s3.refuse(503)] * 8
    with pytest.raises(LakeError, match="loads/"):
        loads.load("c")
    loads.proxy.faults.clear()
    loads.check("a", "b")


@pytest.mark.fault(
    "S3 throttles Redshift's COPY",
    "the load is retried and its rows exist once",
    area="warehouse",
)
def test_copy__throttled_by_s3__is_retried(
    testbed: Bed, loads: StagedLoads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_FIRST_WAIT_S", 0.01)
    faults = testbed.proxy.faults[loads.database.redshift.database]
    busy = "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown"
    faults.refuse("^COPY", internal(busy, "Failed to read", code=9001), times=2)
    loads.load("a", "b")
    assert faults.remaining == 0
    loads.check("a", "b")


@pytest.mark.fault(
    "The cluster's role may not read the bucket",
    "the load fails with an error that names the role, and the old rows stay",
    area="warehouse",
)
def test_copy__unknown_role__is_an_error_and_the_old_rows_stay(loads: StagedLoads) -> None:
    loads.load("a", "b")
    other = "arn:aws:iam::000000000000:role/other"
    warehouse = RedshiftWarehouse(loads.database.redshift, loads.lake, other)
    with pytest.raises(Exception, match=f"not authorized to assume IAM Role {other}"):
        warehouse.apply(a_load(sample_rows("c"), digest=uuid.uuid4().hex))
    loads.check("a", "b")


@pytest.mark.fault(
    "The loader's key may only read",
    "the load fails before Redshift is changed; readers work with such a key",
    area="warehouse",
)
def test_load__with_a_readers_key__is_an_error_and_reading_works(loads: StagedLoads) -> None:
    loads.load("a", "b")
    loads.lake.put("raw/x", b"1")
    reading = S3Lake(loads.bucket.bucket, "lake", s3_resource(loads.bucket, loads.bucket.reader))
    warehouse = RedshiftWarehouse(loads.database.redshift, reading, loads.database.iam_role)
    with pytest.raises(LakeError, match="loads/"):
        warehouse.apply(a_load(sample_rows("c"), digest=uuid.uuid4().hex))
    assert reading.get("raw/x") == b"1"
    loads.check("a", "b")
