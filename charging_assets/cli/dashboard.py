"""`dashboard`: the pages over what is loaded.

Belongs here: starting the web server. Does not belong here: what it serves (`dashboard`).
"""

from __future__ import annotations

import argparse
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from charging_assets.cli.arguments import port
from charging_assets.cli.errors import UsageError
from charging_assets.cli.ports import listen
from charging_assets.extras import require_extra

if TYPE_CHECKING:
    from charging_assets.deployments import Storage

NAME = "dashboard"
HELP = "Serve the dashboard on 127.0.0.1: maps and curves over what is loaded; reads only."
_HOST, _PORT = "127.0.0.1", 3001
# For a locked warehouse the start does not wait.
_WAIT_S = 2.0
# How long pages that are being made may take once a signal has come.
_LAST_PAGES_S = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=_PORT, help="default %(default)s")


def run(arguments: argparse.Namespace) -> int:
    require_extra("dashboard", "the dashboard")
    import uvicorn

    from charging_assets import deployments
    from charging_assets.allowed_hosts import AllowedHostError
    from charging_assets.dashboard.drawing import warm_up
    from charging_assets.dashboard.reader import reader_of
    from charging_assets.dashboard.server import application

    storage = deployments.storage()
    reader = reader_of(storage)
    try:
        site = application(reader)
    except AllowedHostError as error:
        raise UsageError(str(error)) from error
    server = listen(_HOST, arguments.port)
    print(f"http://{_HOST}:{arguments.port}  (reads {reader.describe()})", flush=True)
    _note_other_generation(storage)
    # Altair and the engine that draws take seconds to load; no reader should wait for them.
    threading.Thread(target=warm_up, daemon=True).start()
    config = uvicorn.Config(
        site, log_level="warning", server_header=False,
        timeout_graceful_shutdown=_LAST_PAGES_S,
    )  # fmt: skip
    # The socket that is listening already: nobody can take the port while the server starts.
    uvicorn.Server(config).run(sockets=[server])
    return 0


def _note_other_generation(storage: Storage) -> None:
    """Pages read published files, which are those of the former warehouse until it is reloaded.

    Of a warehouse in a file alone: a query would wake Redshift Serverless, which is billed, and
    the start would wait for it. `status` and `doctor` report its generation.
    """
    from charging_assets.cli.overview import other_generation
    from charging_assets.storage.warehouse import WarehouseError
    from charging_assets.storage.warehouse_duckdb import DuckDBWarehouse, impatient

    if not isinstance(storage.warehouse, DuckDBWarehouse):
        return
    with suppress(WarehouseError):  # locked, or not there: pages do not need it
        if note := other_generation(impatient(storage.warehouse, _WAIT_S)):
            print(f"note: {note}; until then pages show what was published before", flush=True)
