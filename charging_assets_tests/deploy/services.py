"""The Compose file's services as plain processes, over a PostgreSQL of their own.

Belongs here: starting, asking and ending them. Commands and environment are read from
`deploy/compose.yaml`; only addresses, ports and folders are put in their place. Does not belong
here: what is asked of them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charging_assets_tests.deploy.files import DEPLOY, program, read_yaml

COMPOSE = read_yaml("compose.yaml")
_PATIENCE_S = 300.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def eventually(what: str, asked: Callable[[], Any], patience_s: float = _PATIENCE_S) -> Any:
    """The first true answer; AssertionError names what did not come."""
    end, said = time.monotonic() + patience_s, "nothing"
    while time.monotonic() < end:
        try:
            if answer := asked():
                return answer
        except OSError as error:
            said = str(error)
        time.sleep(0.3)
    raise AssertionError(f"{what} did not come within {patience_s:.0f} s: {said}")


class Services:
    """Code location, web server and daemon of the Compose file, started one by one."""

    def __init__(self, folder: Path, database: dict[str, str]) -> None:
        self.folder = folder
        self._ports = {"4000": str(free_port()), "3000": str(free_port())}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        home = folder / "dagster-home"
        home.mkdir()
        (home / "dagster.yaml").write_bytes((DEPLOY / "host/dagster.yaml").read_bytes())
        workspace = (DEPLOY / "workspace.yaml").read_text(encoding="utf-8")
        (folder / "workspace.yaml").write_text(
            workspace.replace("port: 4000", f"port: {self._ports['4000']}"), encoding="utf-8"
        )
        self.home = home
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CHARGING_", "DAGSTER_", "AWS_"))
        }
        self.environment = {
            **inherited,
            "CHARGING_DEPLOYMENT": "local",
            "CHARGING_HOME": str(folder / "data"),
            "CHARGING_DAGSTER_FILES": str(folder / "data/dagster"),
            "CHARGING_CODE_HOST": "127.0.0.1",
            "DAGSTER_HOME": str(home),
            **database,
        }
        wanted = COMPOSE["services"]["code-location"]["environment"].keys()
        assert wanted <= self.environment.keys(), "the Compose file sets more than is set here"

    def start(self, name: str) -> None:
        """Start a service, by the command of the Compose file."""
        command = [self._here(word) for word in COMPOSE["services"][name]["command"]]
        command[0] = program(command[0])
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """End a service and all its children as a power cut would."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """End a service as its supervisor would."""
        process = self._running.pop(name)
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def is_healthy(self, name: str) -> bool:
        """Whether the health check of the Compose file passes."""
        kind, *command = COMPOSE["services"][name]["healthcheck"]["test"]
        assert kind == "CMD"
        command = [self._here(word) for word in command]
        command[0] = program(command[0])
        try:
            checked = subprocess.run(command, env=self.environment, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return False
        return checked.returncode == 0

    def ask(self, query: str, **variables: Any) -> Any:
        """The web server's answer to a GraphQL query."""
        url = f"http://127.0.0.1:{self._ports['3000']}/graphql"
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def logs(self) -> str:
        """What the services said, the end of each."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def _here(self, word: str) -> str:
        for port, own in self._ports.items():
            word = own if word == port else word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{own}")
        word = word.replace("0.0.0.0", "127.0.0.1")
        return word.replace("/etc/charging-assets/workspace.yaml", f"{self.folder}/workspace.yaml")
