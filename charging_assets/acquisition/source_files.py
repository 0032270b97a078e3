"""Find and read the files of an import: in folders, in zips, compressed.

`.json`, `.json.gz` and `.zip` are read, and zips within a zip. Other files in a folder or a zip are
reported and skipped, except those that macOS adds.

The decompressed size is limited: of each file, and of everything in a folder or zip together,
including zips within zips. Pipes, devices, links to folders and links out of the folder are
reported as problems and never opened.
"""

from __future__ import annotations

import gzip
import hashlib
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
# A file of the original project's 38 cities has 2 MB. The largest known national file has 542 MB;
# its feed sets `max_body_bytes`.
MAX_FILE_BYTES = 256 * 1024**2
# Similar polls compress to 1/100 of their size; a decompression bomb to 1/1000.
_MOST_INFLATION, _FREE_INFLATION = 300, 1024**3
_PIECE = 1024**2
# Compressed bytes that are read beyond the content so far are the read-ahead of some pieces, or
# empty gzip members.
_GZ_PIECE, _MOST_EMPTY = 64 * 1024, 512 * 1024
# A deeper nesting of zips is a decompression bomb, or a zip that contains itself.
_MOST_ZIPS = 2


# A file of a folder or zip: its path in it, and a function that opens it.
_Entry = tuple[str, Callable[[], IO[bytes]]]


class _Refused(Exception):
    """A file is not read; the message states why."""


class _Budget:
    """How many bytes an imported path may be decompressed to: a base plus a share of each file.

    Everything inside a file on disk spends the share of that file, at any depth: otherwise each
    level of zips within zips would multiply the limit.
    """

    def __init__(self) -> None:
        self._left = _FREE_INFLATION

    def add(self, compressed_bytes: int) -> None:
        """Add the share of a file on disk."""
        self._left += _MOST_INFLATION * compressed_bytes

    def spend(self, inflated_bytes: int) -> None:
        """Count decompressed bytes; raises _Refused, without counting, if they exceed the rest."""
        if inflated_bytes > self._left:
            raise _Refused(
                f"inflates to {inflated_bytes:,} bytes or more, and all imported files together to "
                f"over {_MOST_INFLATION} times their size; unpack it and import the folder"
            )
        self._left -= inflated_bytes


class _GzSource:
    """A file for `GzipFile` to read from; raises _Refused if it is almost without content.

    An empty gzip member has 20 bytes, and `GzipFile` skips any number of them in one call.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _MOST_EMPTY

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._left -= len(piece)
        if self._left < 0:
            raise _Refused("is gzip of empty members; decompress it and import the file")
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def count(self, inflated_bytes: int) -> None:
        """Allow as many more compressed bytes as were decompressed."""
        self._left += inflated_bytes


class SourceFile(NamedTuple):
    """A file by its path, including enclosing zips, with its content or its problem.

    A skipped file has neither. `received_sha256` is the hash of a gzip file before decompression.
    """

    path: str
    content: bytes | None = None
    problem: str | None = None
    received_sha256: str | None = None

    @property
    def name(self) -> str:
        """The file's name after decompression."""
        name = PurePath(self.path.replace("\\", "/")).name
        return name[: -len(_GZ)] if name.lower().endswith(_GZ) else name


