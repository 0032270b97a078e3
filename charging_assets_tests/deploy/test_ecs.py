"""The ECS task: what AWS would accept, and the environment that its dagster.yaml needs."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from botocore.validate import validate_parameters

from charging_assets_tests.deploy.files import ROOT, read_json, read_yaml, variables
from charging_assets_tests.deploy.roles import arn

TASK = read_json("ecs/task-definition.json")
CONTAINERS = {container["name"]: container for container in TASK["containerDefinitions"]}
each = pytest.mark.parametrize("name", CONTAINERS)


def _shape():
    model = boto3.client("ecs", region_name="eu-central-1").meta.service_model
    return model.shape_for("RegisterTaskDefinitionRequest")


def test_task__is_what_ecs_takes():
    validate_parameters(TASK, _shape())
    with pytest.raises(ParamValidationError, match="restart"):
        validate_parameters({**TASK, "restart": "always"}, _shape())


def test_docs__a_task_of_its_own_with_the_role_of_runs_is_what_ecs_takes():
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    (overrides,) = map(json.loads, re.findall(r"--overrides '(.*)'$", page, re.MULTILINE))
    model = boto3.client("ecs", region_name="eu-central-1").meta.service_model
    request = {"taskDefinition": TASK["family"], "overrides": overrides}
    validate_parameters(request, model.shape_for("RunTaskRequest"))
    assert {each["name"] for each in overrides["containerOverrides"]} <= CONTAINERS.keys()
    assert overrides["taskRoleArn"] == arn("charging-assets-run")


@each
def test_task__containers_have_no_root_and_no_secret_in_plain_sight(name):
    container = CONTAINERS[name]
    assert container["user"] == "10001:10001"
    assert container["readonlyRootFilesystem"]
    plain = {entry["name"] for entry in container["environment"]}
    secret = {entry["name"] for entry in container["secrets"]}
    assert "DAGSTER_POSTGRES_PASSWORD" in secret - plain


@each
def test_task__containers_have_what_dagster_takes_from_the_environment(name):
    wanted = variables(read_yaml("ecs/dagster.yaml")) | variables(read_yaml("workspace.yaml"))
    container = CONTAINERS[name]
    assert wanted <= {entry["name"] for entry in container["environment"] + container["secrets"]}


def test_task__is_replaced_whole_when_a_part_of_it_dies():
    assert all(container["essential"] for container in CONTAINERS.values())


def test_task__runs_have_the_image_of_the_code_and_a_role_of_their_own():
    command = CONTAINERS["code-location"]["command"]
    given = dict(pairwise(command))
    assert given["--container-image"] == CONTAINERS["daemon"]["image"]
    role = json.loads(given["--container-context"])["ecs"]["task_role_arn"]
    assert role != TASK["taskRoleArn"]
    passed = [
        statement["Resource"]
        for statement in read_json("ecs/launcher.json")["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert passed == [[role, TASK["executionRoleArn"]]]
