"""The spool: a local folder of polls that could not be archived yet.

A spooled poll has the key and the bytes of its raw object. So a poll that is drained twice, or
again after a PUT whose reply was lost, is archived once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from charging_assets.archive.raw_objects import RAW, RawObject
from charging_assets.lake.store import Lake, LocalLake, ObjectMissing

# A drain ends after this time spent on failures; the rest waits for the next drain. A lake that is
# not reachable must not delay polling.
MAX_FAILURE_S = 30.0


@dataclass
class DrainResult:
    """Result of a drain: archived keys, failed keys with the error, number of polls still waiting.

    Failed polls keep waiting, as do those not attempted because failures took too long.
    """

    archived: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: int = 0

    def summary(self) -> str:
        """The first poll that failed, its error, and how many others failed."""
        if not self.failed:
            return ""
        key, error = next(iter(self.failed.items()))
        more = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        return f"{key}: {error}{more}"


class Spool:
    """A folder of polls that wait for the archive; after a crash each is complete or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = LocalLake(folder)

    def keep(self, poll: RawObject) -> None:
        """Keep a poll until it can be archived."""
        self._objects.put_new(poll.key, poll.blob)

    def waiting(self) -> list[str]:
        """The keys of the waiting polls, sorted, so that those of an hour are adjacent."""
        return self._objects.keys(RAW) if self.folder.is_dir() else []

    def drain(self, lake: Lake, *, max_failure_s: float = MAX_FAILURE_S) -> DrainResult:
        """Archive the waiting polls, oldest first; a poll that fails stays in the spool.

        Ends early after `max_failure_s` seconds spent on failures. Nothing is archived twice.
        """
        result, waiting, failure_s = DrainResult(), self.waiting(), 0.0
        for key in waiting:
            if failure_s > max_failure_s:
                break
            began = time.monotonic()
            try:
                lake.put_new(key, self._objects.get(key))
                self._objects.delete(key)
            except ObjectMissing:  # drained by another process
                continue
            except Exception as error:  # whatever failed, the poll stays in the spool
                result.failed[key] = f"{type(error).__name__}: {error}"
                failure_s += time.monotonic() - began
                continue
            result.archived.append(key)
        result.waiting = len(self.waiting())
        return result
