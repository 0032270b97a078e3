"""Writable folders of services on read-only file systems: mounted and owned by their user."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import pytest

from charging_assets_tests.deploy.files import DEPLOY, read_documents, read_json, read_yaml

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
TASK = read_json("ecs/task-definition.json")
ECS = {container["name"]: container for container in TASK["containerDefinitions"]}
MANIFESTS = read_documents("kubernetes/charging-assets.yaml")
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]
    for manifest in MANIFESTS
    if manifest["kind"] == "Deployment"
}
COMPOSE = read_yaml("compose.yaml")["services"]
OURS = ("code-location", "webserver", "daemon")


def _volumes() -> list[str]:
    (line,) = re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE)
    volumes: list[str] = json.loads(line)
    return volumes


def _writable(variant: str, environment: dict[str, str]) -> set[str]:
    """Folders that a service writes to: the temporary one and those in its settings."""
    settings = read_yaml(f"{variant}/dagster.yaml")
    configured = [
        settings["compute_logs"]["config"].get("local_dir"),
        settings["compute_logs"]["config"].get("base_dir"),
        settings["local_artifact_storage"]["config"]["base_dir"],
    ]
    paths = [
        # A path in dagster.yaml may be a variable.
        environment[path["env"]] if isinstance(path, dict) else path
        for path in configured
        if path
    ]
    return {"/tmp", environment["CHARGING_HOME"], *paths}


def _is_below(path: str, mounts: list[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(mount) for mount in mounts)


@pytest.mark.parametrize("name", ECS)
def test_ecs__each_mount_is_a_volume_of_the_image(name):
    """Fargate mounts other paths with owner root and mode 0755: user 10001 cannot write."""
    mounts = {mount["containerPath"] for mount in ECS[name]["mountPoints"]}
    assert mounts <= set(_volumes())


@pytest.mark.parametrize("name", ECS)
def test_ecs__what_is_written_to_is_mounted_and_every_mount_is_declared(name):
    environment = {entry["name"]: entry["value"] for entry in ECS[name]["environment"]}
    mounts = [mount["containerPath"] for mount in ECS[name]["mountPoints"]]
    assert ECS[name]["readonlyRootFilesystem"]
    assert [path for path in _writable("ecs", environment) if not _is_below(path, mounts)] == []
    declared = {volume["name"] for volume in TASK["volumes"]}
    assert {mount["sourceVolume"] for mount in ECS[name]["mountPoints"]} <= declared


@pytest.mark.parametrize("name", PODS)
def test_kubernetes__what_is_written_to_is_an_empty_dir(name):
    """An emptyDir has mode 0777: any user can write to it."""
    (environment,) = [m["data"] for m in MANIFESTS if m["kind"] == "ConfigMap"]
    (container,) = PODS[name]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"]: "emptyDir" in volume for volume in PODS[name]["volumes"]} == (
        dict.fromkeys(mounts, True)
    )
    written = _writable("kubernetes", environment)
    assert [path for path in written if not _is_below(path, list(mounts.values()))] == []


@pytest.mark.parametrize("name", OURS)
def test_compose__what_is_written_to_is_a_tmpfs_or_a_volume_of_the_image(name):
    service = COMPOSE[name]
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert set(mounted) <= set(_volumes())
    written = _writable("host", service["environment"])
    assert [path for path in written if not _is_below(path, [*mounted, *service["tmpfs"]])] == []


def test_image__volumes_are_writable_for_the_user():
    """/tmp of the base image has mode 1777; useradd creates the home for the user."""
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    (useradd,) = re.findall(r"useradd .*", DOCKERFILE)
    assert f"--uid {user}" in useradd and "--create-home" in useradd
    home = useradd.split("--home-dir ")[1].split()[0]
    assert set(_volumes()) == {"/tmp", home}
