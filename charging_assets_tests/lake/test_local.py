"""A lake in a folder: objects are durable before they are visible, also on a full disk."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from charging_assets.lake.store import LakeError, LocalLake, ObjectMissing


@pytest.fixture
def local(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


def all_files(local: LocalLake) -> list[str]:
    return sorted(path.name for path in local.root.rglob("*") if path.is_file())


def test_keys__leave_out_what_a_killed_writer_left(local: LocalLake) -> None:
    local.put("raw/a", b"x")
    (local.root / "raw" / ".writing-killed").write_bytes(b"half")
    assert local.keys("raw/") == ["raw/a"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A full disk, by the kernel: a write beyond `size` fails as it would there."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("method", ["put_new", "put"])
def test_write__without_room_is_an_error_and_leaves_nothing(local: LocalLake, method: str) -> None:
    with files_of_at_most(64 * 1024), pytest.raises(LakeError, match=r"cannot write .*raw/a"):
        getattr(local, method)("raw/a", b"x" * 1_000_000)
    assert all_files(local) == []


def test_put__without_room_leaves_the_old_object(local: LocalLake) -> None:
    local.put("flat/a", b"old")
    with files_of_at_most(64 * 1024), pytest.raises(LakeError, match="cannot write"):
        local.put("flat/a", b"x" * 1_000_000)
    assert (local.get("flat/a"), all_files(local)) == (b"old", ["a"])


@pytest.mark.parametrize("step", ["fsync", "link", "replace"])
def test_write__no_room_at_any_step_leaves_nothing(
    local: LocalLake, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path if step == "replace" else os, step, full)
    write = local.put if step == "replace" else local.put_new
    with pytest.raises(LakeError, match="No space left on device"):
        write("raw/a", b"x")
    assert all_files(local) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_get__a_failing_disk_is_a_clear_error(
    local: LocalLake, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put("raw/a", b"x")

    def fail(_path: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(LakeError, match=rf"cannot read .*raw/a: {os.strerror(number)}") as caught:
        local.get("raw/a")
    assert not isinstance(caught.value, ObjectMissing)


def test_put_new__is_durable_before_it_has_its_name(
    local: LocalLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    link, fsync = os.link, os.fsync
    monkeypatch.setattr(os, "link", lambda *names: (done.append("link"), link(*names))[1])
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), fsync(handle))[1])
    local.put_new("raw/a", b"x")
    assert done == ["fsync", "link", "fsync"]
