"""Files of answers, wherever they lie: in folders, in zips, compressed.

Belongs here: finding files and reading their bytes. Does not belong here: what is in one
(`imports`).

Read are `.json`, `.json.gz` and `.zip`, and zips within a zip. All else in a folder or a zip is
named and passed over, but for what macOS adds by itself.

What is read is bounded: a file by what it inflates to, and a folder or zip by what everything in it
inflates to, zips within zips included. Pipes, devices, links to folders and links that lead out of
the folder are problems, and are never opened.
"""

from __future__ import annotations

import gzip
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath
from typing import IO, NamedTuple

_FORMS = (".json", ".json.gz", ".zip")
_GZ = ".gz"
# A file of the original project's 38 cities is 2 MB; the largest national file known is 542 MB, and
# its feed sets `max_body_bytes`.
MAX_FILE_BYTES = 256 * 1024**2
# Polls of one form after the other shrink to a hundredth; a bomb shrinks to a thousandth.
_MOST_INFLATION, _FREE_INFLATION = 300, 1024**3
_PIECE = 1024**2
# gzip adds some bytes per part of a file, and content adds more: what is read beyond the content so
# far is the read-ahead of some pieces, or parts that are empty.
_GZ_PIECE, _MOST_EMPTY = 64 * 1024, 512 * 1024
# Zips in zips in zips would be a bomb, or one that contains itself.
_MOST_ZIPS = 2


# A file of a folder or zip: its path in it, and how it is opened.
_Inside = tuple[str, Callable[[], IO[bytes]]]


class _Refused(Exception):
    """A file is not read; the message states why."""


class _Budget:
    """What may be inflated of a path that is imported: some bytes, and more by each file's size.

    Whatever is inside a file of the disk spends what that file has added, at any depth: zips within
    a zip would each inflate to a multiple of another multiple.
    """

    def __init__(self) -> None:
        self._left = _FREE_INFLATION

    def add(self, compressed_bytes: int) -> None:
        """Allow what a file of the disk may inflate to."""
        self._left += _MOST_INFLATION * compressed_bytes

    def spend(self, inflated_bytes: int) -> None:
        """Count what is inflated; refused, and not counted, where it is more than what is left."""
        if inflated_bytes > self._left:
            raise _Refused(
                f"inflates to {inflated_bytes:,} bytes or more, and what is imported with it to "
                f"over {_MOST_INFLATION} times its size; unpack it and import the folder"
            )
        self._left -= inflated_bytes


class _GzSource:
    """A gzip file as `GzipFile` reads it; refused where it has next to no content.

    A part of 20 bytes may be empty, and `GzipFile` skips any number of them before it returns.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _MOST_EMPTY

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _Refused("is gzip of empty parts; unpack it and import the file")
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def count(self, inflated_bytes: int) -> None:
        """Allow as many bytes more to be read as were inflated."""
        self._left += inflated_bytes


class Found(NamedTuple):
    """A file, by its path through the zips it is in: its content, or what is wrong with it.

    Neither of them where it was passed over.
    """

    path: str
    content: bytes | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The file's name, as it is when unpacked."""
        name = PurePath(self.path.replace("\\", "/")).name
        return name[: -len(_GZ)] if name.lower().endswith(_GZ) else name


def found_in(path: Path, max_file_bytes: int = MAX_FILE_BYTES) -> Iterator[Found]:
    """The files of a folder or a zip; a file that is named itself is read whatever its form.

    `max_file_bytes` bounds what each file inflates to.
    """
    reader = _Reader(max_file_bytes)
    if not path.is_dir():
        yield from reader.read(str(path), partial(reader.open, path), 0)
        return
    unread: list[OSError] = []
    files: list[Path] = []
    links: list[Path] = []
    for folder, subfolders, names in os.walk(path, onerror=unread.append):
        files += [Path(folder, name) for name in names]
        # Links to folders are listed among the folders and not followed: they may lead in circles.
        links += [link for name in subfolders if (link := Path(folder, name)).is_symlink()]
    inside = [
        (str(file.relative_to(path)), partial(reader.open_inside, path, file))
        for file in sorted(files)
    ]
    yield from reader.members(str(path), inside, 0, "folder")
    for link in sorted(links):
        yield Found(
            str(link), problem="is a link to a folder; import the folder that it leads to by name"
        )
    for error in unread:
        yield Found(str(error.filename), problem=f"cannot be read: {error}")


class _Member(BytesIO):
    """A member of a zip, whose size counts already as what the zip inflates to."""