def read_source_files(path: Path, max_file_bytes: int = MAX_FILE_BYTES) -> Iterator[SourceFile]:
    """Read the files of a folder or a zip; a single file is read whatever its extension.

    `max_file_bytes` limits the decompressed size of each file.
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
        # Links to folders are listed among the folders and not followed: they may form cycles.
        links += [link for name in subfolders if (link := Path(folder, name)).is_symlink()]
    inside = [
        (str(file.relative_to(path)), partial(reader.open_inside, path, file))
        for file in sorted(files)
    ]
    yield from reader.members(str(path), inside, 0, "folder")
    for link in sorted(links):
        yield SourceFile(
            str(link), problem="is a link to a folder; import the folder that it points to by name"
        )
    for error in unread:
        yield SourceFile(str(error.filename), problem=f"cannot be read: {error}")


class _Member(BytesIO):
    """A member of a zip; its size is already counted in the decompressed size of the zip."""


class _Reader:
    def __init__(self, max_file_bytes: int) -> None:
        self._max = max_file_bytes
        self._budget = _Budget()

    def members(
        self, path: str, files: Sequence[_Entry], zips: int, whole: str
    ) -> Iterator[SourceFile]:
        """Read the files of a folder or zip."""
        files = [(inside, open_file) for inside, open_file in files if not _is_of_macos(inside)]
        for inside, open_file in files:
            if _is_supported(inside) and not (_is_zip(inside) and zips >= _MOST_ZIPS):
                yield from self.read(f"{path}/{inside}", open_file, zips)
            else:
                yield SourceFile(f"{path}/{inside}")
        if not any(_is_supported(inside) for inside, _ in files):
            yield SourceFile(path, problem=f"the {whole} has no file of {', '.join(_FORMS)}")

    def read(
        self, path: str, open_file: Callable[[], IO[bytes]], zips: int
    ) -> Iterator[SourceFile]:
        """Read a file, or the files of a zip; errors are yielded as problems."""
        try:
            with open_file() as file:
                if _is_zip(path):
                    yield from self._unzip(path, file, zips + 1)
                elif path.lower().endswith(_GZ):
                    if not isinstance(file, _Member):
                        self._budget.add(file.seek(0, os.SEEK_END))
                    # Twice, so that a decompression bomb is only counted.
                    self._inflate(file, keep=False)
                    content = self._inflate(file, keep=True)
                    yield SourceFile(path, content, received_sha256=_hash_of(file))
                else:
                    yield SourceFile(path, self._read_limited(file, "is", _PIECE, keep=True))
        except _Refused as refused:
            yield SourceFile(path, problem=str(refused))
        except Exception as error:  # zip readers raise many types of errors for damaged files
            reason = str(error) or type(error).__name__
            yield SourceFile(path, problem=f"cannot be read: {reason}")

    def open(self, path: Path) -> IO[bytes]:
        """Open a regular file, of at most the maximum size unless it is a zip."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Refused("is not a regular file; only files, folders and zips are imported")
        if status.st_size > self._max and not _is_zip(path.name):
            raise self._too_large("is")
        return path.open("rb")

    def open_inside(self, folder: Path, path: Path) -> IO[bytes]:
        """Open a regular file of a folder; links must not point out of it."""
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise _Refused("is a link out of the folder; import the file that it points to by name")
        return self.open(path)

    def _unzip(self, path: str, file: IO[bytes], zips: int) -> Iterator[SourceFile]:
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if not isinstance(file, _Member):
                size = sum(member.compress_size for member in members)
                self._budget.add(min(size, file.seek(0, os.SEEK_END)))
            # zipfile raises an error if a member is larger than its header states.
            self._budget.spend(sum(member.file_size for member in members))
            # Old Windows archivers write backslashes.
            inside = [
                (member.filename.replace("\\", "/"), partial(self._open_member, archive, member))
                for member in sorted(members, key=lambda member: member.filename)
            ]
            yield from self.members(path, inside, zips, "zip")

    def _open_member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
        if member.file_size > self._max:
            raise self._too_large("inflates to")
        return _Member(archive.read(member))

    def _inflate(self, file: IO[bytes], *, keep: bool) -> bytes:
        file.seek(0)
        source = _GzSource(file)
        with gzip.GzipFile(fileobj=source, mode="rb") as inflated:

            def count(size: int) -> None:
                source.count(size)
                if not keep:
                    self._budget.spend(size)

            return self._read_limited(inflated, "inflates to", _GZ_PIECE, keep=keep, count=count)

    def _read_limited(
        self,
        file: IO[bytes] | gzip.GzipFile,
        what: str,
        piece_bytes: int,
        *,
        keep: bool,
        count: Callable[[int], None] | None = None,
    ) -> bytes:
        """Read a file, or only count it unless `keep`; raises _Refused beyond the limit."""
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


def _hash_of(file: IO[bytes]) -> str:
    file.seek(0)
    received = hashlib.sha256()
    while piece := file.read(_PIECE):
        received.update(piece)
    return received.hexdigest()


def _is_supported(name: str) -> bool:
    return name.lower().endswith(_FORMS)


def _is_zip(name: str) -> bool:
    return name.lower().endswith(".zip")


def _is_of_macos(path: str) -> bool:
    return "__MACOSX" in PurePath(path).parts or PurePath(path).name.startswith("._")
