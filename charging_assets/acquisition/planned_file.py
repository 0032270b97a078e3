"""A file of an import: its place and time, or why it cannot be archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from charging_assets.acquisition.import_contents import Contents
from charging_assets.acquisition.import_paths import PathReading


@dataclass
class PlannedFile:
    """A file of an import: its place and time, or why it cannot be archived.

    `place` is set for single answers only. `problem` concerns the file, `doubt` the whole import.
    """

    path: str
    name: str
    digest: bytes = b""
    contents: Contents | None = None
    reading: PathReading | None = None
    slot_at: datetime | None = None
    place: str | None = None
    problem: str | None = None
    doubt: str | None = None
    is_skipped: bool = False

    @property
    def is_importable(self) -> bool:
        return self.slot_at is not None and not self.problem and not self.doubt

    @property
    def slugs(self) -> tuple[str, ...]:
        if self.contents is None:
            return ()
        return (str(self.place),) if self.contents.slugs is None else self.contents.slugs

    @property
    def is_single(self) -> bool:
        return self.contents is not None and self.contents.slugs is None and not self.problem
