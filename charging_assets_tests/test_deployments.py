"""Deployments: where data lives, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from charging_assets.deployments import DeploymentError, home, storage

ROOT = Path(__file__).resolve().parents[1]


def test_home__of_a_checkout_is_in_the_project_from_wherever_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({}) == ROOT / ".charging"
    assert home({"CHARGING_HOME": ""}) == ROOT / ".charging"


def test_home__is_what_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert home({"CHARGING_HOME": "here"}) == tmp_path / "here"
    assert home({"CHARGING_HOME": "~/there"}) == Path("~/there").expanduser()


def test_storage__names_the_deployments_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="'mars'; this version has: local, aws"):
        storage({"CHARGING_DEPLOYMENT": "mars", "CHARGING_HOME": str(tmp_path)})
