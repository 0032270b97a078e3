"""Optional extras of the distribution: their modules, and the command that installs them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from charging_assets import __version__
from charging_assets.cause_chain import cause_chain

DISTRIBUTION = "charging-assets"
# Modules that the code imports, by extra, as in pyproject.toml. `starlette` comes with both
# dagster-webserver and the dashboard's own dependencies.
MODULES: dict[str, tuple[str, ...]] = {
    "ui": ("dagster_webserver", "starlette"),
    "dashboard": (
        "altair",
        "jinja2",
        "starlette",
        "uvicorn",
        "vl_convert",
    ),
    "aws": ("dagster_aws", "redshift_connector", "sqlalchemy_redshift", "boto3", "botocore"),
    "production": ("dagster_postgres", "dagster_k8s"),
}


class MissingExtra(Exception):
    """A required extra is not installed; the message contains the command to install it."""


def missing_modules(extra: str) -> list[str]:
    """Modules of an extra that are not installed; empty if it is complete."""
    return [name for name in MODULES[extra] if importlib.util.find_spec(name) is None]


def require_extra(extra: str, part: str) -> None:
    """Raise MissingExtra if an extra is not installed.

    Args:
        extra: a name in `MODULES`.
        part: what needs it, the subject of the message: "the dashboard".

    Raises:
        MissingExtra: the message contains the command to install it.
    """
    if missing := missing_modules(extra):
        raise MissingExtra(missing_message(extra, part, missing[0]))


def missing_message(extra: str, part: str, module: str) -> str:
    """The message for a missing extra, with the command to install it."""
    return f"{part} needs the extra `{extra}` ({module} is missing): {install_command(extra)}"


def explain(error: BaseException) -> str | None:
    """The message for an import that failed because of a missing extra; None for other errors."""
    for cause in cause_chain(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            module = cause.name.partition(".")[0]
            for extra, modules in MODULES.items():
                if module in modules:
                    part = "dagster.yaml" if extra == "production" else "this command"
                    return missing_message(extra, part, module)
    return None


def install_command(*extras: str) -> str:
    """A shell command that installs extras into this environment.

    The project is on no package index, so the command names the checkout, the wheel or the
    repository that this environment was installed from.
    """
    if (checkout := _checkout()) is not None:
        return _make_install(checkout)
    requirement = shlex.quote(_requirement(_direct_url(), f"[{','.join(extras)}]"))
    python = shlex.quote(sys.executable)
    # The interpreter by its path: the environment may not be activated, and may be made by uv.
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {python} {requirement}"
    return f"{python} -m pip install {requirement}"


def _requirement(direct_url: dict[str, Any], names: str) -> str:
    """The requirement for pip: a path, URL or file name of the wheel, with extras."""
    url = str(direct_url.get("url", ""))
    path = Path(unquote(urlsplit(url).path))
    if url.startswith("file:") and path.exists():
        return f"{path}{names}"
    if not url or url.startswith("file:"):
        # Installed from elsewhere, or the file is gone: the user has to insert its path.
        return f"charging_assets-{__version__}-py3-none-any.whl{names}"
    if vcs := direct_url.get("vcs_info"):
        revision = vcs.get("requested_revision") or vcs.get("commit_id")
        url = f"{vcs.get('vcs', 'git')}+{url}" + (f"@{revision}" if revision else "")
    return f"{DISTRIBUTION}{names} @ {url}"


def _direct_url() -> dict[str, Any]:
    """Where pip installed the distribution from (PEP 610); empty if unknown."""
    try:
        text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        recorded = json.loads(text or "{}")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def _checkout() -> Path | None:
    """The checkout that this code runs from; None for an installed wheel."""
    root = Path(__file__).resolve().parents[1]
    if (root / "workspace.yaml").is_file() and (root / "Makefile").is_file():
        return root
    return None


def _make_install(checkout: Path) -> str:
    # make considers its environment complete, so it must be forced if that lacks the extra.
    is_make_env = Path(sys.prefix).resolve() == (checkout / ".venv").resolve()
    always = "--always-make " if is_make_env and (checkout / ".venv/.installed").exists() else ""
    folder = "" if Path.cwd() == checkout else f"-C {shlex.quote(str(checkout))} "
    return f"make {folder}{always}install"
