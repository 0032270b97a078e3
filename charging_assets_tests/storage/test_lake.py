"""The lakes keep one contract: objects are whole or absent, and written once where it matters."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from charging_assets.storage.lake import Lake, LakeError, LocalLake, ObjectMissing
from charging_assets.storage.memory import MemoryLake

MAKERS: dict[str, Callable[[Path], Lake]] = {
    "local": lambda folder: LocalLake(folder / "lake"),
    "memory": lambda folder: MemoryLake(),
}


@pytest.fixture(params=MAKERS)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return MAKERS[request.param](tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> LocalLake:
    return LocalLake(tmp_path / "lake")


def all_files(local: LocalLake) -> list[str]:
    return sorted(path.name for path in local.root.rglob("*") if path.is_file())


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_hasty_threads")
def test_put_new__sixteen_writers_have_one_winner(lake: Lake) -> None:
    for number in range(40):
        key = f"raw/feed=a/{number}.zst"
        start = threading.Barrier(16)

        def write(writer: int, key: str = key, start: threading.Barrier = start) -> bool:
            start.wait()
            return lake.put_new(key, b"%d" % writer)

        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(write, range(16)))
        assert won.count(True) == 1
        assert lake.get(key) == b"%d" % won.index(True)


def test_put_new__refuses_to_overwrite(lake: Lake) -> None:
    assert lake.put_new("raw/a", b"first") is True
    assert lake.put_new("raw/a", b"second") is False
    assert lake.put_new("raw/a", b"first") is False
    assert lake.get("raw/a") == b"first"


def test_put__replaces(lake: Lake) -> None:
    lake.put("flat/a", b"first")
    lake.put("flat/a", b"")
    assert lake.get("flat/a") == b""


@pytest.mark.usefixtures("_hasty_threads")
def test_put__readers_see_whole_objects(lake: Lake) -> None:
    bodies = [bytes([mark]) * 300_000 for mark in (1, 2)]
    lake.put("flat/a", bodies[0])
    torn, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            found = lake.get("flat/a")
            if found not in bodies:
                torn.append(len(found))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(60):
        lake.put("flat/a", bodies[turn % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []


@pytest.mark.parametrize("key", ["raw/none", "raw", "raw/a/below"])
def test_get__what_is_no_object_is_missing(lake: Lake, key: str) -> None:
    lake.put("raw/a", b"x")
    with pytest.raises(ObjectMissing, match=key):
        lake.get(key)


@pytest.mark.parametrize("key", ["raw/none", "raw", "raw/a/below"])
def test_delete__what_is_no_object_changes_nothing(lake: Lake, key: str) -> None:
    lake.put("raw/a", b"x")
    lake.delete(key)
    assert lake.keys("raw/") == ["raw/a"]


def test_delete__removes_the_object_alone(lake: Lake) -> None:
    lake.put("raw/a", b"x")
    lake.put("raw/ab", b"x")
    lake.delete("raw/a")
    assert lake.keys("raw/") == ["raw/ab"]


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../x", "/x", "/etc/passwd", "a/../b", "a//b", "a/", "a/.hidden", ".hidden",
     "a b", "a\\b", "a\n", "a/b\n", "a\x00", "ä", "~/x", "s3://bucket/x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["put_new", "put", "get", "delete", "uri"])
def test_key__outside_the_lake_is_refused(
    lake: Lake, method: str, key: str, tmp_path: Path
) -> None:
    body = (b"x",) if method in {"put_new", "put"} else ()
    with pytest.raises(LakeError, match="is not a lake key") as caught:
        getattr(lake, method)(key, *body)
    assert not isinstance(caught.value, ObjectMissing)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_keys__are_those_below_the_prefix_sorted(lake: Lake) -> None:
    for key in ("raw/b", "raw/a/c", "raw/a/b", "raw-2/a", "rawer/a", "flat/raw/a", "raw/a.b"):
        lake.put(key, b"x")
    assert lake.keys("raw/") == sorted(["raw/b", "raw/a/c", "raw/a/b", "raw/a.b"])
    assert lake.keys("raw/a/") == ["raw/a/b", "raw/a/c"]
    assert lake.keys("none/") == []


@pytest.mark.parametrize("prefix", ["raw", "../", "", "/", "raw//", "raw/\n"])
def test_keys__a_prefix_is_a_folder_of_the_lake(lake: Lake, prefix: str) -> None:
    with pytest.raises(LakeError, match="prefix"):
        lake.keys(prefix)


def test_uri__names_the_object(lake: Lake) -> None:
    assert lake.uri("raw/a").endswith("raw/a")


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
