"""The Kubernetes manifests: valid for the API server's models, with least privileges."""

from __future__ import annotations

import pytest
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client

from charging_assets_tests.deploy.files import read_documents, read_yaml, variables

MANIFESTS = read_documents("kubernetes/charging-assets.yaml")
MODELS = {
    "ConfigMap": client.V1ConfigMap,
    "Deployment": client.V1Deployment,
    "Role": client.V1Role,
    "RoleBinding": client.V1RoleBinding,
    "Service": client.V1Service,
    "ServiceAccount": client.V1ServiceAccount,
}
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]
    for manifest in MANIFESTS
    if manifest["kind"] == "Deployment"
}


def _named(manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def _read(manifest):
    model = MODELS[manifest["kind"]]
    return k8s_model_from_dict(model, k8s_snake_case_dict(model, manifest))


@pytest.mark.parametrize("manifest", MANIFESTS, ids=_named)
def test_manifest__is_of_its_model(manifest):
    assert _read(manifest).metadata.name.startswith("charging-assets")


def test_manifest__an_unknown_field_is_refused():
    (manifest,) = [m for m in MANIFESTS if _named(m) == "Deployment-charging-assets-daemon"]
    changed = {**manifest, "spec": {**manifest["spec"], "replica": 2}}
    with pytest.raises(Exception, match="replica"):
        _read(changed)


@pytest.mark.parametrize("name", PODS)
def test_pods__have_no_root_and_cannot_gain_it(name):
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_services__select_existing_pods():
    for manifest in MANIFESTS:
        if manifest["kind"] == "Service":
            selector = manifest["spec"]["selector"].items()
            pods = [pod for pod in PODS.values() if selector <= pod["metadata"]["labels"].items()]
            (ports,) = [pod["spec"]["containers"][0]["ports"] for pod in pods]
            targets = {port["targetPort"] for port in manifest["spec"]["ports"]}
            assert targets <= {port["name"] for port in ports}


def test_role__changes_jobs_and_reads_pods():
    (role,) = [manifest for manifest in MANIFESTS if manifest["kind"] == "Role"]
    rights = {(r, verb) for rule in role["rules"] for r in rule["resources"]
              for verb in rule["verbs"]}  # fmt: skip
    assert not [right for right in rights if "*" in right]
    assert {r for r, verb in rights if verb in {"create", "delete", "patch"}} == {
        "jobs", "jobs/status",
    }  # fmt: skip
    assert "secrets" not in {r for r, _ in rights}


def test_environment__has_the_variables_that_dagster_needs():
    settings = read_yaml("kubernetes/dagster.yaml")
    required = variables(settings) | variables(read_yaml("workspace.yaml"))
    (environment,) = [m["data"] for m in MANIFESTS if m["kind"] == "ConfigMap"]
    assert required - environment.keys() == {"DAGSTER_POSTGRES_PASSWORD"}
    launcher = settings["run_launcher"]["config"]
    assert launcher["service_account_name"] == "charging-assets"
    assert launcher["dagster_home"] == environment["DAGSTER_HOME"]
    assert launcher["env_config_maps"] == ["charging-assets-environment"]
    assert launcher["env_secrets"] == ["charging-assets-secrets"]
