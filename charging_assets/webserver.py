"""Dagster's web server behind the guard: `python -m charging_assets.webserver`.

It takes the options of `dagster-webserver` and serves the same pages, but only to themselves:
see `charging_assets.guard`.
"""

from __future__ import annotations

import sys
from typing import Any

from charging_assets.guard import AllowedHostError, Guard, allowed_hosts


def main() -> None:
    """Run `dagster-webserver` with its application guarded."""
    from dagster_webserver import cli as module

    try:
        allowed_hosts()
    except AllowedHostError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    cli: Any = module
    make_application = cli.create_app_from_workspace_process_context

    def make_guarded(*args: Any, **kwargs: Any) -> Guard:
        return Guard(make_application(*args, **kwargs))

    # The command line has no option for middleware; it looks this function up in its module.
    cli.create_app_from_workspace_process_context = make_guarded
    cli.main()


if __name__ == "__main__":
    main()
