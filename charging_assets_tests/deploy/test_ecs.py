"""The ECS task: valid for AWS, with the environment that its dagster.yaml needs."""

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


def test_task__is_valid_for_ecs():
    validate_parameters(TASK, _shape())
    with pytest.raises(ParamValidationError, match="restart"):
        validate_parameters({**TASK, "restart": "always"}, _shape())


def test_docs__a_separate_task_with_the_role_of_runs_is_valid_for_ecs():
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    (overrides,) = map(json.loads, re.findall(r"--overrides '(.*)'$", page, re.MULTILINE))
    model = boto3.client("ecs", region_name="eu-central-1").meta.service_model
    request = {"taskDefinition": TASK["family"], "overrides": overrides}
    validate_parameters(request, model.shape_for("RunTaskRequest"))
    assert {override["name"] for override in overrides["containerOverrides"]} <= CONTAINERS.keys()
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
def test_task__containers_have_the_variables_that_dagster_needs(name):
    required = variables(read_yaml("ecs/dagster.yaml")) | variables(read_yaml("workspace.yaml"))
    container = CONTAINERS[name]
    assert required <= {entry["name"] for entry in container["environment"] + container["secrets"]}


def test_task__is_replaced_as_a_whole():
    assert all(container["essential"] for container in CONTAINERS.values())


def test_task__runs_have_the_image_of_the_code_and_a_separate_role():
    command = CONTAINERS["code-location"]["command"]
    options = dict(pairwise(command))
    assert options["--container-image"] == CONTAINERS["daemon"]["image"]
    role = json.loads(options["--container-context"])["ecs"]["task_role_arn"]
    assert role != TASK["taskRoleArn"]
    passed = [
        statement["Resource"]
        for statement in read_json("ecs/launcher.json")["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert passed == [[role, TASK["executionRoleArn"]]]
