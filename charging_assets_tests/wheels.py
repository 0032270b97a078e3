"""Environments with the wheel and some of its extras, made without a network.

Each is a virtual environment whose packages are links to those of this one: of the distributions
that pip would have installed for the wheel and the extras, and of no others.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from charging_assets.extras import DISTRIBUTION

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, as `make wheel` builds it."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=600)
    (wheel,) = folder.glob("charging_assets-*.whl")
    return wheel


class Environment:
    """A virtual environment with a wheel and extras, and a home for its commands."""

    def __init__(self, folder: Path, wheel: Path, extras: Iterable[str]) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False, symlinks=True)
        packages = next(folder.glob("lib/python*/site-packages"))
        for distribution in [*_closure(extras), importlib.metadata.distribution("pip")]:
            _link(distribution, packages)
        self.python = folder / "bin" / "python"
        script = folder / "bin" / "dagster"
        script.write_text(f"#!{self.python}\nfrom dagster._cli import main\n\nmain()\n", "utf-8")
        script.chmod(0o755)
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
        command += ["--quiet", "--no-deps", "--no-index", str(wheel)]
        subprocess.run(command, check=True, timeout=600)

    def run(
        self, *arguments: str, home: Path, timeout_s: float = 900, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment (`charging-assets`, or `-m MODULE` for Python)."""
        return subprocess.run(
            self.command(*arguments),
            env=self.variables(home, **variables),
            cwd=home.parent,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line: a script of the environment, or its Python for `-m` and `-c`."""
        if arguments[0].startswith("-"):
            return [str(self.python), *arguments]
        return [str(self.folder / "bin" / arguments[0]), *arguments[1:]]

    def variables(self, home: Path, **variables: str) -> dict[str, str]:
        """The environment variables of a command: nothing of this process but the locale."""
        base = {
            name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ
        }
        return {
            **base,
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(home.parent),
            "CHARGING_HOME": str(home),
            "COLUMNS": "200",
            **variables,
        }


def _closure(extras: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The distributions that the wheel and its extras require, directly and indirectly."""
    wanted = [(DISTRIBUTION, frozenset(extras))]
    seen: dict[str, set[str]] = {}
    while wanted:
        name, chosen = wanted.pop()
        key = canonicalize_name(name)
        if key in seen and chosen <= seen[key]:
            continue
        seen.setdefault(key, set()).update(chosen)
        for line in importlib.metadata.distribution(name).requires or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in (chosen or {""})):
                wanted.append((requirement.name, frozenset(requirement.extras)))
    del seen[DISTRIBUTION]
    # Packages that are imported without being required come with every environment of pip.
    return [importlib.metadata.distribution(name) for name in sorted(seen)]


def _link(distribution: importlib.metadata.Distribution, packages: Path) -> None:
    """Links to the top-level files and folders of a distribution."""
    source = Path(str(distribution.locate_file("")))
    tops = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
    for top in tops:
        if (source / top).exists() and not (packages / top).exists():
            (packages / top).symlink_to(source / top)
