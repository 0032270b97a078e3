"""`dashboard`: start the web server of the dashboard."""

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
HELP = "Serve the dashboard on 127.0.0.1: maps and charts of the loaded data, read-only."
_HOST, _PORT = "127.0.0.1", 3001
# The start does not wait longer for a locked warehouse.
_LOCK_TIMEOUT_S = 2.0
# How long pages in progress may take after a signal.
_SHUTDOWN_TIMEOUT_S = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=port, default=_PORT, help="port of the dashboard (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    require_extra("dashboard", "the dashboard")
    import uvicorn

    from charging_assets import deployments
    from charging_assets.dashboard.drawing import warm_up
    from charging_assets.dashboard.reader import make_reader
    from charging_assets.dashboard.server import create_app
    from charging_assets.settings import AllowedHostError

    storage = deployments.storage()
    reader = make_reader(storage)
    try:
        site = create_app(reader)
    except AllowedHostError as error:
        raise UsageError(str(error)) from error
    server = listen(_HOST, arguments.port)
    print(f"http://{_HOST}:{arguments.port}  (reads {reader.describe()})", flush=True)
    _note_other_generation(storage)
    # Altair and its renderer take seconds to load; no reader should wait for them.
    threading.Thread(target=warm_up, daemon=True).start()
    config = uvicorn.Config(
        site, log_level="warning", server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
    )  # fmt: skip
    # This socket is listening already, so no other process can take the port meanwhile.
    uvicorn.Server(config).run(sockets=[server])
    return 0


def _note_other_generation(storage: Storage) -> None:
    """Print a note if the warehouse is of another generation.

    Until it is reloaded, pages read the files that the former warehouse published. Only DuckDB is
    checked: a query would wake Redshift Serverless, which costs money and delays the start.
    `status` and `doctor` report its generation.
    """
    from charging_assets.cli.overview import other_generation
    from charging_assets.warehouse.duckdb.warehouse import DuckDBWarehouse, with_lock_timeout
    from charging_assets.warehouse.interface import WarehouseError

    if not isinstance(storage.warehouse, DuckDBWarehouse):
        return
    with suppress(WarehouseError):  # locked or absent: pages do not need it
        if note := other_generation(with_lock_timeout(storage.warehouse, _LOCK_TIMEOUT_S)):
            print(
                f"note: {note}; until then the pages show the previously published files",
                flush=True,
            )
