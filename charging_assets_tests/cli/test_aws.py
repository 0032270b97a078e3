"""The command line over S3 and Redshift, which the test bed is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from charging_assets.warehouse.generation import FILE_NAME
from charging_assets_tests.cli.shell import FIRST, SCALE, Shell, in_home, states
from charging_assets_tests.testbed.bed import Bed, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def aws(
    testbed: Bed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shell:
    """An empty home, bucket and database, named by variables as a shell would."""
    in_home(tmp_path, monkeypatch)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in environment(testbed.new_bucket(), testbed.new_database()).items():
        monkeypatch.setenv(name, value)
    return Shell(tmp_path, capsys)


def test_an_hour__is_stale_then_loaded(aws: Shell) -> None:
    assert aws.run("simulate", "--hours", "1", "--scale", SCALE) == 0
    checks = {each["check"]: each for each in aws.json("doctor")}
    assert checks["deployment"]["message"].startswith("aws: s3://")
    assert "nothing is loaded yet" in checks["warehouse"]["message"]
    assert checks["ledger"]["message"].startswith("1 hour to load (reason: not yet staged")
    assert aws.json("status")["stale"] == [{"hour": FIRST.key, "reason": "not yet staged"}]

    (loaded,) = aws.json("load")["loaded"]
    assert (loaded["hour"], loaded["rows"] > 1000) == (FIRST.key, True)

    checks = {each["check"]: each for each in aws.json("doctor")}
    assert {each["state"] for each in checks.values()} <= {"ok", "warning"}, checks
    assert states(list(checks.values()))["ledger"] == "ok"
    status = aws.json("status")
    assert (status["hours_loaded"], status["stale"]) == (1, [])
    assert aws.run("status") == 0
    assert aws.out.startswith("Redshift database")
    assert not (aws.home / "lake").exists() and not (aws.home / FILE_NAME).exists()
    again = aws.json("load")
    assert (again["loaded"], again["failed"]) == ([], [])


def test_wrong_password__is_an_error_of_every_command_and_is_never_printed(
    aws: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert aws.run("simulate", "--hours", "1", "--scale", SCALE) == 0
    monkeypatch.setenv("CHARGING_REDSHIFT_PASSWORD", "Sentinel-Password-9")
    outputs = []
    for command in ("doctor", "status", "load"):
        assert aws.run(command) == 1, command
        outputs.append(aws.out + aws.err)
        assert "password authentication failed" in outputs[-1].replace("\n", " "), command
    assert "Sentinel-Password-9" not in "".join(outputs)
