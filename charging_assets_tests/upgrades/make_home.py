"""A small home of this release, packed, for the releases after it to open.

Run it at every release: `python -m charging_assets_tests.upgrades.make_home`, and commit what it
writes. Belongs here: how such a home is made. Does not belong here: opening it (`test_upgrade`).
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from pathlib import Path

from charging_assets import __version__
from charging_assets.cli import main

HOMES = Path(__file__).parent / "homes"


def make(version: str = __version__) -> Path:
    """Two simulated hours of twelve stations, loaded by the commands themselves."""
    with tempfile.TemporaryDirectory(prefix="home-") as folder:
        home = Path(folder) / "home"
        os.environ |= {"CHARGING_HOME": str(home), "CHARGING_DEPLOYMENT": "", "DAGSTER_HOME": ""}
        assert main(["simulate", "--hours", "2", "--scale", "0.01"]) == 0
        assert main(["load"]) == 0
        HOMES.mkdir(exist_ok=True)
        packed = HOMES / f"{version}.tar.xz"
        with tarfile.open(packed, "w:xz") as archive:
            archive.add(home, arcname=".")
    return packed


if __name__ == "__main__":
    print(make())
