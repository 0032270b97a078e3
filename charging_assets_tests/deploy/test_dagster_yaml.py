"""dagster.yaml of each deployment: Dagster reads it and creates its classes."""

from __future__ import annotations

import pytest
import yaml
from dagster import DagsterInvalidConfigError
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
from dagster_k8s import K8sRunLauncher
from kubernetes import client

from charging_assets.orchestration import dagster_home
from charging_assets_tests.deploy.files import DEPLOY, ENVIRONMENT, VARIANTS, read_yaml, variables

LAUNCHERS = {"host": DefaultRunLauncher, "ecs": EcsRunLauncher, "kubernetes": K8sRunLauncher}
# Sections that are equal in all deployments.
SHARED = (
    "storage", "telemetry", "nux", "concurrency", "run_queue", "run_monitoring", "run_retries",
    "retention",
)  # fmt: skip
each = pytest.mark.parametrize("variant", VARIANTS)


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CHARGING_DAGSTER_FILES", str(tmp_path))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def _ref(variant: str) -> InstanceRef:
    return InstanceRef.from_dir(str(DEPLOY / variant))


@each
def test_dagster_yaml__is_valid_with_every_class(variant, monkeypatch):
    # The credentials of a pod exist only in a pod.
    monkeypatch.setattr("dagster_k8s.launcher.load_kubernetes_config", lambda **_: None)
    monkeypatch.setattr(
        "dagster_k8s.client.DagsterKubernetesClient.production_client",
        lambda **_: client.BatchV1Api(),
    )
    ref = _ref(variant)
    assert ref.storage_data is not None
    assert ref.storage_data.class_name == "DagsterPostgresStorage"
    # Created as by the instance, which is lazy: an invalid launcher would fail in a run.
    assert type(ref.run_launcher) is LAUNCHERS[variant]
    logs = LocalComputeLogManager if variant == "host" else S3ComputeLogManager
    assert type(ref.compute_log_manager) is logs
    assert type(ref.run_coordinator) is QueuedRunCoordinator


@each
def test_dagster_yaml__storage_comes_from_the_environment(variant):
    config = dict(_ref(variant).storage_data.config_dict["postgres_db"])
    assert config.pop("scheme") == "postgresql+psycopg2"
    assert {key: value["env"] for key, value in config.items()} == {
        "hostname": "DAGSTER_POSTGRES_HOST",
        "port": "DAGSTER_POSTGRES_PORT",
        "db_name": "DAGSTER_POSTGRES_DB",
        "username": "DAGSTER_POSTGRES_USER",
        "password": "DAGSTER_POSTGRES_PASSWORD",
    }


@each
def test_dagster_yaml__uses_only_variables_that_are_set(variant):
    assert variables(read_yaml(f"{variant}/dagster.yaml")) <= ENVIRONMENT.keys()


@each
def test_dagster_yaml__an_unknown_setting_is_refused(variant, tmp_path):
    changed = read_yaml(f"{variant}/dagster.yaml")
    changed["run_monitoring"]["max_runtime"] = 1
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    with pytest.raises(DagsterInvalidConfigError, match="max_runtime"):
        InstanceRef.from_dir(str(tmp_path))


def test_dagster_yaml__variants_differ_only_in_where_runs_and_logs_are():
    host, ecs, kubernetes = (read_yaml(f"{variant}/dagster.yaml") for variant in VARIANTS)
    for section in SHARED:
        assert host[section] == ecs[section] == kubernetes[section], section
    assert ecs["compute_logs"] == kubernetes["compute_logs"]


def test_dagster_yaml__agrees_with_the_local_default():
    laptop = yaml.safe_load(dagster_home._DEFAULT_SETTINGS)
    host = read_yaml("host/dagster.yaml")
    for section in ("concurrency", "run_monitoring", "retention"):
        assert host[section] == laptop[section], section
    assert laptop["run_queue"].items() <= host["run_queue"].items()


@each
def test_dagster_yaml__every_run_ends_and_frees_its_slot(variant):
    settings = read_yaml(f"{variant}/dagster.yaml")
    monitoring = settings["run_monitoring"]
    assert monitoring["enabled"]
    assert 0 < monitoring["max_runtime_seconds"] <= 3600
    assert 0 < monitoring["free_slots_after_run_end_seconds"] <= 300
    assert settings["run_retries"]["enabled"]
    assert not settings["run_retries"]["retry_on_asset_or_op_failure"]
    assert settings["run_queue"]["dequeue_interval_seconds"] == 1
