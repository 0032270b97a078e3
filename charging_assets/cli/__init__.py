"""The command line, `charging-assets`.

Belongs here: the parser and how errors are printed. Each command has one module with its arguments
and its code; `show` formats output. Does not belong here: anything that other packages need; none
of them imports the command line.

Modules of this package import heavy packages late, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from charging_assets import __version__, interrupts
from charging_assets.cli import (
    accept_gap,
    compact,
    dashboard,
    demo,
    doctor,
    drain,
    import_files,
    live,
    load,
    rebuild,
    simulate,
    status,
    ui,
)
from charging_assets.cli.environment import prepare_process
from charging_assets.cli.errors import error_line, exit_code
from charging_assets.text import escape_control

_COMMANDS = (
    import_files, simulate, load, rebuild, status, doctor, live, ui, dashboard, demo,
    accept_gap, drain, compact,
)  # fmt: skip
_DESCRIPTION = """\
Public EV-charging APIs, archived and modelled as Dagster assets.
Data lives in CHARGING_HOME (default: .charging in the current folder)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: success. 1: something failed. 2: wrong usage, settings or environment. 130: SIGINT. 143:
    SIGTERM. 141: the reader of the output is gone.
    """
    prepare_process()
    chosen = _parser().parse_args(arguments)
    # A caller that passes arguments, such as a test or a notebook, must outlive the command.
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
        # The reader of our output is gone (`| head`); Python must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        interrupts.raise_if_received()  # the signal caused the error
        code_of_error = exit_code(error)
        if code_of_error is None or chosen.debug:
            raise
        print(f"error: {escape_control(error_line(error))}", file=sys.stderr)
        return code_of_error
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
        subparser = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
        subparser.set_defaults(run=command.run)
    return parser
