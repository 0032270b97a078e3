"""What is read of folders, zips and compressed files, and what is refused by name."""

from __future__ import annotations

import gzip
import io
import os
import random
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from charging_assets.acquisition import import_files
from charging_assets.acquisition.import_files import Found, found_in

LIMIT = 1000
NAME = "20260105_100000_koeln.json"


def problems(path: Path) -> dict[str, str]:
    found = list(found_in(path, LIMIT))
    return {each.name: each.problem for each in found if each.problem is not None}


def contents(path: Path) -> dict[str, bytes | None]:
    return {each.name: each.content for each in found_in(path, LIMIT)}


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_found_in__file_is_bounded_by_what_it_inflates_to(tmp_path: Path, size: int) -> None:
    content = b" " * size
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / f"b_{NAME}.gz").write_bytes(gzip.compress(content))
    zipped(tmp_path / "c.zip", {f"c_{NAME}": content})
    found = list(found_in(tmp_path, LIMIT))
    assert len(found) == 3
    if size <= LIMIT:
        assert [each.content for each in found] == [content] * 3
    else:
        reasons = [str(each.problem) for each in found]
        assert all("than 1,000 bytes; `max_body_bytes` of the feed" in each for each in reasons)


def test_found_in__gzip_bomb_is_counted_and_not_kept(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(64):
            file.write(bytes(1024**2))
    (tmp_path / f"{NAME}.gz").write_bytes(packed.getvalue())
    tracemalloc.start()
    found = list(found_in(tmp_path, 60 * 1024**2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "inflates to more than 62,914,560 bytes" in str(found[0].problem)
    assert peak < 10 * 1024**2


def test_found_in__zip_that_inflates_too_far_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {NAME: b""})
    content = bytearray(path.read_bytes())
    # What a member inflates to, as the central directory says.
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)
    assert "over 300 times its size" in problems(path)["bomb.zip"]


def zipped_bytes(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("form", ["zip", "gz"])
def test_found_in__files_in_a_zip_share_what_the_zip_may_inflate_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, is_folder: bool
) -> None:
    monkeypatch.setattr(import_files, "_FREE_INFLATION", 1024**2)
    size, count = 400_000, 200
    if form == "zip":
        inner = {"a.zip": zipped_bytes({NAME: bytes(size)})}
    else:
        inner = {f"{NAME}.gz": gzip.compress(bytes(size))}
    ((name, content),) = inner.items()
    bomb = zipped(tmp_path / "bomb.zip", {f"{n:03}/{name}": content for n in range(count)})
    allowed = 1024**2 + 300 * bomb.stat().st_size
    assert allowed < size * count / 2
    found = list(found_in(tmp_path if is_folder else bomb, size))
    inflated = sum(len(each.content) for each in found if each.content is not None)
    refused = [each for each in found if each.problem is not None]
    assert 0 < inflated <= allowed
    assert all("over 300 times its size" in str(each.problem) for each in refused)
    assert len(refused) + sum(each.content is not None for each in found) == count


def test_found_in__bombs_leave_the_other_files_of_a_folder_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_files, "_FREE_INFLATION", 0)
    bomb = zipped_bytes({NAME: bytes(500_000)})
    zipped(tmp_path / "a_bomb.zip", {f"{n}.zip": bomb for n in range(20)})
    (tmp_path / "b_bomb.json.gz").write_bytes(gzip.compress(bytes(900_000)))
    content = b"[" + b",".join(b"%d" % number for number in range(20_000)) + b"]"
    zipped(tmp_path / "c.zip", {f"c_{NAME}": content})
    (tmp_path / f"d_{NAME}.gz").write_bytes(gzip.compress(content))
    found = {each.name: each for each in found_in(tmp_path, 1024**2)}
    assert found[f"c_{NAME}"].content == found[f"d_{NAME}"].content == content
    assert "over 300 times" in str(found["b_bomb.json"].problem)


def test_found_in__gzip_of_empty_parts_is_refused_at_once(tmp_path: Path) -> None:
    empty = gzip.compress(b"")
    (tmp_path / f"{NAME}.gz").write_bytes(empty * 200_000)
    (tmp_path / f"b_{NAME}.gz").write_bytes((gzip.compress(b"1") + empty) * 100_000)
    began = time.process_time()
    found = list(found_in(tmp_path))
    assert time.process_time() - began < 1.5
    assert len(found) == 2
    assert all("is gzip of empty parts" in str(each.problem) for each in found)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 3 * 1024**2])
def test_found_in__gzip_of_what_cannot_be_compressed_is_read(tmp_path: Path, size: int) -> None:
    content = random.Random(7).randbytes(size)
    parts = [content[start : start + 50_000] for start in range(0, size, 50_000)] or [b""]
    (tmp_path / f"{NAME}.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    assert [each.content for each in found_in(tmp_path)] == [content]


@pytest.mark.parametrize("is_inside", [False, True])
def test_found_in__pipe_is_refused_and_not_opened(tmp_path: Path, is_inside: bool) -> None:
    os.mkfifo(tmp_path / NAME)
    path = tmp_path if is_inside else tmp_path / NAME
    assert "is not a regular file" in problems(path)[NAME]


def test_found_in__device_is_refused() -> None:
    assert "is not a regular file" in problems(Path("/dev/zero"))["zero"]


def test_found_in__link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "outside.json").write_bytes(b"{}")
    (folder / "inner" / "own.json").write_bytes(b"[]")
    (folder / "a.json").symlink_to(tmp_path / "outside.json")
    (folder / "b.json").symlink_to("inner/own.json")
    (folder / "c.json").symlink_to("/dev/zero")
    (folder / "d.json").symlink_to("nowhere.json")
    found = problems(folder)
    assert "is a link out of the folder" in found["a.json"]
    assert "is a link out of the folder" in found["c.json"]
    assert "cannot be read: " in found["d.json"]
    assert contents(folder)["b.json"] == b"[]"
    # Whoever names it means it.
    assert contents(folder / "a.json")["a.json"] == b"{}"


def test_found_in__links_to_folders_are_problems(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for place in (folder / "bonn", tmp_path / "real" / "koeln"):
        place.mkdir(parents=True)
        (place / NAME).write_bytes(b"{}")
    (folder / "koeln").symlink_to("../real/koeln")
    (folder / "bonn" / "again").symlink_to("../bonn")
    (folder / "bonn" / "up.json").symlink_to("..")
    found = problems(folder)
    assert found.keys() == {"koeln", "again", "up.json"}
    assert all("is a link to a folder; import the folder" in problem for problem in found.values())
    assert [each.path for each in found_in(folder, LIMIT) if each.content] == [
        str(folder / "bonn" / NAME)
    ]
    # Whoever names it means it.
    assert contents(folder / "koeln") == {NAME: b"{}"}


def test_found_in__error_without_text_names_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(b"{}")

    def no_memory(self: Path, mode: str) -> None:
        raise MemoryError

    monkeypatch.setattr(Path, "open", no_memory)
    assert problems(tmp_path) == {NAME: "cannot be read: MemoryError"}


def test_found_in__sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(10 * 1024**3)
    assert list(found_in(tmp_path)) == [
        Found(
            str(tmp_path / NAME),
            problem="is larger than 268,435,456 bytes; `max_body_bytes` of the feed allows "
            "larger files",
        )
    ]
