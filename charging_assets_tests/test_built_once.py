"""Folders that are built once: by one process of several, and again after a failure."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charging_assets_tests.built_once import built_once


def test_built_once__is_built_by_one_of_several(tmp_path_factory: pytest.TempPathFactory) -> None:
    builds: list[Path] = []

    def build(folder: Path) -> None:
        builds.append(folder)
        (folder / "file").write_text("built")

    def need(_number: int) -> str:
        folder = built_once(tmp_path_factory, "built-by-one-of-several", build)
        return (folder / "file").read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(need, range(8))) == ["built"] * 8
    # Another process of this test run may have been the first.
    assert len(builds) <= 1


def test_built_once__after_a_failure_is_built_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = f"built-again-{os.getpid()}"

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("a test")

    with pytest.raises(ValueError, match="a test"):
        built_once(tmp_path_factory, name, fail)
    folder = built_once(tmp_path_factory, name, lambda folder: (folder / "whole").touch())
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert built_once(tmp_path_factory, name, fail) == folder
