"""Create the folders and files of a home: folders are private, files follow the umask."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import BinaryIO


def make_private(folder: Path) -> None:
    """Create a folder and its missing parents, for their owner only (0700).

    An existing folder keeps its mode: its owner may have chosen to share it.

    Raises:
        OSError: the folder cannot be created.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not missing:
        folder.mkdir(exist_ok=True)  # refuses a file of that name


def create_hidden(folder: Path, prefix: str) -> tuple[BinaryIO, Path]:
    """Create a file with a hidden name, open for writing, with a mode that follows the umask.

    `tempfile` is not used because it ignores the umask: nobody else could read the file.

    Raises:
        OSError: the file cannot be created.
    """
    path = folder / f"{prefix}{secrets.token_hex(8)}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    return os.fdopen(handle, "wb"), path
