"""Read the files of `deploy/`."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BIN = ROOT / ".venv/bin"

VARIANTS = ("host", "ecs", "kubernetes")

# Environment variables that dagster.yaml needs, with values as in a deployment.
ENVIRONMENT = {
    "DAGSTER_POSTGRES_HOST": "127.0.0.1",
    "DAGSTER_POSTGRES_PORT": "5432",
    "DAGSTER_POSTGRES_DB": "dagster",
    "DAGSTER_POSTGRES_USER": "dagster",
    "DAGSTER_POSTGRES_PASSWORD": "a password",
    "CHARGING_DAGSTER_FILES": "/tmp/dagster-files",
    "CHARGING_LOG_BUCKET": "logs",
    "CHARGING_K8S_NAMESPACE": "charging",
    "CHARGING_CODE_HOST": "127.0.0.1",
}


def read_yaml(name: str) -> Any:
    """Read a YAML file of `deploy/` with one document."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def read_documents(name: str) -> list[Any]:
    """Read a YAML file of `deploy/` with several documents."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def read_json(name: str) -> Any:
    """Read a JSON file of `deploy/`."""
    return json.loads((DEPLOY / name).read_text(encoding="utf-8"))


def variables(node: Any) -> set[str]:
    """The variables in `{env: NAME}` entries of a Dagster configuration."""
    if isinstance(node, dict):
        if set(node) == {"env"}:
            return {node["env"]}
        return set().union(*(variables(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(variables(value) for value in node))
    return set()


def pins(path: Path) -> dict[str, frozenset[str]]:
    """The pins of a lock file, `name==version` to hashes, without platform markers."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    pinned = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        pinned[line.split()[0]] = frozenset(re.findall(r"--hash=(\S+)", line))
    return pinned


def program(name: str) -> str:
    """The path of a program in the environment of the tests."""
    import sys

    return os.fspath(Path(sys.executable).parent / name)
