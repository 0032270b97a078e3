"""`ui`: start Dagster's web UI and daemon on this machine, with the homes of the other commands.

`services` supervises them.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from charging_assets.cli.arguments import port
from charging_assets.cli.errors import UsageError
from charging_assets.cli.ports import require_free
from charging_assets.cli.services import require_short_temporary_folder
from charging_assets.extras import require_extra
from charging_assets.text import count_noun

NAME = "ui"
HELP = "Start Dagster's web UI and daemon on 127.0.0.1, without polling."
_HOST, _PORT = "127.0.0.1", 3000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port, default=_PORT, help="port of the UI (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    return serve(reserve(arguments.port, NAME), arguments.port, live=False)


def reserve(port: int, name: str) -> int:
    """Check what Dagster needs, and lock the home. Call it before any other work.

    Returns:
        The file descriptor of the lock, for `serve`.

    Raises:
        MissingExtra: the web UI is not installed.
        UsageError: the port or TMPDIR cannot be used.
        DagsterRunning: another Dagster uses the home.
    """
    from charging_assets import deployments
    from charging_assets.orchestration import dagster_home, dagster_lock

    require_extra("ui", "the web UI")
    require_short_temporary_folder()
    deployments.storage()
    folder = dagster_home.prepare()
    # The home before the port: the error for the home names the process that uses both.
    lock = dagster_lock.lock(
        folder, f"charging-assets {name} --port {port}", f"http://{_HOST}:{port}"
    )
    try:
        require_free(_HOST, port)
    except UsageError:
        os.close(lock)
        raise
    return lock


def serve(lock: int, port: int, *, live: bool) -> NoReturn:
    """Replace this process by Dagster. If live, schedules are on by default."""
    from charging_assets.orchestration import dagster_home
    from charging_assets.settings import home

    folder = dagster_home.dagster_home()
    # Absolute paths, so that daemon, web server and runs use the same home in any folder.
    os.environ["CHARGING_HOME"] = str(home())
    os.environ["CHARGING_LIVE"] = "1" if live else ""
    command = [sys.executable, "-P", "-W", "ignore", "-m", "charging_assets.cli.services"]
    command += ["supervise", "--host", _HOST, "--port", str(port), "--lock", str(lock)]
    polls = "polls every ten minutes" if live else "no polling; `make live` polls"
    print(f"http://{_HOST}:{port}  (data in {home()}, Dagster in {folder}; {polls})")
    if names := unserved_workspaces(folder):
        print(
            f"note: `charging-assets` does not serve the code locations in {', '.join(names)}; to "
            "serve them, run `python -m charging_assets.webserver` and "
            "`dagster-daemon run` with -w"
        )
    _end_orphaned_runs(folder)
    sys.stdout.flush()
    os.set_inheritable(lock, True)
    # Dagster copies some handlers: a signal ignored here would stay ignored.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(sys.executable, command)  # noqa: S606 - no shell, no user input


def unserved_workspaces(folder: Path) -> list[str]:
    """Workspace files of the checkout and the home that name other code locations."""
    import yaml

    checkout = Path(__file__).resolve().parents[2]
    names = []
    for file in (checkout / "workspace.yaml", folder / "workspace.yaml"):
        try:
            locations = yaml.safe_load(file.read_text(encoding="utf-8"))["load_from"]
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            continue
        if any("charging_assets.definitions" not in str(location) for location in locations):
            names.append(str(file))
    return names


def _end_orphaned_runs(folder: Path) -> None:
    """End runs whose process died, so that they do not block this Dagster."""
    from dagster import DagsterInstance

    from charging_assets.orchestration.orphaned_runs import end_orphaned_runs

    with DagsterInstance.from_config(str(folder)) as instance:
        if lost := end_orphaned_runs(instance):
            print(
                f"ended {count_noun(len(lost), 'orphaned run')}; the next load repeats their work"
            )
