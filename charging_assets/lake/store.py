"""The lake: an object store with keys, and its implementation in a local folder.

The other implementation is `s3`. Keys are relative, `/`-separated and consist of
`[A-Za-z0-9._=-]`: a key can never point outside the lake.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from charging_assets.lake.folders import create_hidden, make_private

_KEY = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*")

# The name of a folder, or a name below an object's, is not an object either.
_MISSING_ERRORS = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class LakeError(Exception):
    """A request to the lake failed; the message names the key and the remedy."""


class ObjectMissing(LakeError):
    """No object has the key."""


class Lake(Protocol):
    """An object store with atomic writes: a reader sees a whole object or none."""

    def put_new(self, key: str, body: bytes) -> bool:
        """Write an object that must not exist yet; return False and write nothing if it does."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object, replacing an existing one atomically."""

    def get(self, key: str) -> bytes:
        """The object's bytes; ObjectMissing if there is none."""

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        """The bytes of several objects, in the order of `keys`; ObjectMissing if one is missing."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with `prefix` (which ends in `/`), sorted."""

    def folders(self, prefix: str) -> list[str]:
        """The names one level below `prefix` (which ends in `/`) that hold objects, sorted."""

    def delete(self, key: str) -> None:
        """Delete an object if it exists."""

    def uri(self, key: str) -> str:
        """The location of the object for a person or an engine."""


def is_key(name: str) -> bool:
    """Whether a name in a store is a key of a lake."""
    return _KEY.fullmatch(name) is not None


def validate_key(key: str) -> str:
    """Return the key; raise LakeError if it could point outside the lake."""
    if not is_key(key):
        raise LakeError(f"{key!r} is not a lake key: use [A-Za-z0-9._=-] between single slashes")
    return key


def validate_prefix(prefix: str) -> str:
    """Return the prefix; raise LakeError if it is not a folder of the lake."""
    if not prefix.endswith("/") or not is_key(prefix[:-1]):
        raise LakeError(f"{prefix!r} is not a lake prefix: give a folder's key and a slash")
    return prefix


class LocalLake:
    """A lake in a folder. Objects are complete or absent, also after a crash or a full disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_new(self, key: str, body: bytes) -> bool:
        target = self.root / validate_key(key)
        with self._write_temp_file(target, body) as temp_path:
            try:
                os.link(temp_path, target)
            except FileExistsError:
                return False
        _sync_folder(target.parent)
        return True

    def put(self, key: str, body: bytes) -> None:
        target = self.root / validate_key(key)
        with self._write_temp_file(target, body) as temp_path:
            temp_path.replace(target)
        _sync_folder(target.parent)

    def get(self, key: str) -> bytes:
        try:
            return (self.root / validate_key(key)).read_bytes()
        except _MISSING_ERRORS:
            raise ObjectMissing(f"the lake at {self.root} has no object {key}") from None
        except OSError as error:
            raise LakeError(f"cannot read {self.root / key}: {error.strerror}") from error

    def get_many(self, keys: Iterable[str]) -> list[bytes]:
        return [self.get(key) for key in keys]

    def keys(self, prefix: str) -> list[str]:
        folder = self.root / validate_prefix(prefix)
        paths = (path for path in folder.rglob("*") if not path.name.startswith("."))
        return sorted(str(path.relative_to(self.root)) for path in paths if path.is_file())

    def folders(self, prefix: str) -> list[str]:
        folder = self.root / validate_key(prefix.rstrip("/"))
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def delete(self, key: str) -> None:
        target = self.root / validate_key(key)
        if target.is_file():
            target.unlink(missing_ok=True)

    def uri(self, key: str) -> str:
        return str(self.root / validate_key(key))

    @contextmanager
    def _write_temp_file(self, target: Path, body: bytes) -> Iterator[Path]:
        """Write the bytes durably under a hidden name next to the target."""
        try:
            make_private(self.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            file, temp_path = create_hidden(target.parent, ".writing-")
        except OSError as error:
            raise LakeError(f"cannot write to {target.parent}: {error.strerror}") from error
        try:
            with file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            yield temp_path
        except OSError as error:
            raise LakeError(f"cannot write {target}: {error.strerror}") from error
        finally:
            temp_path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a new name durable: the file's own fsync does not cover its folder's entry."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
