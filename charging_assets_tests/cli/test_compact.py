"""`charging-assets compact`: what it packs, what it says, and that nothing changes for others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from charging_assets import deployments
from charging_assets.cli import main

pytestmark = pytest.mark.slow

DAY = "2026-01-12"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two simulated hours, twelve polls, long ago."""
    monkeypatch.setenv("CHARGING_HOME", str(tmp_path))
    monkeypatch.delenv("CHARGING_DEPLOYMENT", raising=False)
    assert main(["simulate", "--hours", "2", "--scale", "0.02", "--start", f"{DAY}T05"]) == 0
    return tmp_path


def test_compact__packs_a_day_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = deployments.storage().lake.keys("raw/")
    capsys.readouterr()
    assert main(["compact"]) == 0
    assert f"simulated {DAY}: 12 polls" in capsys.readouterr().out
    assert deployments.storage().lake.keys("raw/") == before
    assert sorted(path.suffix for path in (home / "lake/raw").rglob("*") if path.is_file()) == [
        ".json",
        ".zst",
    ]
    assert main(["compact"]) == 0
    assert "nothing to compact" in capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    assert main(["load", "--json"]) == 0


def test_compact__json_is_for_scripts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["compact", "--day", DAY, "--json"]) == 0
    (done,) = json.loads(capsys.readouterr().out)
    assert (done["feed"], done["day"], done["polls"]) == ("simulated", DAY, 12)
    assert done["bytes_after"] < done["bytes_before"]


def test_compact__unknown_feed_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", "--feed", "mars"]) == 2
    assert "no feed 'mars'; it has simulated" in capsys.readouterr().err


def test_compact__invalid_day_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compact", "--day", "yesterday"])
    assert "'yesterday' is not a day; give YYYY-MM-DD" in capsys.readouterr().err
