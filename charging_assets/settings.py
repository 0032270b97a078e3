"""Which deployment is used, and where its data is, as the environment states.

Variables of S3 and Redshift are read by `aws_environment`, those of Dagster by `orchestration`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from charging_assets.text import is_address

DEPLOYMENTS = ("local", "aws")


class HomeError(Exception):
    """CHARGING_HOME is not usable; the message has the reason and the remedy."""


class DeploymentError(ValueError):
    """A setting of the environment is missing or invalid; the message names it and the remedy."""


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the local deployment: CHARGING_HOME, or `.charging`.

    The default is in the project folder if this is a checkout, else in the current folder.

    Raises:
        HomeError: CHARGING_HOME is a URL, or starts with the home of an unknown user.
    """
    checkout = Path(__file__).resolve().parent.parent
    default = checkout if (checkout / "workspace.yaml").is_file() else Path()
    chosen = environment.get("CHARGING_HOME")
    if chosen and is_address(chosen):
        raise HomeError("CHARGING_HOME is an address; give the path of a folder")
    try:
        return (Path(chosen).expanduser() if chosen else default / ".charging").resolve()
    except RuntimeError:
        raise HomeError(
            "CHARGING_HOME begins with ~, for which there is no home folder; give a whole path"
        ) from None


def deployment(environment: Mapping[str, str] = os.environ) -> str:
    """The name of the deployment: CHARGING_DEPLOYMENT, or `local`.

    Raises:
        DeploymentError: there is no such deployment.
    """
    name = environment.get("CHARGING_DEPLOYMENT") or "local"
    if name not in DEPLOYMENTS:
        raise DeploymentError(
            f"CHARGING_DEPLOYMENT names no deployment; this version has: {', '.join(DEPLOYMENTS)}"
        )
    return name
