"""Extras: what is missing is named, and the command installs it from where this came from."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tomllib
from pathlib import Path

import pytest

from charging_assets import extras

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def installed_from(monkeypatch: pytest.MonkeyPatch):
    """Has the distribution look installed, with what pip records of its origin."""

    def installed(direct_url: dict | None) -> None:
        class Distribution:
            def read_text(self, name: str) -> str | None:
                assert name == "direct_url.json"
                return None if direct_url is None else json.dumps(direct_url)

        monkeypatch.setattr(extras, "_checkout", lambda: None)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda _name: Distribution())

    return installed


def test_command__in_a_checkout_is_make(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/somewhere/else")
    monkeypatch.chdir(ROOT)
    assert extras.install_command("ui") == "make install"
    monkeypatch.chdir("/")
    assert extras.install_command("ui") == f"make -C {ROOT} install"


def test_command__in_the_environment_of_make_installs_again(monkeypatch, tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.installed").touch()
    monkeypatch.setattr(extras, "_checkout", lambda: tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.chdir(tmp_path)
    assert extras.install_command("ui") == "make --always-make install"


def test_command__names_the_wheel_that_was_installed(installed_from, tmp_path):
    wheel = tmp_path / "my wheels" / "charging_assets-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    installed_from({"url": wheel.as_uri(), "archive_info": {}})
    assert extras.install_command("ui", "dashboard") == (
        f"{sys.executable} -m pip install '{wheel}[ui,dashboard]'"
    )


@pytest.mark.parametrize(
    ("direct_url", "requirement"),
    [
        (None, f"charging_assets-{extras.__version__}-py3-none-any.whl[aws]"),
        (
            {"url": "file:///gone/charging_assets-0.1.0-py3-none-any.whl"},
            f"charging_assets-{extras.__version__}-py3-none-any.whl[aws]",
        ),
        (
            {"url": "https://files.example.org/charging_assets-0.1.0-py3-none-any.whl"},
            "charging-assets[aws] @ "
            "https://files.example.org/charging_assets-0.1.0-py3-none-any.whl",
        ),
        (
            {
                "url": "https://git.example.org/charging_assets.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "main"},
            },
            "charging-assets[aws] @ git+https://git.example.org/charging_assets.git@main",
        ),
    ],
)
def test_command__without_a_local_wheel(installed_from, direct_url, requirement):
    installed_from(direct_url)
    assert extras.install_command("aws") == f"{sys.executable} -m pip install '{requirement}'"


def test_command__without_pip_is_that_of_uv(installed_from, monkeypatch):
    installed_from(None)
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda _name: None)
    assert extras.install_command("ui").startswith(f"uv pip install --python {sys.executable} ")


def test_explain__names_the_extra_of_a_module(installed_from):
    installed_from(None)
    error = RuntimeError("outer")
    error.__cause__ = ModuleNotFoundError("no", name="dagster_postgres.storage")
    explanation = extras.explain(error)
    assert explanation is not None
    assert "needs the extra `production` (dagster_postgres is missing)" in explanation
    assert extras.explain(ModuleNotFoundError("no", name="numpy")) is None
    assert extras.explain(ValueError("other")) is None


def test_modules__have_the_extras_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(extras.MODULES) == set(project["optional-dependencies"]) - {"dev"}


def test_modules__cover_every_distribution_of_an_extra():
    """Every required distribution has a module in the list, those only for people apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    brought = importlib.metadata.packages_distributions()
    for extra, modules in extras.MODULES.items():
        listed = {name.lower().replace("_", "-") for m in modules for name in brought[m]}
        required = {line.split(">")[0].lower() for line in project["optional-dependencies"][extra]}
        assert required - listed - {"dagster-dg-cli"} == set(), extra
