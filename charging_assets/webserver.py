"""Dagster's web server behind the guard: `python -m charging_assets.webserver`.

It has the options and pages of `dagster-webserver`, but refuses requests of other sites, see
`charging_assets.guard`.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, NoReturn

from charging_assets.allowed_hosts import allowed_hosts
from charging_assets.extras import MissingExtra, require_extra
from charging_assets.settings import AllowedHostError


def _exit(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


# Without a limit, uvicorn waits for open requests without end.
_SHUTDOWN_TIMEOUT_S = 3


def main() -> None:
    """Run `dagster-webserver` behind the guard, with a shutdown timeout.

    Exit code 2 without the extra `ui`, or if `CHARGING_ALLOWED_HOSTS` is invalid.
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

    # `dagster-webserver` has no option for middleware, so replace its application factory.
    cli.create_app_from_workspace_process_context = make_guarded
    # It has no option for uvicorn's settings either.
    cli.uvicorn.run = functools.partial(
        cli.uvicorn.run, timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S
    )
    cli.main()


if __name__ == "__main__":
    main()
