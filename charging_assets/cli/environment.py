"""What a command needs of its process before it does anything: streams and child processes."""

from __future__ import annotations

import os
import sys


def prepare_process() -> None:
    """Make output safe in any locale, and child processes safe in any folder.

    A character that the terminal's encoding lacks is printed as `?`: it must not end a command. So
    are bytes of file names that are no text.

    Python puts the current folder first on the module path of `python -m` and `python -c`, as
    Dagster's run workers and worker pools are started: a `queue.py` there would replace Python's.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    os.environ["PYTHONSAFEPATH"] = "1"
