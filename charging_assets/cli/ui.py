"""`ui`: Dagster's web UI and daemon, in place of this process.

Belongs here: starting them on this machine alone, with the same homes as every other command.
Does not belong here: what they run (`definitions`).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from charging_assets.cli.arguments import port
from charging_assets.cli.errors import UsageError
from charging_assets.plurals import counted

NAME = "ui"
HELP = "Open Dagster's web UI and daemon on 127.0.0.1; nothing is polled."
_HOST, _PORT = "127.0.0.1", 3000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=_PORT, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    return serve(arguments.port, live=False)


def serve(port: int, *, live: bool) -> NoReturn:
    """Become `dagster dev`. If live, the schedules run without being switched on by hand."""
    from charging_assets import dagster_home, deployments

    if importlib.util.find_spec("dagster_webserver") is None:
        raise UsageError(
            "the web UI is not installed; `make install` in a checkout, or "
            "`pip install 'charging-assets[ui]'`"
        )
    deployments.storage()
    folder = dagster_home.prepare()
    # Whole paths, so that daemon, web server and runs agree wherever they are started.
    os.environ["CHARGING_HOME"] = str(deployments.home())
    os.environ["CHARGING_LIVE"] = "1" if live else ""
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev"]
    command += ["--workspace", str(dagster_home.workspace_file())]
    command += ["--host", _HOST, "--port", str(port)]
    polls = "polls every ten minutes" if live else "polls nothing; `make live` does"
    print(f"http://{_HOST}:{port}  (data in {deployments.home()}, Dagster in {folder}; {polls})")
    _end_lost_runs(folder)
    sys.stdout.flush()
    # A script that starts us with `&` has us ignore interrupts, and Dagster would ignore the end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.execv(sys.executable, command)  # noqa: S606 - no shell, and nothing of it comes from outside


def _end_lost_runs(folder: Path) -> None:
    """Nothing of a Dagster before may hold up this one, after a power cut or a kill."""
    from dagster import DagsterInstance

    from charging_assets.automation.lost_runs import end_lost_runs

    with DagsterInstance.from_config(str(folder)) as instance:
        if lost := end_lost_runs(instance):
            print(f"{counted(len(lost), 'lost run')} ended; what was left undone is healed")
