"""Dagster's home: errors of its SQLite files name the home, the reason and what to do."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

import psycopg2
import pytest
from dagster import DagsterInstance
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from charging_assets.orchestration import dagster_errors, dagster_home
from charging_assets.orchestration.dagster_errors import DagsterHomeError, explain, unusable_path
from charging_assets_tests.cli.shell import Shell


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_PATH = st.text(st.sampled_from("ab%20?#&=+;'\" \\äß:@[]*{}$~-"), min_size=1, max_size=12)


@given(_PATH)
def test_unusable_path__reports_every_path_that_a_url_changes(name: str) -> None:
    folder = Path("/homes") / name
    is_kept = (
        make_url(f"sqlite:///{folder}/history/runs.db").database == f"{folder}/history/runs.db"
    )
    assert (unusable_path(folder) is None) == is_kept


@pytest.mark.parametrize(("name", "part"), [("a%20b", "%20"), ("a%41", "%41"), ("a?b", "?")])
def test_prepare__unusable_path_is_refused_and_nothing_is_created(
    empty: Shell, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(empty.home / name))
    with pytest.raises(DagsterHomeError) as refusal:
        dagster_home.prepare()
    home = empty.home / name / "dagster"
    assert str(refusal.value) == (
        f"Dagster's home {home} cannot be used: its path holds {part}; "
        "set DAGSTER_HOME to another folder"
    )
    assert list(empty.home.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "a#b", "100%", "%(x)s", "ä", "a'b", 'a"b', "$HOME", "-x"])
def test_prepare__odd_path_that_dagster_can_use_is_used(
    empty: Shell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(empty.home / name))
    folder = dagster_home.prepare()
    with DagsterInstance.from_config(str(folder)) as instance:
        assert instance.get_runs_count() == 0
    assert (folder / "history" / "runs.db").is_file()
    assert [path.name for path in empty.home.iterdir()] == [name]


@pytest.mark.parametrize(
    ("settings", "is_refused"),
    [
        ("storage:\n  sqlite:\n    base_dir: /var/lib/plain\n", False),
        ("storage:\n  sqlite:\n    base_dir: /var/lib/a%20b\n", True),
        ("storage:\n  postgres:\n    postgres_url: postgresql://x/y\n", False),
        ("telemetry:\n  enabled: false\n", True),
        (dagster_home._DEFAULT_SETTINGS, True),
        (
            dagster_home._DEFAULT_SETTINGS.replace(
                "max_concurrent_runs: 4", "max_concurrent_runs: 2"
            ),
            True,
        ),
    ],
)
def test_require_usable__checks_the_storage_in_the_settings(
    tmp_path: Path, settings: str, is_refused: bool
) -> None:
    home = tmp_path / "a%20b"
    home.mkdir()
    (home / "dagster.yaml").write_text(settings)
    if is_refused:
        with pytest.raises(DagsterHomeError, match="holds %20"):
            dagster_home.require_usable(home)
    else:
        dagster_home.require_usable(home)


@pytest.mark.parametrize(
    "settings",
    [
        "storage:\n  postgres:\n    postgres_url: postgresql://x/y\n",
        "run_storage:\n  module: a\n  class: B\n",
        "storage:\n  sqlite:\n    base_dir: {env: SOMEWHERE}\n",
        "event_log_storage:\n  module: charging_assets.orchestration.event_storage\n"
        "  class: PooledSqliteEventLogStorage\n  config: {base_dir: /elsewhere}\n",
    ],
)
def test_require_usable__disk_without_storage_is_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    (tmp_path / "dagster.yaml").write_text(settings)
    monkeypatch.setattr(dagster_errors, "_LEAST_FREE_BYTES", 1 << 62)
    dagster_home.require_usable(tmp_path)
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with pytest.raises(DagsterHomeError, match="no room on the disk"):
        dagster_home.require_usable(tmp_path)


def test_prepare__settings_before_the_storage_of_events_are_updated(empty: Shell) -> None:
    folder = dagster_home.prepare()
    settings = folder / "dagster.yaml"
    lines = dagster_home._DEFAULT_SETTINGS.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if "storage of events" in line)
    settings.write_text("".join(lines[:first] + lines[first + 5 :]))
    assert _digest(settings) in dagster_home._FORMER_SETTINGS
    dagster_home.prepare()
    assert settings.read_text() == dagster_home._DEFAULT_SETTINGS


def test_prepare__home_in_a_file_is_refused(empty: Shell) -> None:
    (empty.home / "dagster").write_text("")
    with pytest.raises(DagsterHomeError, match="File exists; set DAGSTER_HOME"):
        dagster_home.prepare()


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db"])
def test_commands__damaged_file_is_named(empty: Shell, name: str) -> None:
    folder = dagster_home.prepare()
    with DagsterInstance.from_config(str(folder)):
        pass
    for path in (folder / name).parent.glob(f"{Path(name).name}-*"):
        path.unlink()
    (folder / name).write_bytes(os.urandom(50_000))
    finding = {each["check"]: each for each in empty.json("doctor")}["dagster"]
    assert finding["state"] == "failed"
    assert f"{name} is damaged; move the folder away" in finding["message"]
    assert finding["remedy"] == ""
    empty.run("simulate", "--hours", "1", "--scale", "0.02")
    assert empty.run("load") == 1
    (line,) = [line for line in empty.err.splitlines() if line.startswith("error: ")]
    assert f"{name} is damaged; move the folder away" in line


def test_doctor__path_that_dagster_cannot_use_fails_with_a_remedy(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_HOME", str(empty.home / "a%20b"))
    finding = {each["check"]: each for each in empty.json("doctor")}["dagster"]
    assert (finding["state"], finding["remedy"]) == ("failed", "")
    assert finding["message"].endswith("; set DAGSTER_HOME to another folder")
    assert "its path holds %20" in finding["message"]


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("database or disk is full", "no room on the disk of Dagster's home"),
        ("database is locked", "close it"),
        ("attempt to write a readonly database", "change their permissions"),
        ("no such table: runs", "move the folder away"),
        ("unable to open database file", "check its permissions"),
        ("something new", "something new; check its permissions, or set DAGSTER_HOME"),
    ],
)
def test_explain__error_of_sqlite_under_another_error_is_one_line(
    tmp_path: Path, message: str, part: str
) -> None:
    try:
        try:
            raise sqlite3.OperationalError(message)
        except sqlite3.Error as cause:
            raise RuntimeError("(Background on this error at: https://example.org)\n") from cause
    except RuntimeError as error:
        line = explain(error, tmp_path)
    assert line is not None
    assert part in line
    assert str(tmp_path) in line
    assert "\n" not in line


def test_explain__other_errors_are_bugs(tmp_path: Path) -> None:
    assert explain(RuntimeError("x"), tmp_path) is None
    assert explain(sqlite3.IntegrityError("UNIQUE constraint failed"), tmp_path) is None


def test_require_room__full_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster_errors.require_room(tmp_path / "not" / "there")
    monkeypatch.setattr(dagster_errors, "_LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(DagsterHomeError, match="no room on the disk"):
        dagster_errors.require_room(tmp_path / "not" / "there")


def test_explain__unreachable_postgres_is_one_line(tmp_path: Path) -> None:
    try:
        psycopg2.connect(host="127.0.0.1", port=1, dbname="x", user="x")
    except psycopg2.OperationalError as error:
        wrapped = RuntimeError("too many retries for DB connection")
        wrapped.__cause__ = error
    line = explain(wrapped, tmp_path)
    assert line is not None
    assert "Dagster's PostgreSQL cannot be used: " in line
    assert "Connection refused" in line
    assert "DAGSTER_POSTGRES_HOST" in line
    assert "\n" not in line
