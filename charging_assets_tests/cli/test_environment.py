"""The process of a command: any locale, any current folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charging_assets_tests.cli.shell import SECOND

_SHADOWS = (
    "queue",
    "types",
    "pickle",
    "dagster",
    "duckdb",
    "pandas",
    "requests",
    "yaml",
    "sqlite3",
)
_LOCALES = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


def command(
    arguments: list[str], home: Path, folder: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "TMPDIR"}}
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, timeout=300,
        env={**inherited, "CHARGING_HOME": str(home), **environment},
    )  # fmt: skip


def script() -> str:
    return str(Path(sys.executable).parent / "charging-assets")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        *((["status"], locale) for locale in _LOCALES),
        (["doctor"], _LOCALES[2]),
        (["load", "--help"], _LOCALES[0]),
    ],
)
def test_output__character_that_the_locale_lacks_is_replaced(
    loaded_home: Path, tmp_path: Path, environment: dict[str, str], arguments: list[str]
) -> None:
    done = command([script(), *arguments], loaded_home, tmp_path, **environment)
    assert b"Traceback" not in done.stdout + done.stderr
    assert done.returncode == 0


def test_output__error_with_such_a_character_is_one_line(tmp_path: Path) -> None:
    done = command(
        [script(), "load"], tmp_path, tmp_path,
        PYTHONIOENCODING="ascii", CHARGING_FEEDS=str(tmp_path / "äöü.toml"),
    )  # fmt: skip
    import_error = command(
        [script(), "import", str(tmp_path / "äöü.json")], tmp_path, tmp_path,
        PYTHONIOENCODING="ascii",
    )  # fmt: skip
    for result in (done, import_error):
        assert b"Traceback" not in result.stderr
    assert b"???.json" in import_error.stderr


@pytest.mark.parametrize("name", [b"a\xffb", b"a\\b", b"a?b"])
def test_home__path_that_duckdb_misreads_is_refused(tmp_path: Path, name: bytes) -> None:
    home = tmp_path / os.fsdecode(name)
    done = command([script(), "status"], home, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: CHARGING_HOME ")
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.endswith(b"; set CHARGING_HOME to another folder\n")


def test_home__not_ascii_in_another_locale_names_the_remedy(tmp_path: Path) -> None:
    home = tmp_path / "jürgen"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = command([script(), "status"], home, tmp_path, **locale)
    assert done.returncode == 1
    assert b"set PYTHONUTF8=1" in done.stderr
    assert command([script(), "status"], home, tmp_path, LC_ALL="C", PYTHONUTF8="1").returncode == 0


@pytest.fixture
def shadowing(tmp_path: Path) -> Path:
    """A folder with modules of the user's that are called as dependencies are."""
    folder = tmp_path / "shadowing"
    folder.mkdir()
    for name in _SHADOWS:
        (folder / f"{name}.py").write_text(f"raise SystemExit('shadowed by {name}.py')\n")
    for name in ("charging_assets", "sql"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('shadowed by a folder')\n")
    return folder


@pytest.mark.slow
def test_modules__of_the_current_folder_replace_none(
    loaded_home: Path, shadowing: Path, tmp_path: Path
) -> None:
    for arguments in (["status"], ["doctor"], ["load", "--from", SECOND.key]):
        done = command([script(), *arguments], loaded_home, shadowing)
        assert b"shadowed" not in done.stdout + done.stderr
        assert done.returncode == 0, done.stderr


def test_modules__child_processes_do_not_look_in_the_current_folder(
    shadowing: Path, tmp_path: Path
) -> None:
    code = (
        "from charging_assets.cli.environment import prepare_process; prepare_process();"
        "import subprocess, sys, multiprocessing;"
        "subprocess.run([sys.executable, '-c', 'import queue, duckdb'], check=True);"
        "subprocess.run([sys.executable, '-m', 'dagster', '--version'], check=True);"
        "print(multiprocessing.get_context('spawn').Pool(1).map(abs, [-1]))"
    )
    done = command([sys.executable, "-P", "-c", code], tmp_path, shadowing)
    assert b"shadowed" not in done.stdout + done.stderr
    assert b"[1]" in done.stdout


def test_gitignore__covers_what_dagster_leaves_in_a_checkout() -> None:
    from dagster._cli.utils import TMP_DAGSTER_HOME_PREFIX

    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert f"{TMP_DAGSTER_HOME_PREFIX}*/" in ignored
