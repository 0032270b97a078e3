"""Importing reads no setting; a wrong one is a warning, and fails only what needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from charging_assets import definitions, resources
from charging_assets.lake.s3 import S3Lake
from charging_assets.orchestration.alerting import alerts_of
from charging_assets.orchestration.schedules import schedules
from charging_assets.orchestration.sensors import reconcile_hours
from charging_assets.orchestration.switch import Automation, read_automation
from charging_assets.settings import DeploymentError, HomeError
from charging_assets.sources.feeds import FeedError
from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse

IMPORTS = """
import collections.abc, importlib, json, os, pkgutil, sys

home, read, opened = sys.argv[1], set(), set()

class Recording(collections.abc.MutableMapping):
    # Records what the package reads; libraries may copy the whole environment.

    def __init__(self, inner): self.inner = inner
    def __getitem__(self, name):
        caller = sys._getframe(1)
        while "_collections_abc" in caller.f_code.co_filename:
            caller = caller.f_back
        module = caller.f_globals.get("__name__", "")
        if module.startswith(("charging_assets", "pydantic_settings")):
            read.add(name)
        return self.inner[name]
    def __setitem__(self, name, value): self.inner[name] = value
    def __delitem__(self, name): del self.inner[name]
    def __iter__(self): return iter(self.inner)
    def __len__(self): return len(self.inner)
    def copy(self): return dict(self.inner)

os.environ = Recording(os.environ)

def note(event, arguments):
    if event in {"open", "os.mkdir", "os.listdir", "os.scandir"} and home in str(arguments[0]):
        opened.add(str(arguments[0]))
    elif event in {"sqlite3.connect", "socket.connect", "socket.getaddrinfo"}:
        opened.add(f"{event} {arguments}")

