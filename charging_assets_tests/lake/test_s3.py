"""A lake in S3 when S3, the network or the credentials fail."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from charging_assets.archive.raw_objects import hour_prefix
from charging_assets.hours import Hour
from charging_assets.lake.flat_files import StaleFlatFile, open_flat, write_flat
from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.s3_resource import LakeS3Resource
from charging_assets.lake.store import LakeError, ObjectMissing
from charging_assets.modelling.staging import staging_plan
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets_tests.lake.faulty_s3 import (
    Fault,
    FaultyS3,
    cut_body,
    faulty,
    lose_reply,
    refuse,
    reset,
)
from charging_assets_tests.lake.s3 import s3_resource
from charging_assets_tests.modelling import hours
from charging_assets_tests.testbed.bed import S3


@pytest.fixture
def proxy(bucket: S3) -> Iterator[FaultyS3]:
    with faulty(bucket.endpoint_url) as made:
        yield made


@pytest.fixture
def lake(bucket: S3, proxy: FaultyS3) -> S3Lake:
    s3 = s3_resource(bucket, endpoint_url=proxy.endpoint_url)
    return S3Lake(bucket.bucket, f"test-{uuid.uuid4().hex}", s3)


@pytest.fixture
def once(bucket: S3, proxy: FaultyS3, lake: S3Lake) -> S3Lake:
    """The same lake, by a client that tries once only."""
    s3 = s3_resource(bucket, endpoint_url=proxy.endpoint_url, max_attempts=1)
    return S3Lake(bucket.bucket, lake.prefix, s3)


RETRIED: list[list[Fault]] = [[refuse(500)], [refuse(503), refuse(503)], [reset], [lose_reply]]


@pytest.mark.fault(
    "The reply to a PUT is lost",
    area="storage",
)
@pytest.mark.parametrize("faults", RETRIED, ids=["500", "503 twice", "reset", "reply lost"])
def test_put_new__is_retried_and_recognises_its_object(
    lake: S3Lake, proxy: FaultyS3, faults: list[Fault]
) -> None:
    proxy.faults = list(faults)
    assert lake.put_new("raw/a", b"first") is True
    proxy.faults = list(faults)
    assert lake.put_new("raw/a", b"second") is False
    assert lake.get("raw/a") == b"first"


@pytest.mark.fault(
    "The reply to a PUT is lost",
    area="storage",
)
@pytest.mark.parametrize("fault", [lose_reply, refuse(500, having_done_it=True)])
def test_put_new__without_a_second_try_a_lost_reply_is_resolved_by_looking(
    once: S3Lake, proxy: FaultyS3, fault: Fault
) -> None:
    proxy.faults = [fault]
    assert once.put_new("raw/a", b"x") is True
    proxy.faults = [fault]
    assert once.put_new("raw/a", b"y") is False
    assert proxy.methods == ["PUT", "HEAD"] * 2


@pytest.mark.parametrize("fault", [reset, refuse(503)])
def test_put_new__that_did_not_happen_is_an_error_and_leaves_nothing(
    once: S3Lake, lake: S3Lake, proxy: FaultyS3, fault: Fault
) -> None:
    proxy.faults = [fault]
    with pytest.raises(LakeError, match=r"cannot write s3://lake-\d+/test-\w+/raw/a: "):
        once.put_new("raw/a", b"x")
    assert lake.keys("raw/") == []


@pytest.mark.parametrize("faults", [[cut_body], [cut_body, refuse(503), cut_body], [reset]])
def test_get__a_body_that_ends_half_way_is_read_again(
    lake: S3Lake, proxy: FaultyS3, faults: list[Fault]
) -> None:
    body = bytes(range(256)) * 4000
    lake.put("raw/a", body)
    proxy.faults = list(faults)
    assert lake.get("raw/a") == body


def test_get__a_body_that_is_always_truncated_is_an_error(lake: S3Lake, proxy: FaultyS3) -> None:
    lake.put("raw/a", b"x" * 100_000)
    proxy.faults = [cut_body] * 20
    with pytest.raises(LakeError, match=r"cannot read .*raw/a: http://127\S+ cannot be reached or"):
        lake.get("raw/a")


def test_put__faults_leave_the_old_object_or_the_new(
    once: S3Lake, lake: S3Lake, proxy: FaultyS3
) -> None:
    lake.put("flat/a", b"old")
    for fault in (reset, refuse(500), lose_reply):
        proxy.faults = [fault]
        with pytest.raises(LakeError, match="cannot write"):
            once.put("flat/a", b"new")
        assert lake.get("flat/a") == (b"new" if fault is lose_reply else b"old")


def test_keys__more_than_a_page(s3_lake: S3Lake) -> None:
    expected = [f"raw/{number:04}" for number in range(1001)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3_lake.put(key, b""), expected))
    assert s3_lake.keys("raw/") == expected


def test_keys__objects_of_other_programs_are_skipped(
    bucket: S3, s3_lake: S3Lake, lake_s3: LakeS3Resource
) -> None:
    for name in ("raw/", "raw/.hidden", "raw/a b", "raw/ok"):
        lake_s3.get_client().put_object(Bucket=bucket.bucket, Key=s3_lake.prefix + name, Body=b"")
    assert s3_lake.keys("raw/") == ["raw/ok"]


# --- credentials, buckets, networks -----------------------------------------------------------


def test_reader__reads_and_lists_but_writes_nothing(bucket: S3, s3_lake: S3Lake) -> None:
    s3_lake.put("raw/feed=a/x", b"x")
    reader = S3Lake(bucket.bucket, s3_lake.prefix, s3_resource(bucket, bucket.reader))
    assert reader.get("raw/feed=a/x") == b"x"
    assert reader.get_many(["raw/feed=a/x"] * 3) == [b"x"] * 3
    assert (reader.keys("raw/"), reader.folders("raw/")) == (["raw/feed=a/x"], ["feed=a"])
    with pytest.raises(ObjectMissing):
        reader.get("raw/none")
    for method in ("put", "put_new"):
        with pytest.raises(LakeError, match="lack the permission PutObject needs"):
            getattr(reader, method)("raw/b", b"x")
    with pytest.raises(LakeError, match="lack the permission DeleteObject needs"):
        reader.delete("raw/feed=a/x")
    assert s3_lake.keys("raw/") == ["raw/feed=a/x"]


@pytest.mark.parametrize("wrong", ["access_key_id", "secret_access_key"])
def test_wrong_credentials__are_reported_and_never_printed(bucket: S3, wrong: str) -> None:
    identity = replace(bucket.admin, **{wrong: "neither-key-nor-secret"})
    lake = S3Lake(bucket.bucket, "x", s3_resource(bucket, identity))
    for course in (lambda: lake.get("a"), lambda: lake.put_new("a", b""), lambda: lake.keys("a/")):
        with pytest.raises(LakeError, match="refuses the credentials") as caught:
            course()
        assert not isinstance(caught.value, ObjectMissing)
        assert identity.secret_access_key not in str(caught.value)


def test_no_credentials__the_error_names_the_settings(
    bucket: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3 = LakeS3Resource(endpoint_url=bucket.endpoint_url, region_name="us-east-1")
    with pytest.raises(LakeError, match=r"no credentials .*set AWS_ACCESS_KEY_ID"):
        S3Lake(bucket.bucket, "x", s3).get("a")


def test_missing_bucket__is_named_with_remedy(bucket: S3) -> None:
    lake = S3Lake("nosuchbucket", "x", s3_resource(bucket))
    for course in (lambda: lake.get("a"), lambda: lake.put("a", b""), lambda: lake.keys("a/")):
        with pytest.raises(LakeError, match=r"the bucket nosuchbucket does not exist .*create it"):
            course()


def test_no_network__is_an_error_that_ends(bucket: S3) -> None:
    nowhere = s3_resource(bucket, endpoint_url="http://127.0.0.1:9", max_attempts=2)
    lake = S3Lake(bucket.bucket, "x", nowhere)
    with pytest.raises(LakeError, match=r"cannot be reached .*check the network"):
        lake.put_new("a", b"")


def test_s3_lake__is_made_without_a_network() -> None:
    assert S3Lake("b", "/p/q/", LakeS3Resource()).uri("raw/a") == "s3://b/p/q/raw/a"
    assert S3Lake("b", "", LakeS3Resource()).uri("raw/a") == "s3://b/raw/a"


# --- an hour is several objects ---------------------------------------------------------------


def test_flat_hour__files_of_two_generations_are_never_staged_together(s3_lake: S3Lake) -> None:
    """Every mixture that a reader can meet while the six files are being replaced."""
    hour, rows = hours.HOUR, {}
    for generation, polls in enumerate(({0: hours.stand()}, {0: hours.stand(), 10: hours.stand()})):
        files = hours.flat_files(hours.lake_of(polls), hour)
        rows[generation] = {file.table.name: file for file in files}
    order = [table.name for table in FLAT_TABLES]
    for replaced in range(len(order) + 1):
        for position, table in enumerate(FLAT_TABLES):
            made = rows[1 if position < replaced else 0][table.name]
            write_flat(
                s3_lake,
                table,
                made.feed,
                hour,
                made.read(),
                archive_digest=made.archive_digest,
                code_version=made.code_version,
            )
        current_files = [open_flat(s3_lake, table, made.feed, hour) for table in FLAT_TABLES]
        if replaced in (0, len(order)):
            inputs = staging_plan(hour, current_files).inputs or {}
            assert inputs[hour, made.feed].archive_digest == current_files[0].archive_digest
        else:
            with pytest.raises(StaleFlatFile, match="from different archives"):
                staging_plan(hour, current_files)


def test_raw_hour__objects_that_come_while_it_is_read_are_all_or_none(s3_lake: S3Lake) -> None:
    hour = Hour.of(datetime.fromisoformat("2022-01-11T20:00+00:00"))
    prefix = hour_prefix("a", hour)
    for minute in range(0, 60, 10):
        slot = hour.start + timedelta(minutes=minute)
        s3_lake.put_new(f"{prefix}{slot:%H%M}.zst", b"%d" % minute)
        keys = s3_lake.keys(prefix)
        assert [int(body) for body in s3_lake.get_many(keys)] == list(range(0, minute + 1, 10))
