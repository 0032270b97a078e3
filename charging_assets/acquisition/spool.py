"""The spool: polls that could not be archived, kept on this machine until they can.

Belongs here: keeping them, and bringing them into the archive. Does not belong here: polling, or
what an archived poll is (`archive`).

A spooled poll has the key and the bytes that its raw object will have. So bringing it in twice, or
after a PUT whose reply was lost, archives it once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from charging_assets.acquisition.archive import RAW, RawObject
from charging_assets.storage.lake import Lake, LocalLake


@dataclass
class Drained:
    """What came of draining: keys that are archived now, how many wait, and why."""

    archived: list[str] = field(default_factory=list)
    waiting: int = 0
    reason: str = ""


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

    def drain(self, lake: Lake) -> Drained:
        """Archive what waits, oldest first, until the lake refuses. Nothing is archived twice."""
        done, waiting = Drained(), self.waiting()
        for key in waiting:
            try:
                lake.put_new(key, self._objects.get(key))
            except Exception as error:  # whatever it is, the poll stays where it is safe
                done.reason = f"{type(error).__name__}: {error}"
                break
            self._objects.delete(key)
            done.archived.append(key)
        done.waiting = len(waiting) - len(done.archived)
        return done
