"""The acceptance itself, against the test bed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from charging_assets_tests.acceptance import __main__ as acceptance
from charging_assets_tests.acceptance.report import Report
from charging_assets_tests.deploy.files import ROOT
from charging_assets_tests.testbed.bed import Bed, environment


def test_main__without_settings_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert acceptance.main([], {}) == 2
    error = capsys.readouterr().err
    for name in ("HOST", "DATABASE", "USER", "PASSWORD", "IAM_ROLE"):
        assert f"CHARGING_REDSHIFT_{name}" in error
    assert "CHARGING_LAKE" in error


def test_main__with_some_settings_names_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert acceptance.main([], {"CHARGING_REDSHIFT_HOST": "localhost"}) == 2
    error = capsys.readouterr().err
    assert "CHARGING_REDSHIFT_PASSWORD is not set" in error
    assert "CHARGING_S3_BUCKET is not set" in error


def test_makefile__runs_the_acceptance() -> None:
    result = subprocess.run(
        ["make", "--dry-run", "verify-redshift"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "-m charging_assets_tests.acceptance" in result.stdout


def test_report__has_no_secrets(tmp_path: Path) -> None:
    report = Report(["secret-host.example", "my-password"])

    def fail() -> None:
        raise ValueError(
            "secret-host.example refused my-password for arn:aws:iam::111122223333:role/copy at "
            "s3://my-bucket/key on x.eu-central-1.redshift-serverless.amazonaws.com (111122223333)"
        )

    assert not report.run("fails", fail)
    report.write(tmp_path / "report.json")
    text = (tmp_path / "report.json").read_text()
    assert "refused" in text
    for secret in (
        "secret-host",
        "my-password",
        "role/copy",
        "my-bucket",
        "111122223333",
        "amazonaws",
    ):
        assert secret not in text


@pytest.mark.slow
def test_main__on_the_test_bed_passes_all_phases_and_leaves_nothing(
    testbed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, database = testbed.new_bucket(), testbed.new_database()
    variables = {**os.environ, **environment(bucket, database), "CHARGING_S3_PREFIX": "verify"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code = acceptance.main(["--quick", f"--report={tmp_path / 'report.json'}"], variables)
    report = json.loads((tmp_path / "report.json").read_text())
    failed = {p["name"]: p["details"] for p in report["phases"] if p["result"] == "failed"}
    assert failed == {} and code == 0
    assert report["statements_explained"] > 150
    assert {phase["result"] for phase in report["phases"]} <= {"ok", "skipped"}
    users = testbed.postgres.run_sql("SELECT rolname FROM pg_roles WHERE rolname LIKE '%verify%'")
    assert "verify" not in str(users)
    keys = testbed.weed.client(bucket.admin).list_objects_v2(Bucket=bucket.bucket)
    assert keys.get("Contents", []) == []
