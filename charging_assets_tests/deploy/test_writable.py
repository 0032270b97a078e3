"""Folders that services write to, where everything else is read-only: mounted, and theirs."""

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


def _written(variant: str, environment: dict[str, str]) -> set[str]:
    """Folders that a service writes to: tempfile's, and those that its settings name."""
    settings = read_yaml(f"{variant}/dagster.yaml")
    named = [
        settings["compute_logs"]["config"].get("local_dir"),
        settings["compute_logs"]["config"].get("base_dir"),
        settings["local_artifact_storage"]["config"]["base_dir"],
    ]
    paths = [
        # dagster.yaml may join a variable and a name.
        environment[path["env"]] if isinstance(path, dict) else path
        for path in named
        if path
    ]
    return {"/tmp", environment["CHARGING_HOME"], *paths}


def _is_below(path: str, mounts: list[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(mount) for mount in mounts)


@pytest.mark.parametrize("name", ECS)
def test_ecs__each_mount_is_a_volume_of_the_image(name):
    """Fargate mounts anything else as root's, with 0755: user 10001 could not write."""
    mounts = {mount["containerPath"] for mount in ECS[name]["mountPoints"]}
    assert mounts <= set(_volumes())


@pytest.mark.parametrize("name", ECS)
def test_ecs__what_is_written_to_is_mounted_and_every_mount_is_declared(name):
    environment = {entry["name"]: entry["value"] for entry in ECS[name]["environment"]}
    mounts = [mount["containerPath"] for mount in ECS[name]["mountPoints"]]
    assert ECS[name]["readonlyRootFilesystem"]
    assert [path for path in _written("ecs", environment) if not _is_below(path, mounts)] == []
    declared = {volume["name"] for volume in TASK["volumes"]}
    assert {mount["sourceVolume"] for mount in ECS[name]["mountPoints"]} <= declared


@pytest.mark.parametrize("name", PODS)
def test_kubernetes__what_is_written_to_is_an_empty_dir(name):
    """An emptyDir is made 0777: whoever the user is, it can be written to."""
    (environment,) = [m["data"] for m in MANIFESTS if m["kind"] == "ConfigMap"]
    (container,) = PODS[name]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {volume["name"]: "emptyDir" in volume for volume in PODS[name]["volumes"]} == (
        dict.fromkeys(mounts, True)
    )
    written = _written("kubernetes", environment)
    assert [path for path in written if not _is_below(path, list(mounts.values()))] == []


@pytest.mark.parametrize("name", OURS)
def test_compose__what_is_written_to_is_a_tmpfs_or_a_volume_of_the_image(name):
    service = COMPOSE[name]
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert set(mounted) <= set(_volumes())
    written = _written("host", service["environment"])
    assert [path for path in written if not _is_below(path, [*mounted, *service["tmpfs"]])] == []


def test_image__volumes_are_the_user_s_own_or_everybody_s():
    """/tmp of the base image is 1777; any other is made for the user, by useradd here."""
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    (made,) = re.findall(r"useradd .*", DOCKERFILE)
    assert f"--uid {user}" in made and "--create-home" in made
    home = made.split("--home-dir ")[1].split()[0]
    assert set(_volumes()) == {"/tmp", home}
