"""The services of the Compose file as plain processes, with a separate PostgreSQL.

Commands and environment are read from `deploy/compose.yaml`; only addresses, ports and folders are
replaced.
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
_TIMEOUT_S = 300.0


def free_port() -> int:
    """A currently free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(what: str, query: Callable[[], Any], timeout_s: float = _TIMEOUT_S) -> Any:
    """Wait for a true result of `query` and return it; AssertionError after the timeout."""
    end, last_error = time.monotonic() + timeout_s, "no error"
    while time.monotonic() < end:
        try:
            if result := query():
                return result
        except OSError as error:
            last_error = str(error)
        time.sleep(0.3)
    raise AssertionError(f"no {what} within {timeout_s:.0f} s: {last_error}")


class Services:
    """Code location, web server and daemon of the Compose file."""

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
        required = COMPOSE["services"]["code-location"]["environment"].keys()
        assert required <= self.environment.keys(), "the Compose file sets more than is set here"

    def start(self, name: str) -> None:
        """Start a service with its command in the Compose file."""
        command = [self._localize(word) for word in COMPOSE["services"][name]["command"]]
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
        """Kill a service and all its children, as in a power cut."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> None:
        """Stop a service as its supervisor does."""
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
        command = [self._localize(word) for word in command]
        command[0] = program(command[0])
        try:
            result = subprocess.run(command, env=self.environment, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            return False
        return result.returncode == 0

    def query(self, query: str, **variables: Any) -> Any:
        """Run a GraphQL query on the web server and return its data."""
        url = f"http://127.0.0.1:{self._ports['3000']}/graphql"
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def logs(self) -> str:
        """The ends of the services' logs."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def _localize(self, word: str) -> str:
        for port, free in self._ports.items():
            word = free if word == port else word.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        word = word.replace("0.0.0.0", "127.0.0.1")
        return word.replace("/etc/charging-assets/workspace.yaml", f"{self.folder}/workspace.yaml")
