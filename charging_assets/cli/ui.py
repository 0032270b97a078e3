"""`ui`: Dagster's web UI and daemon, in place of this process.

Belongs here: starting them on this machine alone, with the same homes as every other command.
Does not belong here: what they run (`definitions`), or how they are watched (`services`).
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
from charging_assets.plurals import counted

NAME = "ui"
HELP = "Open Dagster's web UI and daemon on 127.0.0.1; nothing is polled."
_HOST, _PORT = "127.0.0.1", 3000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=_PORT, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    return serve(reserve(arguments.port, NAME), arguments.port, live=False)


def reserve(port: int, name: str) -> int:
    """Check everything that a Dagster on this home needs, and lock the home.

    To be called before a command does any other work.

    Returns:
        The file descriptor of the lock, for `serve`.

    Raises:
        MissingExtra: the web UI is not installed.
        UsageError: the port or TMPDIR cannot be used.
        DagsterRunning: another Dagster has the home.
    """
    from charging_assets import dagster_home, dagster_lock, deployments

    require_extra("ui", "the web UI")
    require_short_temporary_folder()
    deployments.storage()
    folder = dagster_home.prepare()
    # The home first: of two on one home and port, the second learns the process of the first.
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
    """Become Dagster. If live, the schedules run without being switched on by hand."""
    from charging_assets import dagster_home, deployments

    folder = dagster_home.dagster_home()
    # Whole paths, so that daemon, web server and runs agree wherever they are started.
    os.environ["CHARGING_HOME"] = str(deployments.home())
    os.environ["CHARGING_LIVE"] = "1" if live else ""
    command = [sys.executable, "-P", "-W", "ignore", "-m", "charging_assets.cli.services"]
    command += ["supervise", "--host", _HOST, "--port", str(port), "--lock", str(lock)]
    polls = "polls every ten minutes" if live else "polls nothing; `make live` does"
    print(f"http://{_HOST}:{port}  (data in {deployments.home()}, Dagster in {folder}; {polls})")
    if names := unserved_workspaces(folder):
        print(
            f"note: code locations of {', '.join(names)} are not served by `charging-assets`; "
            "for these, run `python -m charging_assets.webserver` and `dagster-daemon run` with -w"
        )
    _end_lost_runs(folder)
    sys.stdout.flush()
    os.set_inheritable(lock, True)
    # Dagster sets its own, but some it copies: what is ignored here, it would ignore for good.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(sys.executable, command)  # noqa: S606 - no shell, and nothing of it comes from outside


def unserved_workspaces(folder: Path) -> list[str]:
    """Workspace files of the checkout and of a home that name more than this project's location."""
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


def _end_lost_runs(folder: Path) -> None:
    """Nothing of a Dagster before may hold up this one, after a power cut or a kill."""
    from dagster import DagsterInstance

    from charging_assets.automation.lost_runs import end_lost_runs

    with DagsterInstance.from_config(str(folder)) as instance:
        if lost := end_lost_runs(instance):
            print(f"{counted(len(lost), 'lost run')} ended; what was left undone is healed")
