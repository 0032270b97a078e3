"""Names of images: with registry, the repository that may be pulled, and this version."""

from __future__ import annotations

import json
import re
import tomllib
from itertools import pairwise

import pytest

from charging_assets_tests.deploy.files import DEPLOY, ROOT, read_documents, read_json, read_yaml

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
DEPLOYMENT_PAGE = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")


def _ecs() -> list[str]:
    containers = read_json("ecs/task-definition.json")["containerDefinitions"]
    commands = [dict(pairwise(container["command"])) for container in containers]
    run_images = [
        command["--container-image"] for command in commands if "--container-image" in command
    ]
    return [container["image"] for container in containers] + run_images


def _kubernetes() -> list[str]:
    images = []
    for manifest in read_documents("kubernetes/charging-assets.yaml"):
        if manifest["kind"] == "Deployment":
            for container in manifest["spec"]["template"]["spec"]["containers"]:
                current = {entry["name"]: entry["value"] for entry in container["env"]}
                images += [container["image"], current["DAGSTER_CURRENT_IMAGE"]]
    return images


def _compose() -> list[str]:
    services = read_yaml("compose.yaml")["services"].values()
    return [service["image"] for service in services if service["image"].find("charging") >= 0]


def _repository() -> str:
    """The repository that ECS may pull from, as in names of images."""
    (statement,) = [
        statement for statement in read_json("ecs/execution.json")["Statement"]
        if "Image" in statement["Sid"] and statement["Resource"] != "*"
    ]  # fmt: skip
    _, _, _, region, account, resource = statement["Resource"].split(":")
    return f"{account}.dkr.ecr.{region}.amazonaws.com/{resource.removeprefix('repository/')}"


def _registry(image: str) -> str:
    """The registry of an image; Docker Hub if its name has none."""
    first, slash, _ = image.partition("/")
    return first if slash and (re.search("[.:]", first) or first == "localhost") else "docker.io"


def test_registry__is_docker_hub_where_a_name_has_none():
    assert _registry("charging-assets:0.1.0") == "docker.io"
    assert _registry("someone/charging-assets:0.1.0") == "docker.io"
    assert _registry("localhost/charging-assets") == "localhost"
    assert _registry("registry.example:5000/charging-assets") == "registry.example:5000"


def test_ecs__all_images_lie_in_the_repository_that_may_be_pulled():
    assert len(_ecs()) == 4
    assert set(_ecs()) == {f"{_repository()}:{VERSION}"}


def test_ecs__no_other_text_of_the_files_is_an_image_without_a_registry():
    text = json.dumps(read_json("ecs/task-definition.json"))
    assert not re.findall(r"(?<![/\w-])charging-assets:[\w.]+", text)


def test_kubernetes__all_images_are_one_of_a_named_registry_and_of_this_version():
    assert len(_kubernetes()) == 6
    (image,) = set(_kubernetes())
    assert _registry(image) != "docker.io"
    assert image.endswith(f"/charging-assets:{VERSION}")


def test_compose__the_image_that_is_built_here_is_never_pulled():
    assert len(_compose()) == 3
    assert {_registry(image) for image in _compose()} == {"localhost"}


@pytest.mark.parametrize("command", ["docker build", "docker push", "aws ecr get-login-password"])
def test_docs__describe_how_to_push_the_image(command):
    assert command in DEPLOYMENT_PAGE


def test_docs__push_the_image_of_the_task():
    assert f"docker push {_repository()}:{VERSION}" in DEPLOYMENT_PAGE


def test_files__are_searched_for_images():
    """A new file with an image must be added to these tests."""
    with_image = {
        str(path.relative_to(DEPLOY))
        for path in DEPLOY.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and re.search(r"\bimage\"?: ", path.read_text(encoding="utf-8"))
    }
    assert with_image == {
        "compose.yaml",
        "ecs/task-definition.json",
        "kubernetes/charging-assets.yaml",
    }
