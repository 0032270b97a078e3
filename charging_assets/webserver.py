"""Dagster's web server behind the guard: `python -m charging_assets.webserver`.

It takes the options of `dagster-webserver` and serves the same pages, but only to themselves:
see `charging_assets.guard`.
"""

from __future__ import annotations

from typing import Any

from charging_assets.guard import Guard


def main() -> None:
    """Run `dagster-webserver` with its application guarded."""
    from dagster_webserver import cli as module

    cli: Any = module
    make_application = cli.create_app_from_workspace_process_context

    def make_guarded(*args: Any, **kwargs: Any) -> Guard:
        return Guard(make_application(*args, **kwargs))

    # The command line has no option for middleware; it looks this function up in its module.
    cli.create_app_from_workspace_process_context = make_guarded
    cli.main()


if __name__ == "__main__":
    main()
