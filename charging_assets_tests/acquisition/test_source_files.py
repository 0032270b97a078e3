"""Reading folders, zips and compressed files, and which files are refused."""

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

from charging_assets.acquisition import source_files
from charging_assets.acquisition.source_files import SourceFile, read_source_files

LIMIT = 1000
NAME = "20260105_100000_koeln.json"


def problems(path: Path) -> dict[str, str]:
    files = list(read_source_files(path, LIMIT))
    return {file.name: file.problem for file in files if file.problem is not None}


def contents(path: Path) -> dict[str, bytes | None]:
    return {file.name: file.content for file in read_source_files(path, LIMIT)}


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
def test_read_source_files__limits_the_decompressed_size(tmp_path: Path, size: int) -> None:
    content = b" " * size
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / f"b_{NAME}.gz").write_bytes(gzip.compress(content))
    write_zip(tmp_path / "c.zip", {f"c_{NAME}": content})
    files = list(read_source_files(tmp_path, LIMIT))
    assert len(files) == 3
    if size <= LIMIT:
        assert [file.content for file in files] == [content] * 3
    else:
        reasons = [str(file.problem) for file in files]
        assert all("than 1,000 bytes; `max_body_bytes` of the feed" in file for file in reasons)


def test_read_source_files__gzip_bomb_is_counted_and_not_kept(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(64):
            file.write(bytes(1024**2))
    (tmp_path / f"{NAME}.gz").write_bytes(packed.getvalue())
    tracemalloc.start()
    files = list(read_source_files(tmp_path, 60 * 1024**2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "inflates to more than 62,914,560 bytes" in str(files[0].problem)
    assert peak < 10 * 1024**2


def test_read_source_files__zip_with_a_too_large_total_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", {NAME: b""})
    content = bytearray(path.read_bytes())
    # The decompressed size of a member in the central directory.
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content)
    assert "over 300 times their size" in problems(path)["bomb.zip"]


def make_zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("form", ["zip", "gz"])
def test_read_source_files__files_in_a_zip_share_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, is_folder: bool
) -> None:
    monkeypatch.setattr(source_files, "_FREE_INFLATION", 1024**2)
    size, count = 400_000, 200
    if form == "zip":
        inner = {"a.zip": make_zip({NAME: bytes(size)})}
    else:
        inner = {f"{NAME}.gz": gzip.compress(bytes(size))}
    ((name, content),) = inner.items()
    bomb = write_zip(tmp_path / "bomb.zip", {f"{n:03}/{name}": content for n in range(count)})
    allowed = 1024**2 + 300 * bomb.stat().st_size
    assert allowed < size * count / 2
    files = list(read_source_files(tmp_path if is_folder else bomb, size))
    inflated = sum(len(file.content) for file in files if file.content is not None)
    refused = [file for file in files if file.problem is not None]
    assert 0 < inflated <= allowed
    assert all("over 300 times their size" in str(file.problem) for file in refused)
    assert len(refused) + sum(file.content is not None for file in files) == count


def test_read_source_files__bombs_do_not_use_up_the_limit_of_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "_FREE_INFLATION", 0)
    bomb = make_zip({NAME: bytes(500_000)})
    write_zip(tmp_path / "a_bomb.zip", {f"{n}.zip": bomb for n in range(20)})
    (tmp_path / "b_bomb.json.gz").write_bytes(gzip.compress(bytes(900_000)))
    content = b"[" + b",".join(b"%d" % number for number in range(20_000)) + b"]"
    write_zip(tmp_path / "c.zip", {f"c_{NAME}": content})
    (tmp_path / f"d_{NAME}.gz").write_bytes(gzip.compress(content))
    files = {file.name: file for file in read_source_files(tmp_path, 1024**2)}
    assert files[f"c_{NAME}"].content == files[f"d_{NAME}"].content == content
    assert "over 300 times" in str(files["b_bomb.json"].problem)


def test_read_source_files__gzip_of_empty_members_is_refused_at_once(tmp_path: Path) -> None:
    empty = gzip.compress(b"")
    (tmp_path / f"{NAME}.gz").write_bytes(empty * 200_000)
    (tmp_path / f"b_{NAME}.gz").write_bytes((gzip.compress(b"1") + empty) * 100_000)
    began = time.process_time()
    files = list(read_source_files(tmp_path))
    assert time.process_time() - began < 1.5
    assert len(files) == 2
    assert all("is gzip of empty members" in str(file.problem) for file in files)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 3 * 1024**2])
def test_read_source_files__gzip_of_incompressible_data_is_read(tmp_path: Path, size: int) -> None:
    content = random.Random(7).randbytes(size)
    parts = [content[start : start + 50_000] for start in range(0, size, 50_000)] or [b""]
    (tmp_path / f"{NAME}.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    assert [file.content for file in read_source_files(tmp_path)] == [content]


@pytest.mark.parametrize("is_inside", [False, True])
def test_read_source_files__pipe_is_refused_unread(tmp_path: Path, is_inside: bool) -> None:
    os.mkfifo(tmp_path / NAME)
    path = tmp_path if is_inside else tmp_path / NAME
    assert "is not a regular file" in problems(path)[NAME]


def test_read_source_files__device_is_refused() -> None:
    assert "is not a regular file" in problems(Path("/dev/zero"))["zero"]


def test_read_source_files__link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "outside.json").write_bytes(b"{}")
    (folder / "inner" / "own.json").write_bytes(b"[]")
    (folder / "a.json").symlink_to(tmp_path / "outside.json")
    (folder / "b.json").symlink_to("inner/own.json")
    (folder / "c.json").symlink_to("/dev/zero")
    (folder / "d.json").symlink_to("nowhere.json")
    reasons = problems(folder)
    assert "is a link out of the folder" in reasons["a.json"]
    assert "is a link out of the folder" in reasons["c.json"]
    assert "cannot be read: " in reasons["d.json"]
    assert contents(folder)["b.json"] == b"[]"
    # A link that is imported by name is followed.
    assert contents(folder / "a.json")["a.json"] == b"{}"


def test_read_source_files__links_to_folders_are_problems(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for place in (folder / "bonn", tmp_path / "real" / "koeln"):
        place.mkdir(parents=True)
        (place / NAME).write_bytes(b"{}")
    (folder / "koeln").symlink_to("../real/koeln")
    (folder / "bonn" / "again").symlink_to("../bonn")
    (folder / "bonn" / "up.json").symlink_to("..")
    reasons = problems(folder)
    assert reasons.keys() == {"koeln", "again", "up.json"}
    assert all(
        "is a link to a folder; import the folder" in problem for problem in reasons.values()
    )
    assert [file.path for file in read_source_files(folder, LIMIT) if file.content] == [
        str(folder / "bonn" / NAME)
    ]
    # A link that is imported by name is followed.
    assert contents(folder / "koeln") == {NAME: b"{}"}


def test_read_source_files__error_without_text_names_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_bytes(b"{}")

    def no_memory(self: Path, mode: str) -> None:
        raise MemoryError

    monkeypatch.setattr(Path, "open", no_memory)
    assert problems(tmp_path) == {NAME: "cannot be read: MemoryError"}


def test_read_source_files__sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(10 * 1024**3)
    assert list(read_source_files(tmp_path)) == [
        SourceFile(
            str(tmp_path / NAME),
            problem="is larger than 268,435,456 bytes; `max_body_bytes` of the feed allows "
            "larger files",
        )
    ]
