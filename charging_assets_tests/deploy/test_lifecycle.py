"""Lifecycle rules of the buckets: valid for AWS, and the archive never expires."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters

from charging_assets_tests.deploy.files import read_json

LAKE, LOGS = "aws/lifecycle.json", "aws/lifecycle-logs.json"
RAW = "raw/feed=chargecloud/date=2026-01-12/hour=08/20260112T080000Z-abc.ndjson.zst"


def _shape():
    model = boto3.client("s3", region_name="eu-central-1").meta.service_model
    return model.shape_for("BucketLifecycleConfiguration")


def _prefix(rule) -> str:
    rule_filter = rule["Filter"]
    return rule_filter["And"]["Prefix"] if "And" in rule_filter else rule_filter["Prefix"]


def _for(key: str):
    return [rule for rule in read_json(LAKE)["Rules"] if key.startswith(_prefix(rule))]


@pytest.mark.parametrize("name", [LAKE, LOGS])
def test_lifecycle__is_valid_for_s3(name):
    validate_parameters(read_json(name), _shape())
    names = [rule["ID"] for rule in read_json(name)["Rules"]]
    assert len(names) == len(set(names))
    broken = read_json(name)
    broken["Rules"][0]["Expire"] = {"Days": 1}
    with pytest.raises(ParamValidationError, match="Expire"):
        validate_parameters(broken, _shape())


def test_lifecycle__the_archive_never_expires():
    assert _for(RAW)
    for rule in _for(RAW):
        assert not rule.get("Expiration", {}).keys() - {"ExpiredObjectDeleteMarker"}
        # Noncurrent versions exist only after a compaction or an erasure.
        assert rule.get("NoncurrentVersionExpiration", {"NoncurrentDays": 30})[
            "NoncurrentDays"
        ] >= 30  # fmt: skip


def test_lifecycle__cold_archive_is_readable_at_once():
    for rule in _for(RAW):
        assert all(move["StorageClass"] == "GLACIER_IR" for move in rule.get("Transitions", []))


@pytest.mark.parametrize("key", ["flat/a/b.parquet", "published/a/b.parquet"])
def test_lifecycle__tables_expire_only_as_noncurrent_versions(key):
    rules = _for(key)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)
    assert not any("Days" in rule.get("Expiration", {}) for rule in rules)


def test_lifecycle__files_of_interrupted_loads_expire():
    assert any(rule.get("Expiration", {}).get("Days") for rule in _for("loads/x/part.parquet"))
    assert any(rule.get("Expiration", {}).get("Days") for rule in _for("published/unloads/x"))
    assert any("AbortIncompleteMultipartUpload" in rule for rule in _for("loads/x"))
