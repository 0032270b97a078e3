"""The contract of all lakes: objects are complete or absent, and `put_new` writes once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.s3 import S3Lake
from charging_assets.lake.store import Lake, LakeError, LocalLake, ObjectMissing


@pytest.fixture(params=["local", "memory", "archive", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "local":
        return LocalLake(tmp_path / "lake")
    if request.param == "memory":
        return MemoryLake()
    if request.param == "archive":
        return ArchiveLake(MemoryLake())
    made: Lake = request.getfixturevalue("s3_lake")
    return made


@pytest.fixture
def _hasty_threads(lake: Lake) -> Iterator[None]:
    """Threads that change places all the time; those of S3 wait for its answers anyway."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval if isinstance(lake, S3Lake) else 1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.fault(
    "Two pollers at once",
    area="processes",
)
@pytest.mark.usefixtures("_hasty_threads")
def test_put_new__sixteen_writers_have_one_winner(lake: Lake) -> None:
    # SeaweedFS takes seconds to settle who won.
    for number in range(3 if isinstance(lake, S3Lake) else 40):
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
            body = lake.get("flat/a")
            if body not in bodies:
                torn.append(len(body))

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
def test_get__a_key_without_an_object_is_missing(lake: Lake, key: str) -> None:
    lake.put("raw/a", b"x")
    with pytest.raises(ObjectMissing, match=key):
        lake.get(key)


@pytest.mark.parametrize("key", ["raw/none", "raw", "raw/a/below"])
def test_delete__a_key_without_an_object_changes_nothing(lake: Lake, key: str) -> None:
    lake.put("raw/a", b"x")
    lake.delete(key)
    assert lake.keys("raw/") == ["raw/a"]


def test_delete__removes_the_object_alone(lake: Lake) -> None:
    lake.put("raw/a", b"x")
    lake.put("raw/ab", b"x")
    lake.delete("raw/a")
    assert lake.keys("raw/") == ["raw/ab"]


@pytest.mark.fault(
    "../ in a place's name or an object's key",
    area="security",
)
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


def test_get_many__returns_objects_in_the_order_of_the_keys(lake: Lake) -> None:
    for name in ("a", "b", "c"):
        lake.put(f"raw/{name}", name.encode() * 1000)
    wanted = ["raw/c", "raw/a", "raw/b", "raw/a"]
    assert lake.get_many(wanted) == [key[-1].encode() * 1000 for key in wanted]
    assert (lake.get_many([]), lake.get_many(["raw/b"])) == ([], [b"b" * 1000])


def test_get_many__one_that_is_missing_is_named(lake: Lake) -> None:
    lake.put("raw/a", b"x")
    with pytest.raises(ObjectMissing, match="raw/none"):
        lake.get_many(["raw/a", "raw/none"])


def test_folders__are_the_names_one_level_below(lake: Lake) -> None:
    for key in ("raw/feed=b/x/1", "raw/feed=a/1", "raw/loose", "rawer/feed=c/1"):
        lake.put(key, b"x")
    assert lake.folders("raw/") == ["feed=a", "feed=b"]
    assert lake.folders("none/") == []
