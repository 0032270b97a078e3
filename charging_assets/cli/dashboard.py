"""`dashboard`: the pages over what is loaded.

Belongs here: starting the web server. Does not belong here: what it serves (`dashboard`).
"""

from __future__ import annotations

import argparse
import importlib.util
import threading

from charging_assets.cli.arguments import port
from charging_assets.cli.errors import UsageError

NAME = "dashboard"
HELP = "Serve the dashboard on 127.0.0.1: maps and curves over what is loaded; reads only."
_HOST, _PORT = "127.0.0.1", 3001


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=_PORT, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    missing = [
        name
        for name in ("altair", "duckdb_engine", "jinja2", "starlette", "uvicorn", "vl_convert")
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise UsageError(
            f"the dashboard is not installed (there is no {missing[0]}); `make install` in a "
            "checkout, or `pip install 'charging-assets[dashboard]'`"
        )
    import uvicorn

    from charging_assets import deployments
    from charging_assets.dashboard.drawing import warm_up
    from charging_assets.dashboard.reader import reader_of
    from charging_assets.dashboard.server import application

    reader = reader_of(deployments.storage())
    print(f"http://{_HOST}:{arguments.port}  (reads {reader.describe()})", flush=True)
    # Altair and the engine that draws take seconds to load; no reader should wait for them.
    threading.Thread(target=warm_up, daemon=True).start()
    uvicorn.run(
        application(reader), host=_HOST, port=arguments.port, log_level="warning",
        server_header=False,
    )  # fmt: skip
    return 0
