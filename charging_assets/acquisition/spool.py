"""The spool: polls that could not be archived, kept on this machine until they can.

Belongs here: keeping them, and bringing them into the archive. Does not belong here: polling, or
what an archived poll is (`archive`).

A spooled poll has the key and the bytes that its raw object will have. So bringing it in twice, or
after a PUT whose reply was lost, archives it once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from charging_assets.acquisition.raw_objects import RAW, RawObject
from charging_assets.storage.lake import Lake, LocalLake, ObjectMissing

# So long may be lost on polls that the lake refuses before the rest is left for the next time: a
# lake that is away must not hold up polling.
PATIENCE_S = 30.0


@dataclass
class Drained:
    """What came of draining: keys that are archived now, those that failed and why, how many wait.

    What failed waits too, and so does what was not tried because too much time was lost.
    """

    archived: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: int = 0

    def told(self) -> str:
        """The first poll that failed, why, and how many others did."""
        if not self.failed:
            return ""
        key, why = next(iter(self.failed.items()))
        more = f", and {len(self.failed) - 1} more" if len(self.failed) > 1 else ""
        return f"{key}: {why}{more}"


class Spool:
    """A folder of polls that wait for the archive; whole or absent, also after a crash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._objects = LocalLake(folder)

    def keep(self, poll: RawObject) -> None:
        """Keep a poll until it can be archived."""
        self._objects.put_new(poll.key, poll.blob)

    def waiting(self) -> list[str]:
        """The keys of the polls that wait, sorted; an hour's are together."""
        return self._objects.keys(RAW) if self.folder.is_dir() else []

    def drain(self, lake: Lake, *, patience_s: float = PATIENCE_S) -> Drained:
        """Archive what waits, oldest first; one that fails stays, and the next is tried.

        It ends early when `patience_s` seconds were lost on failures. Nothing is archived twice.
        """
        done, waiting, lost_s = Drained(), self.waiting(), 0.0
        for key in waiting:
            if lost_s > patience_s:
                break
            began = time.monotonic()
            try:
                lake.put_new(key, self._objects.get(key))
                self._objects.delete(key)
            except ObjectMissing:  # another drain was quicker
                continue
            except Exception as error:  # whatever it is, the poll stays where it is safe
                done.failed[key] = f"{type(error).__name__}: {error}"
                lost_s += time.monotonic() - began
                continue
            done.archived.append(key)
        done.waiting = len(self.waiting())
        return done
