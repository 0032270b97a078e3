"""The command line, `charging-assets`: everything that is done by hand.

Belongs here: the parser, and how errors are told. One module a command holds its arguments and
what it does; `show` holds how things look. Does not belong here: anything that another module
would need; the command line is above all of them.

Modules of this package import nothing heavy when they are loaded, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from charging_assets import __version__, interrupts
from charging_assets.cli import (
    accepting,
    compacting,
    dashboard,
    demo,
    doctor,
    draining,
    importing,
    live,
    loading,
    rebuilding,
    simulating,
    status,
    ui,
)
from charging_assets.cli.environment import prepare_process
from charging_assets.cli.errors import exit_code, message
from charging_assets.text import escape_control

_COMMANDS = (
    importing, simulating, loading, rebuilding, status, doctor, live, ui, dashboard, demo,
    accepting, draining, compacting,
)  # fmt: skip
_DESCRIPTION = """\
Public EV-charging APIs, archived and modelled as Dagster assets.
Data lives in CHARGING_HOME (default: .charging in the current folder)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0 if all went well, 1 if something did not, 2 if it was asked wrongly, 130 after SIGINT, 143
    after SIGTERM, 141 if nobody reads the output.
    """
    prepare_process()
    chosen = _parser().parse_args(arguments)
    # Whoever passes arguments, a test or a notebook, is not to be ended with the command.
    with interrupts.handle_signals(owns_process=arguments is None):
        try:
            code = _run(chosen)
            interrupts.raise_if_received()
        except KeyboardInterrupt as error:
            interrupts.report()
            return error.exit_code if isinstance(error, interrupts.Interrupted) else 130
    return code


def _run(chosen: argparse.Namespace) -> int:
    try:
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does; Python must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        interrupts.raise_if_received()  # what it has caused is no error
        known = exit_code(error)
        if known is None or chosen.debug:
            raise
        print(f"error: {escape_control(message(error))}", file=sys.stderr)
        return known
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="charging-assets",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        own = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(own)
        own.add_argument("--debug", action="store_true", help="show the traceback of an error")
        own.set_defaults(run=command.run)
    return parser
