"""Commands in the deployment files: existing programs with valid options."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import dagster as dg
import pytest
from dagster_webserver.cli import dagster_webserver

from charging_assets.cli import _parser
from charging_assets_tests.deploy.files import DEPLOY, ROOT, read_documents, read_json, read_yaml

WORKSPACE = "/etc/charging-assets/workspace.yaml"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
MANIFESTS = read_documents("kubernetes/charging-assets.yaml")


def _commands() -> dict[str, list[str]]:
    """Every command line, including health checks, by file and service."""
    commands = {}
    for container in read_json("ecs/task-definition.json")["containerDefinitions"]:
        commands[f"ecs {container['name']}"] = container["command"]
        commands[f"ecs {container['name']} health"] = container["healthCheck"]["command"][1:]
    for manifest in MANIFESTS:
        if manifest["kind"] == "Deployment":
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            commands[f"kubernetes {container['name']}"] = container["command"]
            for probe in ("readinessProbe", "livenessProbe"):
                if "exec" in container.get(probe, {}):
                    commands[f"kubernetes {container['name']} {probe}"] = container[probe]["exec"][
                        "command"
                    ]
    for name, service in read_yaml("compose.yaml")["services"].items():
        if "command" in service:
            commands[f"compose {name}"] = service["command"]
            commands[f"compose {name} health"] = service["healthcheck"]["test"][1:]
    for unit in DEPLOY.glob("systemd/*.service"):
        text = unit.read_text(encoding="utf-8").replace("\\\n", " ")
        (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
        program, *arguments = shlex.split(line)
        commands[f"systemd {unit.stem}"] = [Path(program).name, *arguments]
    for line in re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE):
        commands["Dockerfile"] = re.findall(r'"([^"]*)"', line)
    page = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
    for line in re.findall(r"charging-assets doctor", page):
        commands["docs"] = line.split()
    return commands


COMMANDS = _commands()
_LOADED_BY_CLICK = {
    "dagster": "dagster._cli:create_dagster_cli",
    "dagster-daemon": "dagster._daemon.cli:create_dagster_daemon_cli",
}


def _parse(command: click.Command, arguments: list[str], name: str) -> None:
    """Parse as click does, without running anything; raises click.UsageError."""
    context = command.make_context(name, list(arguments))
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        child_name, child, left = command.resolve_command(context, rest)
        assert child is not None
        _parse(child, left, str(child_name))


def _check(command: list[str]) -> None:
    # The image has the workspace in another folder.
    program, *arguments = [
        str(DEPLOY / "workspace.yaml") if word == WORKSPACE else word for word in command
    ]
    if program == "python" and arguments[0] == "-P":
        # The guard accepts the options of `dagster-webserver`.
        assert arguments[1:3] == ["-m", "charging_assets.webserver"]
        assert import_module(arguments[2]).main
        _parse(dagster_webserver, arguments[3:], "dagster-webserver")
    elif program == "python":
        flag, code = arguments
        assert flag == "-c"
        compile(code, "<health check>", "exec")
    elif program == "charging-assets":
        _parser().parse_args(arguments)
    else:
        module, name = _LOADED_BY_CLICK[program].split(":")
        _parse(getattr(import_module(module), name)(), arguments, program)


@pytest.mark.parametrize("name", COMMANDS)
def test_command__is_valid_for_its_program(name):
    _check(COMMANDS[name])


@pytest.mark.parametrize(
    "command",
    [
        ["dagster", "code-server", "begin"],
        ["dagster", "code-server", "start", "--hosts", "0.0.0.0"],
        ["dagster-daemon", "go"],
        ["python", "-P", "-m", "charging_assets.webserver", "--on", "3000"],
        ["charging-assets", "doktor"],
    ],
)
def test_command__if_invalid_is_detected(command):
    with pytest.raises((click.ClickException, SystemExit)):
        _check(command)


def test_web_server__is_behind_the_guard_everywhere():
    servers = {name: command for name, command in COMMANDS.items() if "webserver" in name}
    servers = {name: command for name, command in servers.items() if "health" not in name}
    assert len(servers) == 4
    for command in servers.values():
        assert command[:4] == ["python", "-P", "-m", "charging_assets.webserver"]


def test_commands__are_read_from_every_file():
    assert {name.split()[0] for name in COMMANDS} == {
        "Dockerfile", "compose", "docs", "ecs", "kubernetes", "systemd",
    }  # fmt: skip


def test_module__of_the_code_location_has_definitions():
    modules = {
        arguments[arguments.index("--module-name") + 1]
        for arguments in COMMANDS.values()
        if "--module-name" in arguments
    }
    (module,) = modules
    assert isinstance(import_module(module).defs(), dg.Definitions)


def test_workspace__is_copied_to_where_services_read_it_and_has_the_port_of_the_code():
    assert f"COPY deploy/workspace.yaml {WORKSPACE}" in DOCKERFILE
    (location,) = read_yaml("workspace.yaml")["load_from"]
    ports = {
        arguments[arguments.index("--port") + 1]
        for arguments in COMMANDS.values()
        if "code-server" in arguments or "grpc-health-check" in arguments
    }
    assert ports == {str(location["grpc_server"]["port"])}


def test_code_host__is_where_the_code_location_listens():
    (config,) = [m["data"] for m in MANIFESTS if m["kind"] == "ConfigMap"]
    services = {m["metadata"]["name"]: m["spec"] for m in MANIFESTS if m["kind"] == "Service"}
    (port,) = services[config["CHARGING_CODE_HOST"]]["ports"]
    assert port["port"] == read_yaml("workspace.yaml")["load_from"][0]["grpc_server"]["port"]
    compose = read_yaml("compose.yaml")["services"]
    assert compose["daemon"]["environment"]["CHARGING_CODE_HOST"] in compose
