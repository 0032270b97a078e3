"""The lock of a Dagster home: only one Dagster may use it.

Two daemons on one home would run every schedule twice. The lock is an operating system lock
(`flock`) and ends with the processes that hold it, so stale files and reused process ids do no
harm. The file also names the process that holds the lock.

In-process runs (`load`, `demo`, `rebuild`) do not take the lock; they may run next to a Dagster.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

from charging_assets.orchestration.dagster_errors import DagsterHomeError

FILE = "charging-assets.lock"
# Services of a killed Dagster end within seconds.
_ENDING_S, _POLL_INTERVAL_S = 20.0, 0.2
# A killed process exists for a moment longer.
_DYING_S = 1.0


class DagsterRunning(Exception):
    """Another Dagster uses the home; the message names its process id and address."""


def lock(folder: Path, command: str, address: str) -> int:
    """Lock a Dagster home for this process and those that inherit the descriptor.

    Args:
        folder: the home; it must exist.
        command, address: of this process, for the error message of other processes.

    Returns:
        The file descriptor that holds the lock; closing it in all processes unlocks the home.

    Raises:
        DagsterRunning: another Dagster uses the home.
        DagsterHomeError: the lock file of another user cannot be read.
    """
    descriptor = _open(folder)
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(descriptor)
                raise
        holder = _holder(folder)
        timeout_s = _DYING_S if _is_alive(holder.get("pid")) else _ENDING_S
        if time.monotonic() - began > timeout_s:
            os.close(descriptor)
            raise DagsterRunning(_message(folder, holder))
        time.sleep(_POLL_INTERVAL_S)
    _write(descriptor, {"pid": os.getpid(), "command": command, "address": address})
    return descriptor


def _open(folder: Path) -> int:
    """Open the file to lock, or the folder if the file is absent and cannot be created.

    All users of a home lock the same inode, independent of the file's owner.

    Raises:
        DagsterHomeError: another user's file cannot be read.
    """
    file, refusals = folder / FILE, (errno.EROFS, errno.EACCES, errno.EPERM)
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in refusals:
            raise
    try:
        # The lock itself needs no write permission, only the note about its holder.
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # A home with nothing but settings may be read-only.
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in refusals:
            raise
        raise DagsterHomeError(
            f"Dagster's home {folder} cannot be locked: {FILE} cannot be read; ask its owner "
            f"to run `chmod a+r {file}`, or set CHARGING_HOME to another folder"
        ) from error


def _write(descriptor: int, holder: dict[str, object]) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        # The lock works without it; only the error message of other processes lacks the holder.
        return


def _holder(folder: Path) -> dict[str, object]:
    try:
        holder = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_alive(pid: object) -> bool:
    """Whether the process exists. True if the id is unknown, since waiting would not help."""
    if not isinstance(pid, int) or pid < 1:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    # A zombie: killed, but not yet reaped by its parent.
    return state != b"Z"


def _message(folder: Path, holder: dict[str, object]) -> str:
    other = "set CHARGING_HOME to another folder"
    if "pid" not in holder:
        return f"another Dagster uses {folder}; stop it first, or {other}"
    pid = holder["pid"]
    if not _is_alive(pid):
        return (
            f"process {pid}, which used {folder}, is gone, but services that it started still run; "
            f"end them (`fuser {folder / FILE}` lists them), or {other}"
        )
    return (
        f"{holder.get('command')} (process {pid}, {holder.get('address')}) already runs Dagster in "
        f"{folder}; stop it first (kill {pid}), or {other}"
    )