class _Reader:
    def __init__(self, max_file_bytes: int) -> None:
        self._max = max_file_bytes
        self._budget = _Budget()

    def members(
        self, path: str, files: Sequence[_Inside], zips: int, whole: str
    ) -> Iterator[Found]:
        """The files of a folder or zip."""
        files = [(inside, opened) for inside, opened in files if not _is_of_macos(inside)]
        for inside, opened in files:
            if _is_read(inside) and not (_is_zip(inside) and zips >= _MOST_ZIPS):
                yield from self.read(f"{path}/{inside}", opened, zips)
            else:
                yield Found(f"{path}/{inside}")
        if not any(_is_read(inside) for inside, _ in files):
            yield Found(path, problem=f"the {whole} has no file of {', '.join(_FORMS)}")

    def read(self, path: str, opened: Callable[[], IO[bytes]], zips: int) -> Iterator[Found]:
        """A file, or the files of a zip; what is wrong with it is yielded as a problem."""
        try:
            with opened() as file:
                if _is_zip(path):
                    yield from self._unzip(path, file, zips + 1)
                elif path.lower().endswith(_GZ):
                    if not isinstance(file, _Member):
                        self._budget.add(file.seek(0, os.SEEK_END))
                    # Twice, so that a bomb is only counted.
                    self._inflate(file, keep=False)
                    yield Found(path, self._inflate(file, keep=True))
                else:
                    yield Found(path, self._bounded(file, "is", _PIECE, keep=True))
        except _Refused as refused:
            yield Found(path, problem=str(refused))
        except Exception as error:  # damage makes readers of zips raise errors of a dozen types
            reason = str(error) or type(error).__name__
            yield Found(path, problem=f"cannot be read: {reason}")

    def open(self, path: Path) -> IO[bytes]:
        """A regular file, whose size is allowed unless it is a zip."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Refused("is not a regular file; only files, folders and zips are imported")
        if status.st_size > self._max and not _is_zip(path.name):
            raise self._too_large("is")
        return path.open("rb")

    def open_inside(self, folder: Path, path: Path) -> IO[bytes]:
        """A regular file of a folder; a link may not lead out of it."""
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise _Refused("is a link out of the folder; import the file that it leads to by name")
        return self.open(path)

    def _unzip(self, path: str, file: IO[bytes], zips: int) -> Iterator[Found]:
        with zipfile.ZipFile(file) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if not isinstance(file, _Member):
                size = sum(member.compress_size for member in members)
                self._budget.add(min(size, file.seek(0, os.SEEK_END)))
            # A member never inflates to more than its header says: that is an error of the zip.
            self._budget.spend(sum(member.file_size for member in members))
            # Windows' own archiver once wrote its own separators.
            inside = [
                (member.filename.replace("\\", "/"), partial(self._open_member, opened, member))
                for member in sorted(members, key=lambda member: member.filename)
            ]
            yield from self.members(path, inside, zips, "zip")

    def _open_member(self, opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        if member.file_size > self._max:
            raise self._too_large("inflates to")
        return _Member(opened.read(member))

    def _inflate(self, file: IO[bytes], *, keep: bool) -> bytes:
        file.seek(0)
        source = _GzSource(file)
        with gzip.GzipFile(fileobj=source, mode="rb") as inflated:

            def count(size: int) -> None:
                source.count(size)
                if not keep:
                    self._budget.spend(size)

            return self._bounded(inflated, "inflates to", _GZ_PIECE, keep=keep, count=count)

    def _bounded(
        self,
        file: IO[bytes] | gzip.GzipFile,
        what: str,
        piece_bytes: int,
        *,
        keep: bool,
        count: Callable[[int], None] | None = None,
    ) -> bytes:
        """A file's content, or nothing where it is only counted; refused beyond the limit."""
        pieces, size = [], 0
        while piece := file.read(piece_bytes):
            size += len(piece)
            if count is not None:
                count(len(piece))
            if size > self._max:
                raise self._too_large(what)
            if keep:
                pieces.append(piece)
        return b"".join(pieces)

    def _too_large(self, what: str) -> _Refused:
        more = "more than " if what != "is" else "larger than "
        return _Refused(
            f"{what} {more}{self._max:,} bytes; `max_body_bytes` of the feed allows larger files"
        )


def _is_read(name: str) -> bool:
    return name.lower().endswith(_FORMS)


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _is_of_macos(path: str) -> bool:
    return "__MACOSX" in PurePath(path).parts or PurePath(path).name.startswith("._")
