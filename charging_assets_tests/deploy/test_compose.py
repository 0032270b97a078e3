"""The Compose file: valid, restarts services, not reachable from outside."""

from __future__ import annotations

import re
import subprocess

import pytest

from charging_assets_tests.deploy.files import DEPLOY, ROOT, program, read_yaml, variables

COMPOSE = read_yaml("compose.yaml")
SERVICES = COMPOSE["services"]
OURS = ("code-location", "webserver", "daemon")


def _valid(path) -> bool:
    checked = subprocess.run(
        [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
    )
    return checked.returncode == 0


def test_compose__is_valid(tmp_path):
    assert _valid(DEPLOY / "compose.yaml")
    broken = tmp_path / "compose.yaml"
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    broken.write_text(text.replace("restart:", "restarts:"), encoding="utf-8")
    assert not _valid(broken)


@pytest.mark.parametrize("name", SERVICES)
def test_compose__every_service_restarts(name):
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", OURS)
def test_compose__services_can_write_nothing_but_data(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/var/lib/charging"]


def test_compose__only_the_web_server_is_reachable_and_only_from_this_host():
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(ports) == ["webserver"]
    assert all(port.startswith("127.0.0.1:") for port in ports["webserver"])


def test_compose__services_wait_for_what_they_need():
    assert SERVICES["code-location"]["depends_on"].keys() == {"postgres"}
    for name in ("webserver", "daemon"):
        assert SERVICES[name]["depends_on"] == {
            "postgres": {"condition": "service_healthy"},
            "code-location": {"condition": "service_healthy"},
        }


def test_compose__its_volumes_and_files_exist():
    for service in SERVICES.values():
        for volume in service["volumes"]:
            assert volume.split(":")[0] in COMPOSE["volumes"]
    build = SERVICES["code-location"]["build"]
    assert (DEPLOY / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_compose__has_no_secret_and_requires_the_password():
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert "${DAGSTER_POSTGRES_PASSWORD:?" in text
    for name, value in re.findall(r"^\s+(\w*(?:PASSWORD|SECRET|KEY)\w*): (.*)$", text, re.M):
        assert value.startswith("${"), f"{name} has a value in the file"
    example = (DEPLOY / "environment.example").read_text(encoding="utf-8")
    assert re.search(r"^DAGSTER_POSTGRES_PASSWORD=$", example, re.M)


def test_compose__sets_what_dagster_takes_from_the_environment():
    wanted = variables(read_yaml("host/dagster.yaml")) | variables(read_yaml("workspace.yaml"))
    example = (DEPLOY / "environment.example").read_text(encoding="utf-8")
    from_file = set(re.findall(r"^(\w+)=", example, re.M))
    for name in OURS:
        assert wanted <= SERVICES[name]["environment"].keys() | from_file
