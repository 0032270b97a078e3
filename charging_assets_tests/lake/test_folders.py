"""Permissions of a home: private by default, otherwise by the umask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charging_assets.lake.folders import create_hidden, make_private
from charging_assets.orchestration.dagster_home import prepare

_WRITE = """
import sys
from pathlib import Path
from charging_assets.deployments import storage
made = storage({"CHARGING_HOME": sys.argv[1]})
made.lake.put_new("raw/a/b.txt", b"1")
made.lake.put("flat/a/b.txt", b"1")
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_make_private__new_folders_are_private_and_existing_ones_keep_their_mode(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    make_private(tmp_path / "home" / "lake")
    assert mode(tmp_path / "home") == mode(tmp_path / "home" / "lake") == 0o700
    (tmp_path / "home").chmod(0o750)
    make_private(tmp_path / "home")
    assert (mode(tmp_path), mode(tmp_path / "home")) == (0o755, 0o750)


def test_make_private__refuses_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_private(tmp_path / "file")


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files__have_the_mode_that_the_umask_leaves(
    tmp_path: Path, umask: int, expected: int
) -> None:
    before = os.umask(umask)
    try:
        file, path = create_hidden(tmp_path, ".writing-")
    finally:
        os.umask(before)
    file.close()
    assert mode(path) == expected


def test_home__is_private_and_its_files_are_as_the_umask_has_them(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    subprocess.run(
        [sys.executable, "-c", f"import os; os.umask(0o027)\n{_WRITE}", str(home)], check=True
    )
    assert mode(home) == mode(home / "lake") == 0o700
    assert mode(home / "lake" / "raw" / "a") == 0o750
    assert mode(home / "lake" / "raw" / "a" / "b.txt") == 0o640
    assert mode(home / "lake" / "flat" / "a" / "b.txt") == 0o640


@pytest.mark.parametrize("home", ["home", "far/home"])
def test_dagster_home__is_made_private_with_the_folders_above_it(tmp_path: Path, home: str) -> None:
    environment = {"CHARGING_HOME": str(tmp_path / home)}
    before = os.umask(0)
    try:
        folder = prepare(environment)
    finally:
        os.umask(before)
    made = [folder, *folder.parents]
    assert {mode(each) for each in made[: made.index(tmp_path)]} == {0o700}
