"""Files of answers, wherever they lie: in folders, in zips, compressed.

Belongs here: finding files and reading their bytes. Does not belong here: what is in one
(`imports`).

Read are `.json`, `.json.gz` and `.zip`, and zips within a zip. All else in a folder or a zip is
named and passed over, but for what macOS adds by itself.
"""

from __future__ import annotations

import gzip
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath
from typing import IO, NamedTuple

_FORMS = (".json", ".json.gz", ".zip")
_GZ = ".gz"
# Zips in zips in zips would be a bomb, or one that holds itself.
_MOST_ZIPS = 2


# A file of a folder or zip: its path in it, and how it is opened.
_Inside = tuple[str, Callable[[], IO[bytes]]]


class Found(NamedTuple):
    """A file, by its path through the zips it is in: its content, or what is wrong with it.

    Neither of them where it was passed over.
    """

    path: str
    content: bytes | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The file's own name, as it is when unpacked."""
        name = PurePath(self.path.replace("\\", "/")).name
        return name[: -len(_GZ)] if name.lower().endswith(_GZ) else name


def found_in(path: Path) -> Iterator[Found]:
    """The files of a folder or a zip; a file that is named itself is read whatever its form."""
    if not path.is_dir():
        yield from _read(str(path), partial(_opened, path), 0)
        return
    unread: list[OSError] = []
    folders = os.walk(path, onerror=unread.append)
    files = sorted(Path(folder, name) for folder, _, names in folders for name in names)
    inside = [(str(file.relative_to(path)), partial(_opened, file)) for file in files]
    yield from _members(str(path), inside, 0, "folder")
    for error in unread:
        yield Found(str(error.filename), problem=f"cannot be read: {error}")


def _members(path: str, files: Sequence[_Inside], zips: int, whole: str) -> Iterator[Found]:
    """The files of a folder or zip."""
    files = [(inside, opened) for inside, opened in files if not _is_of_macos(inside)]
    for inside, opened in files:
        if _is_read(inside) and not (_is_zip(inside) and zips >= _MOST_ZIPS):
            yield from _read(f"{path}/{inside}", opened, zips)
        else:
            yield Found(f"{path}/{inside}")
    if not any(_is_read(inside) for inside, _ in files):
        yield Found(path, problem=f"the {whole} has no file of {', '.join(_FORMS)}")


def _read(path: str, opened: Callable[[], IO[bytes]], zips: int) -> Iterator[Found]:
    try:
        with opened() as file:
            if _is_zip(path):
                yield from _zipped(path, file, zips + 1)
            elif path.lower().endswith(_GZ):
                yield Found(path, gzip.decompress(file.read()))
            else:
                yield Found(path, file.read())
    except Exception as error:  # damage makes readers of zips raise errors of a dozen types
        yield Found(path, problem=f"cannot be read: {error or type(error).__name__}")


def _zipped(path: str, file: IO[bytes], zips: int) -> Iterator[Found]:
    with zipfile.ZipFile(file) as opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        # Windows' own archiver once wrote its own separators.
        inside = [
            (member.filename.replace("\\", "/"), partial(_unpacked, opened, member))
            for member in sorted(members, key=lambda member: member.filename)
        ]
        yield from _members(path, inside, zips, "zip")


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")


def _unpacked(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    return BytesIO(opened.read(member))


def _is_read(name: str) -> bool:
    return name.lower().endswith(_FORMS)


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _is_of_macos(path: str) -> bool:
    return "__MACOSX" in PurePath(path).parts or PurePath(path).name.startswith("._")
