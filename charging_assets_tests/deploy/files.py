"""The deployment's files, read as what they are.

Belongs here: where they stand and how they are read. Does not belong here: what is asked of them.
"""

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

# What dagster.yaml takes from the environment, as an installation would set it.
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
    """A YAML file of `deploy/`, of one document."""
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def read_documents(name: str) -> list[Any]:
    """A YAML file of `deploy/`, of several documents."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def read_json(name: str) -> Any:
    """A JSON file of `deploy/`."""
    return json.loads((DEPLOY / name).read_text(encoding="utf-8"))


def variables(node: Any) -> set[str]:
    """The names in `{env: NAME}` anywhere in a configuration of Dagster."""
    if isinstance(node, dict):
        if set(node) == {"env"}:
            return {node["env"]}
        return set().union(*(variables(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(variables(value) for value in node))
    return set()


def pins(path: Path) -> dict[str, frozenset[str]]:
    """A lock file: `name==version` to its hashes; on which platforms is left out."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        found[line.split()[0]] = frozenset(re.findall(r"--hash=(\S+)", line))
    return found


def program(name: str) -> str:
    """A program of the environment that tests run in."""
    import sys

    return os.fspath(Path(sys.executable).parent / name)
