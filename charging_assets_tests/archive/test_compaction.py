"""Compaction: readers get the same data, and an interruption loses or duplicates nothing."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive import compaction
from charging_assets.archive.compacted_days import ArchiveLake
from charging_assets.archive.compaction import FEWEST_POLLS, compact
from charging_assets.archive.raw_archive import archive, digest, read
from charging_assets.archive.raw_objects import CorruptArchive, PlaceResponse, encode
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError, ObjectMissing
from charging_assets_tests.archive.days import (
    DAY,
    FEED,
    LONG_AFTER,
    START,
    CutOff,
    FailingLake,
    archive_day,
    read_archive,
)
from charging_assets_tests.archive.test_raw_archive import FORMAT_1, PLACES, format_1_places
from charging_assets_tests.builders import poll

# Every change of a day of 24 polls: day object, index, 24 removals; and one more than that.
CHANGES = range(1, 28)

POLLS = st.lists(
    st.tuples(st.integers(0, 86_399), PLACES),
    min_size=FEWEST_POLLS,
    max_size=12,
    unique_by=lambda slot_poll: slot_poll[0],
)


@pytest.fixture
def lake() -> ArchiveLake:
    return ArchiveLake(MemoryLake())


def _compact(lake: ArchiveLake, now: datetime = LONG_AFTER):
    return compact(lake, FEED, now=now)


def test_compact__readers_see_no_difference_and_the_day_is_two_objects(lake):
    keys = archive_day(lake)
    before = read_archive(lake)
    (result,) = _compact(lake)
    assert read_archive(lake) == before
    assert lake.keys("raw/") == keys
    assert digest(lake.keys("raw/")) == digest(keys)
    stored = lake.inner.keys("raw/")
    assert len(stored) == 2
    assert (result.day, result.polls) == (DAY, 24)
    assert (
        result.bytes_after == sum(len(lake.inner.get(key)) for key in stored) < result.bytes_before
    )


@settings(max_examples=60)
@given(POLLS)
def test_compact__polls_are_read_back_byte_for_byte(polls):
    lake = ArchiveLake(MemoryLake())
    for second, places in polls:
        at = START + timedelta(seconds=second)
        archive(lake, poll(slot_at=at, started_at=at, ended_at=at), places)
    contents = {key: _content(lake, key) for key in lake.keys("raw/")}
    before = read_archive(lake)
    (result,) = _compact(lake)
    assert result.polls == len(polls)
    assert {key: _content(lake, key) for key in lake.keys("raw/")} == contents
    assert read_archive(lake) == before


@pytest.mark.parametrize("happens", [False, True])
@pytest.mark.parametrize("fail_at", CHANGES)
def test_compact__interrupted_at_any_change_keeps_each_poll_once_and_resumes(fail_at, happens):
    failing = FailingLake(fail_at, happens=happens)
    archive_day(failing)
    before = read_archive(ArchiveLake(failing))
    failing.armed = True
    try:
        _compact(ArchiveLake(failing))
        assert failing.changes < fail_at
    except CutOff:
        assert read_archive(ArchiveLake(failing)) == before
    failing.armed = False
    _compact(ArchiveLake(failing))
    assert read_archive(ArchiveLake(failing)) == before
    assert len(failing.keys("raw/")) == 2
    assert not _compact(ArchiveLake(failing))


def test_compact__a_day_is_not_compacted_until_two_days_after_its_end(lake):
    archive_day(lake)
    assert not _compact(lake, now=START + timedelta(days=3, seconds=-1))
    assert _compact(lake, now=START + timedelta(days=3))


def test_compact__few_polls_are_not_compacted(lake):
    keys = archive_day(lake, polls=FEWEST_POLLS - 1)
    assert not _compact(lake)
    assert lake.inner.keys("raw/") == keys


def test_compact__compacts_only_the_given_days(lake):
    archive_day(lake)
    assert not compact(lake, FEED, [date(2026, 1, 11)], now=LONG_AFTER)
    assert compact(lake, FEED, [DAY], now=LONG_AFTER)


def test_compact__late_polls_of_a_compacted_day_are_compacted_into_a_second_object(lake):
    archive_day(lake)
    _compact(lake)
    for minute in range(FEWEST_POLLS):
        at = START + timedelta(minutes=minute + 1)
        archive(
            lake,
            poll(slot_at=at, started_at=at, ended_at=at),
            [PlaceResponse(slug="c", outcome="ok")],
        )
    before = read_archive(lake)
    assert len(lake.keys("raw/")) == 24 + FEWEST_POLLS
    (result,) = _compact(lake)
    assert result.polls == FEWEST_POLLS
    assert read_archive(lake) == before
    assert len(lake.inner.keys("raw/")) == 4


def test_archive__a_compacted_poll_is_not_new(lake):
    header = poll(slot_at=START, started_at=START, ended_at=START)
    answers = [PlaceResponse(slug="z", outcome="ok", body=b"{}")]
    key, is_new = archive(lake, header, answers)
    assert is_new
    archive_day(lake)
    _compact(lake)
    assert archive(lake, header, answers) == (key, False)
    assert key not in lake.inner.keys("raw/")


def test_compact__an_original_of_a_compacted_poll_is_listed_once_and_removed(lake):
    header = poll(slot_at=START, started_at=START, ended_at=START)
    original = encode(header, [PlaceResponse(slug="z", outcome="ok", body=b"{}")])
    lake.put_new(original.key, original.blob)
    archive_day(lake)
    _compact(lake)
    lake.inner.put_new(original.key, original.blob)  # by a program that does not support compaction
    assert lake.keys("raw/").count(original.key) == 1
    _compact(lake)
    assert original.key not in lake.inner.keys("raw/")
    assert [answer.place.slug for answer in read(lake, original.key)] == ["z"]


def _damaged(lake: ArchiveLake, key: str) -> bytes:
    """A valid zstd object whose answer does not match its checksum."""
    content = _content(lake, key).replace(b"xxx", b"yyy", 1)
    assert content != _content(lake, key)
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


@pytest.mark.parametrize("damage", ["body", "cut", "empty"])
def test_compact__a_damaged_poll_is_reported_and_its_day_unchanged(lake, damage):
    keys = archive_day(lake)
    bad = keys[7]
    blob = lake.get(bad)
    empty = zstandard.ZstdCompressor(write_checksum=True).compress(b"")
    damaged = {"body": _damaged(lake, bad), "cut": blob[:-3], "empty": empty}
    lake.inner.put(bad, damaged[damage])
    with pytest.raises(CorruptArchive, match=bad):
        _compact(lake)
    assert lake.inner.keys("raw/") == keys


def test_compact__a_lake_that_stores_damaged_bytes_loses_nothing(lake, monkeypatch):
    keys = archive_day(lake)
    put_new = lake.inner.put_new

    def write_damaged(key: str, body: bytes) -> bool:
        return put_new(key, body[:-1] + b"\x00" if key.endswith(".day.zst") else body)

    monkeypatch.setattr(lake.inner, "put_new", write_damaged)
    with pytest.raises(CorruptArchive):
        _compact(lake)
    assert [key for key in lake.inner.keys("raw/") if key.endswith(".ndjson.zst")] == keys


def test_read__a_damaged_day_object_is_reported(lake):
    archive_day(lake)
    _compact(lake)
    (day,) = [key for key in lake.inner.keys("raw/") if key.endswith(".day.zst")]
    body = bytearray(lake.inner.get(day))
    body[len(body) // 2] ^= 0xFF
    lake.inner.put(day, bytes(body))
    with pytest.raises(CorruptArchive, match=r"day\.zst is damaged"):
        read_archive(lake)


def test_lake__an_absent_object_is_missing(lake):
    archive_day(lake)
    _compact(lake)
    with pytest.raises(ObjectMissing):
        lake.get("raw/feed=test/date=2026-01-12/hour=00/20260112T000000Z-abc.ndjson.zst")
    with pytest.raises(ObjectMissing):
        lake.get("flat/nothing.parquet")


def test_lake__a_compacted_poll_cannot_be_deleted_alone(lake):
    keys = archive_day(lake)
    _compact(lake)
    with pytest.raises(LakeError, match="part of a compacted day"):
        lake.delete(keys[0])


def test_lake__folders_of_a_compacted_day_are_its_hours(lake):
    archive_day(lake)
    before = {folder: lake.folders(folder) for folder in
              ("raw/", f"raw/feed={FEED}/", f"raw/feed={FEED}/date={DAY}/")}  # fmt: skip
    _compact(lake)
    assert {folder: lake.folders(folder) for folder in before} == before


def test_lake__other_objects_next_to_a_compacted_day_are_ignored(lake):
    archive_day(lake)
    lake.put(f"raw/feed={FEED}/date={DAY}/notes.index.json", b"no index")
    before = read_archive(lake)
    _compact(lake)
    assert read_archive(lake) == before


def _content(lake: ArchiveLake, key: str) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(lake.get(key))


def test_grace__counts_from_the_end_of_the_utc_day(lake):
    archive_day(lake)
    assert not compact(lake, FEED, [DAY], now=datetime(2026, 1, 14, 23, 59, tzinfo=UTC))


def test_read__a_day_compacted_by_format_1_stays_readable() -> None:
    """The day was compacted by the program of that time."""
    lake = ArchiveLake(FORMAT_1)
    keys = lake.keys("raw/feed=test/date=2026-01-12/")
    assert [key.split("/hour=")[1][:2] for key in keys] == [f"{hour:02d}" for hour in range(8)]
    for number, key in enumerate(keys):
        at = START + timedelta(hours=number)
        assert [answer.place for answer in read(lake, key)] == format_1_places(at, number)


def test_compact__polls_of_both_formats_are_compacted_together(lake) -> None:
    compacted = ArchiveLake(FORMAT_1)
    for key in compacted.keys(f"raw/feed={FEED}/date={DAY}/"):
        lake.put_new(key, compacted.get(key))
    keys = archive_day(lake, places=("aachen", "koeln"))
    before = read_archive(lake)
    contents = {key: _content(lake, key) for key in lake.keys("raw/")}
    assert len(contents) == 8 + len(keys)
    (result,) = _compact(lake)
    assert result.polls == 8 + len(keys)
    assert len(lake.inner.keys("raw/")) == 2
    assert read_archive(lake) == before
    assert {key: _content(lake, key) for key in lake.keys("raw/")} == contents


def test_compact__a_day_of_format_1_keeps_the_index_of_format_1(lake) -> None:
    compacted = ArchiveLake(FORMAT_1)
    for key in compacted.keys(f"raw/feed={FEED}/date={DAY}/"):
        lake.put_new(key, compacted.get(key))
    _compact(lake)
    (index,) = lake.indexes(f"raw/feed={FEED}/date={DAY}/")
    (original,) = compacted.indexes(f"raw/feed={FEED}/date={DAY}/")
    assert (index.format, index.polls, index.frames) == (1, original.polls, original.frames)


def test_read_index__a_later_format_asks_for_a_newer_version(lake) -> None:
    archive_day(lake)
    _compact(lake)
    (key,) = [key for key in lake.inner.keys("raw/") if key.endswith(".index.json")]
    lake.inner.put(key, lake.inner.get(key).replace(b'"format":2', b'"format":3'))
    with pytest.raises(CorruptArchive, match="has format 3; this program reads 1 and 2: install"):
        lake.keys("raw/")


def test_compact__finds_the_answer_before_however_large_it_is(lake) -> None:
    """The body is random and larger than the smallest window: only the poll before has it too."""
    body = random.Random(1).randbytes(17 << 20)
    for number in range(FEWEST_POLLS):
        at = START + timedelta(minutes=10 * number)
        answers = [
            PlaceResponse(slug="a", outcome="ok", body=b'{"poll":%d}' % number),
            PlaceResponse(slug="all", outcome="ok", body=b"%d" % number + body),
            PlaceResponse(slug="b", outcome="ok", body=b"{}"),
        ]
        archive(lake, poll(slot_at=at, started_at=at, ended_at=at), answers)
    (result,) = _compact(lake)
    assert result.bytes_before > FEWEST_POLLS * len(body)
    assert result.bytes_after < 1.02 * len(body)
    last = lake.keys("raw/")[-1]
    assert [len(answer.place.body or b"") for answer in read(lake, last)] == [10, len(body) + 1, 2]


@pytest.mark.parametrize(
    ("largest", "log"),
    [(0, 24), (15_252_013, 24), (16 << 20, 25), (170 * 10**6, 28), (330 * 10**6, 29), (2**31, 31)],
)
def test_window_log__has_a_tenth_to_spare(largest: int, log: int) -> None:
    assert compaction._window_log(largest) == log