sys.addaudithook(note)
import charging_assets
names = ["charging_assets"]
names += [
    found.name
    for found in pkgutil.walk_packages(charging_assets.__path__, "charging_assets.")
    if not found.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
print(json.dumps({"modules": len(names), "read": sorted(read), "opened": sorted(opened)}))
"""
BROKEN = {
    "CHARGING_DEPLOYMENT": "moon",
    "CHARGING_FEEDS": "/nowhere/feeds.toml",
    "CHARGING_RECONCILE_EVERY_S": "often",
    "CHARGING_ALERTS": "no address",
    "CHARGING_LIVE": "perhaps",
    "CHARGING_REFRESH": "perhaps",
    "CHARGING_COMPACT": "perhaps",
    "CHARGING_ALERT_WARNINGS": "perhaps",
    "CHARGING_HEARTBEAT_URL": "no address",
}


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**kept, **variables}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("variables", [{}, BROKEN], ids=["none", "broken"])
def test_modules__read_no_variable_and_open_nothing_when_imported(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    ended = run(IMPORTS, str(tmp_path), CHARGING_HOME=str(tmp_path), **variables)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert seen["modules"] > 200
    assert (seen["read"], seen["opened"]) == ([], [])
    assert list(tmp_path.iterdir()) == []


LOADS = """
import dagster as dg
from charging_assets.definitions import defs
made = defs()
dg.Definitions.validate_loadable(made)
by_name = {each.name: each for each in [*made.schedules, *made.sensors]}
print(by_name["poll_feeds"].cron_schedule, by_name["reconcile_hours"].minimum_interval_seconds)
print(by_name["poll_feeds"].description)
"""


def test_code_location__loads_with_every_setting_wrong_and_warns(tmp_path: Path) -> None:
    ended = run(LOADS, CHARGING_HOME=str(tmp_path), **BROKEN)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("*/10 * * * * 30\n")
    for text in (
        "CHARGING_DEPLOYMENT names no deployment",
        "feeds.toml",
        "CHARGING_RECONCILE_EVERY_S",
        "CHARGING_ALERTS contains an invalid address",
        "CHARGING_LIVE is neither 1 nor 0",
    ):
        assert text in ended.stderr, "it is logged"
        assert text in ended.stdout, "it is shown in the description of the schedule"


def test_code_location__loads_with_a_wrong_feeds_file_and_names_every_problem(
    tmp_path: Path,
) -> None:
    file = tmp_path / "feeds.toml"
    text = "[feeds.chargecloud]\nattempts = 0\ncadence_s = 7\n[feeds.mine]\nplaces = 1\n"
    file.write_text(text, encoding="utf-8")
    ended = run(LOADS, CHARGING_HOME=str(tmp_path), CHARGING_FEEDS=str(file))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("*/10 * * * * 30\n")
    for problem in ("attempts cannot be 0", "cadence_s cannot be 7", "places cannot be 1",
                    "feed 'mine': lacks kind, base_url"):  # fmt: skip
        assert problem in ended.stderr


def test_code_location__of_aws_without_a_variable_loads(tmp_path: Path) -> None:
    ended = run(LOADS, CHARGING_HOME=str(tmp_path), CHARGING_DEPLOYMENT="aws")
    assert ended.returncode == 0, ended.stderr
    for name in ("CHARGING_REDSHIFT_HOST is not set", "CHARGING_S3_BUCKET is not set"):
        assert name in ended.stderr


def test_poll__with_a_wrong_feeds_file_fails_with_its_name_and_is_alerted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    monkeypatch.setenv("CHARGING_FEEDS", str(tmp_path / "no.toml"))
    poll = definitions.build().resolve_job_def("poll")
    with dg.DagsterInstance.ephemeral() as instance:
        done = poll.execute_in_process(
            instance=instance, raise_on_error=False, partition_key="2022-01-11T20"
        )
        assert not done.success
        record = instance.get_run_record_by_id(done.run_id)
        assert record is not None
        (alert,) = alerts_of(instance, record)
    assert "no.toml: cannot be read" in alert.line and "CHARGING_FEEDS" in alert.line


def test_automation__is_read_from_the_environment() -> None:
    read = read_automation({"CHARGING_LIVE": "1", "CHARGING_RECONCILE_EVERY_S": "3600"})
    assert (read.is_live, read.reconcile_every_s, read.warnings) == (True, 3600, ())
    made = {schedule.name: schedule for schedule in schedules(read)}
    assert {each.default_status.name for each in made.values()} == {"RUNNING"}
    assert made["check_freshness_schedule"].cron_schedule == "27 * * * *"
    assert {each.default_status.name for each in schedules(Automation())} == {"STOPPED"}


def test_automation__takes_the_crons_of_the_feeds_file(tmp_path: Path) -> None:
    file = tmp_path / "feeds.toml"
    file.write_text("[feeds.chargecloud]\ncadence_s = 1200\npoll_budget_s = 60\n", encoding="utf-8")
    read = read_automation({"CHARGING_FEEDS": str(file)})
    assert read.warnings == ()
    assert schedules(read)[0].cron_schedule == "*/20 * * * *"


def test_reconcile_hours__with_a_wrong_interval_fails_its_tick(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    monkeypatch.setenv("CHARGING_RECONCILE_EVERY_S", "often")
    made = {key: resources.deployed()[key] for key in ("lake", "warehouse")}
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources=made) as context,
        pytest.raises(DeploymentError, match="CHARGING_RECONCILE_EVERY_S is not a whole number"),
    ):
        reconcile_hours(context)


# --- resources --------------------------------------------------------------------------------


def made(resource: Any) -> Any:
    with dg.build_resources({"made": resource}) as initialized:
        return initialized.made


def cause(resource: Any) -> BaseException | None:
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        made(resource)
    return caught.value.__cause__


def test_resources__have_typed_fields_with_descriptions() -> None:
    by_name = resources.deployed()
    assert {"lake", "warehouse", "feeds", "spool"} <= by_name.keys()
    for key, resource in by_name.items():
        assert isinstance(resource, dg.ConfigurableResource | dg.ConfigurableIOManagerFactory), key
        assert len(type(resource).__doc__ or "") > 40, key
        for name, field in type(resource).model_fields.items():
            assert field.description or name in {"lake", "warehouse"}, (key, name)


def test_resources__read_the_environment_when_they_are_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lake, warehouse = resources.LakeResource(), resources.WarehouseResource()
    for folder in ("one", "two"):
        monkeypatch.setenv("CHARGING_HOME", str(tmp_path / folder))
        assert made(lake).uri("raw/a") == str(tmp_path / folder / "lake/raw/a")
        assert made(warehouse).path.parent == tmp_path / folder
    assert list(tmp_path.iterdir()) == []


def test_resources__of_one_deployment_share_one_object(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    by_name = resources.deployed()
    keys = ("lake", "warehouse", "lake_io_manager", "raw_io_manager", "warehouse_io_manager")
    with dg.build_resources({key: by_name[key] for key in keys}) as initialized:
        assert (
            initialized.lake
            is initialized.lake_io_manager._lake
            is initialized.raw_io_manager._lake
        )
        assert (
            initialized.warehouse
            is initialized.warehouse_io_manager._warehouse
            is made(by_name["warehouse"])
        )


def test_resources__fields_stand_for_variables_and_secrets_may_be_env_vars(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "local")
    monkeypatch.setenv("A_PASSWORD", "sentinel-password")
    warehouse = resources.WarehouseResource(
        deployment="aws", lake_location="s3://a-bucket/p", region="eu-central-1", host="localhost",
        port=5440, database="charging", user="loader", password=dg.EnvVar("A_PASSWORD"),
        iam_role="arn:aws:iam::111122223333:role/copy", statement_timeout_s=60,
    )  # fmt: skip
    assert "sentinel-password" not in repr(warehouse)
    connected = made(warehouse)
    assert connected.describe() == "Redshift database charging at localhost:5440"
    redshift = connected._redshift
    assert (redshift.password, redshift.statement_timeout_s) == ("sentinel-password", 60)
    home = resources.LakeResource(home=str(tmp_path))
    assert made(home).uri("a") == str(tmp_path / "lake/a")


def test_lake__of_aws_needs_no_setting_of_the_warehouse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "aws")
    monkeypatch.setenv("CHARGING_LAKE", "s3://a-bucket/p")
    assert isinstance(made(resources.LakeResource()).inner, S3Lake)
    message = str(cause(resources.WarehouseResource()))
    assert "CHARGING_REDSHIFT_HOST is not set" in message and "CHARGING_LAKE" not in message


@pytest.mark.parametrize(
    ("variables", "resource", "error", "text"),
    [
        ({"CHARGING_DEPLOYMENT": "moon"}, resources.LakeResource(), DeploymentError, "DEPLOYMENT"),
        ({"CHARGING_HOME": "s3://x/y"}, resources.WarehouseResource(), HomeError, "CHARGING_HOME"),
        ({"CHARGING_HOME": "s3://x/y"}, resources.SpoolResource(), HomeError, "CHARGING_HOME"),
        ({"CHARGING_FEEDS": "/no.toml"}, resources.FeedsResource(), FeedError, "/no.toml"),
        ({"CHARGING_HOME": "~nobody9/x"}, resources.LakeResource(), HomeError, "whole path"),
        ({"CHARGING_FEEDS": "~nobody9/x"}, resources.FeedsResource(), FeedError, "whole path"),
        ({}, resources.FeedsResource(file="/other.toml"), FeedError, "/other.toml"),
        ({}, resources.LakeResource(lake_location="s3://a-bucket"), DeploymentError, "sets lake_"),
        ({}, resources.WarehouseResource(host="h", port=1), DeploymentError, "sets host, port"),
    ],
)  # fmt: skip
def test_resources__that_cannot_be_made_name_the_setting(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    resource: Any,
    error: type[Exception],
    text: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    raised = cause(resource)
    assert isinstance(raised, error) and text in str(raised)


def test_resources__local_are_the_engines_of_the_folder(tmp_path: Path) -> None:
    assert isinstance(made(resources.WarehouseResource(home=str(tmp_path))), DuckDBWarehouse)
