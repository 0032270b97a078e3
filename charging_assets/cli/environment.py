"""Prepare the process of a command: output streams and child processes."""

from __future__ import annotations

import os
import sys


def prepare_process() -> None:
    """Make output safe in any locale, and child processes safe in any folder.

    A character that the terminal's encoding lacks is printed as `?`, so that it cannot end a
    command. The same goes for bytes in file names that are not valid text.

    Python puts the current folder first on the module path of `python -m` and `python -c`, which
    start Dagster's run workers and worker pools. A `queue.py` there would replace Python's.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    os.environ["PYTHONSAFEPATH"] = "1"
