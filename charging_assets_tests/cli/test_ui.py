"""`ui`: Dagster on this machine alone, in a home that is the user's."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest
from dagster import DagsterInstance

from charging_assets.cli import live
from charging_assets.cli.ui import unserved_workspaces
from charging_assets.orchestration import dagster_home
from charging_assets.settings import DeploymentError
from charging_assets_tests.cli.shell import Shell
from charging_assets_tests.cli.test_ports import free_port


def test_ui__starts_dagster_on_this_machine_alone_and_polls_nothing(
    empty: Shell, became: list[list[str]]
) -> None:
    free = str(free_port())
    empty.run("ui", "--port", free)
    ((_, *options, supervise, host_option, host, port_option, port, _, _),) = became
    assert "-P" in options
    assert (supervise, host_option, host, port_option, port) == (
        "supervise", "--host", "127.0.0.1", "--port", free,
    )  # fmt: skip
    assert os.environ["CHARGING_LIVE"] == ""
    assert os.environ["DAGSTER_HOME"] == str(empty.home / "dagster")


def test_dagster_home__is_created_and_user_changes_are_kept(empty: Shell) -> None:
    settings = dagster_home.prepare() / dagster_home.SETTINGS
    with DagsterInstance.from_config(str(settings.parent)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert instance.get_concurrency_config().pool_config.default_pool_limit == 1
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_max_runtime_seconds == 3600
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 4
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60
    settings.write_text("telemetry:\n  enabled: false\n")
    dagster_home.prepare()
    assert settings.read_text() == "telemetry:\n  enabled: false\n"


def test_dagster_home__chosen_by_the_user_is_not_changed(
    empty: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "chosen"
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with pytest.raises(DeploymentError, match="is not a directory"):
        dagster_home.prepare()
    home.mkdir()
    assert dagster_home.prepare() == home
    assert list(home.iterdir()) == []


def test_unserved_workspaces__are_those_that_name_other_locations(tmp_path: Path) -> None:
    file = tmp_path / "workspace.yaml"
    checkout_file = (Path(__file__).parents[2] / "workspace.yaml").read_text("utf-8")
    for text, names in (
        (checkout_file, []),
        ("load_from: [", []),
        ("", []),
        (f"{checkout_file}  - python_module: theirs\n", [str(file)]),
        ("load_from:\n  - python_file: theirs.py\n", [str(file)]),
    ):
        file.write_text(text, encoding="utf-8")
        assert unserved_workspaces(tmp_path) == names


@pytest.mark.parametrize("length", [84, 85, 97, 200])
@pytest.mark.parametrize("command", ["ui", "live"])
def test_ui__temporary_folder_with_a_path_too_long_for_sockets_is_refused(
    empty: Shell,
    became: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    length: int,
) -> None:
    monkeypatch.setattr(live, "_poll", lambda *_: ([], {}))
    with tempfile.TemporaryDirectory() as short:
        folder = Path(short) / ("x" * (length - len(short) - 1))
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        code = empty.run(command, "--port", str(free_port()))
        with (
            tempfile.TemporaryDirectory(prefix="charging-") as made,
            socket.socket(socket.AF_UNIX) as server,
        ):
            if length > 84:
                assert code == 2
                assert f"{folder} is {length - 84} bytes too long" in empty.err
                assert "set TMPDIR to a shorter path" in empty.err
                assert became == []
                with pytest.raises(OSError, match="too long"):
                    server.bind(f"{made}/code")
            else:
                assert len(became) == 1
                server.bind(f"{made}/code")
