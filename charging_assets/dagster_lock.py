"""The lock of a Dagster home: one Dagster at a time.

Two daemons on one home would run every schedule twice. The lock is the operating system's
(`flock`): it ends with the processes that hold it, so a file left by a killed process or a process
id that is used again never locks anybody out. The file also says who holds it.

In-process runs (`load`, `demo`, `rebuild`) do not take the lock; they may run next to a Dagster.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from pathlib import Path

from charging_assets.dagster_errors import DagsterHomeError

FILE = "charging-assets.lock"
# The services of a Dagster that was killed notice it and end within seconds.
_ENDING_S, _POLL_INTERVAL_S = 20.0, 0.2
# A process that is just being killed exists for a moment longer.
_DYING_S = 1.0


class DagsterRunning(Exception):
    """Another Dagster uses the home; the message names its process id and address."""


def lock(folder: Path, command: str, address: str) -> int:
    """Lock a Dagster home for this process and what inherits the descriptor.

    Args:
        folder: the home, which exists.
        command, address: what the next one who wants the home is told about this process.

    Returns:
        The file descriptor that holds the lock; closing it in all processes unlocks the home.

    Raises:
        DagsterRunning: another Dagster has the home.
        DagsterHomeError: the lock of another user cannot be read.
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
    """The file to lock; the folder itself where there is no file and none can be made.

    All users of a home lock the same inode, whoever has made the file.

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
        # A lock needs no right to write: only its note of who holds it does.
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # A home that only holds settings may be read-only.
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in refusals:
            raise
        raise DagsterHomeError(
            f"Dagster's home {folder} cannot be locked: {FILE} cannot be read; its owner runs "
            f"`chmod a+r {file}`, or set CHARGING_HOME to use a home of its own"
        ) from error


def _write(descriptor: int, holder: dict[str, object]) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        # The lock holds without it: only the next one's message is poorer.
        return


def _holder(folder: Path) -> dict[str, object]:
    try:
        holder = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_alive(pid: object) -> bool:
    """Whether the process exists. True where nobody is named: waiting would not help."""
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
    # Killed, but whoever started it has not noticed yet.
    return state != b"Z"


def _message(folder: Path, holder: dict[str, object]) -> str:
    other = "set CHARGING_HOME to use a home of its own"
    if "pid" not in holder:
        return f"another Dagster uses {folder}; stop it first, or {other}"
    pid = holder["pid"]
    if not _is_alive(pid):
        return (
            f"process {pid} that used {folder} is gone, but services that it started are still "
            f"running; end them (`fuser {folder / FILE}` lists them), or {other}"
        )
    return (
        f"{holder.get('command')} (process {pid}, {holder.get('address')}) already runs Dagster on "
        f"{folder}; stop it first (kill {pid}), or {other}"
    )
