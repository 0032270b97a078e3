"""Dagster's web server behind the guard: `python -m charging_assets.webserver`.

It takes the options of `dagster-webserver` and serves the same pages, but only to themselves:
see `charging_assets.guard`.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NoReturn

from charging_assets.allowed_hosts import AllowedHostError, allowed_hosts
from charging_assets.extras import MissingExtra, require_extra


def _exit(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


# Without a limit, uvicorn waits for open requests for as long as their clients like.
_OPEN_REQUESTS_S = 3


def main() -> None:
    """Run `dagster-webserver` with its application guarded, and with an end to its shutdown.

    Exit code 2 without the extra `ui`, and where `CHARGING_ALLOWED_HOSTS` cannot be used.
    """
    try:
        require_extra("ui", "the web UI")
        from charging_assets.guard import Guard
    except MissingExtra as error:
        _exit(error)
    try:
        allowed_hosts()
    except AllowedHostError as error:
        _exit(error)
    from dagster_webserver import cli as module

    cli: Any = module
    make_application = cli.create_app_from_workspace_process_context

    def make_guarded(*args: Any, **kwargs: Any) -> Guard:
        return Guard(make_application(*args, **kwargs))

    # The command line has no option for middleware; it looks this function up in its module.
    cli.create_app_from_workspace_process_context = make_guarded
    # Nor has it one for uvicorn's settings.
    cli.uvicorn.run = functools.partial(cli.uvicorn.run, timeout_graceful_shutdown=_OPEN_REQUESTS_S)
    cli.main()


if __name__ == "__main__":
    main()
