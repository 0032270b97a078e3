"""Folders and files of a home: private by default, otherwise as the umask has it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner alone (0700).

    A folder that is there keeps its mode: whoever made it may want others to read.

    Raises:
        OSError: it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not missing:
        folder.mkdir(exist_ok=True)  # refuses a file of that name


def create_hidden(folder: Path, prefix: str) -> tuple[BinaryIO, Path]:
    """A new file under a hidden name, with the mode that the umask leaves, open for writing.

    `tempfile` makes files that nobody else can read, whatever the umask is.

    Raises:
        OSError: it cannot be made.
    """
    path = folder / f"{prefix}{secrets.token_hex(8)}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    return os.fdopen(handle, "wb"), path
