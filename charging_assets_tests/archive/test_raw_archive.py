"""The raw archive: what goes in comes out, or it says which object is damaged."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive.raw_archive import (
    archive,
    digest,
    feeds_archived,
    hour_keys,
    hours_archived,
    read,
    read_places,
)
from charging_assets.archive.raw_objects import CorruptArchive, PlaceResponse, encode
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError, ObjectMissing
from charging_assets_tests.builders import SLOT, archived, envelope, place, poll, station

BODIES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.text(max_size=50).map(str.encode),
    st.sampled_from(
        [b"", b"\n", b"\r\n\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xef\xbb\xbf{}", b"null"]
    ),
)
PLACES = st.lists(
    st.builds(
        PlaceResponse,
        slug=st.text("abcXYZ_-09", min_size=1, max_size=5),
        outcome=st.sampled_from(["ok", "http_error", "timeout"]),
        body=BODIES,
        requested_at=st.none() | st.just(SLOT + timedelta(microseconds=1)),
        elapsed_ms=st.none() | st.integers(0, 10**6),
        http_status=st.none() | st.integers(100, 599),
        detail=st.none() | st.text(max_size=20),
    ),
    max_size=6,
    unique_by=lambda each: each.slug,
)


def test_encode__keeps_the_names_of_the_format() -> None:
    """Names inside archived objects never change: objects of any age are read by them."""
    _, blob = encode(poll(), [place("koeln", envelope([]))])
    header, response = zstandard.ZstdDecompressor().decompressobj().decompress(blob).splitlines()
    assert list(json.loads(header)["poll"]) == [
        "feed", "kind", "slot_at", "cadence_s", "time_zone", "asked", "started_at", "ended_at",
        "program", "is_imported", "origin",
    ]  # fmt: skip
    assert {"slug", "outcome", "body"} <= json.loads(response).keys()


@settings(max_examples=100)
@given(PLACES)
def test_read__gives_back_what_was_archived(places: list[PlaceResponse]) -> None:
    lake, header = MemoryLake(), poll(place_slugs=tuple(each.slug for each in places))
    key, is_new = archive(lake, header, places)
    answers = list(read(lake, key))
    assert is_new
    assert [answer.place for answer in answers] == sorted(places, key=lambda each: each.slug)
    assert all(answer.poll == header and answer.raw_key == key for answer in answers)


@settings(max_examples=50)
@given(PLACES, st.randoms(use_true_random=False))
def test_encode__does_not_depend_on_the_order_of_places(
    places: list[PlaceResponse], dice: random.Random
) -> None:
    made = encode(poll(), places)
    dice.shuffle(places)
    assert encode(poll(), places) == made


def test_encode__can_be_read_with_json_and_zstd_alone() -> None:
    answers = [place("b", b"\xff"), place("a", "ä\n".encode(), http_status=200)]
    blob = encode(poll(), answers).blob
    lines = zstandard.ZstdDecompressor().decompress(blob, max_output_size=10**6).split(b"\n")
    assert lines.pop() == b""
    header, first, second = (json.loads(line) for line in lines)
    assert (header["format"], header["poll"]["feed"]) == (1, "test")
    assert header["poll"]["slot_at"] == "2022-01-11T20:00:00Z"
    assert (first["slug"], first["body"], first["http_status"]) == ("a", "ä\n", 200)
    assert (second["slug"], second["body_base64"]) == ("b", "/w==")
    assert second["sha256"] == "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"


def test_encode__the_key_has_feed_utc_hour_slot_and_hash_of_the_lines() -> None:
    header = poll(slot_at=datetime.fromisoformat("2022-01-12T00:30:05.5+01:00"))
    key, blob = encode(header, [])
    lines = zstandard.ZstdDecompressor().decompress(blob, max_output_size=10**6)
    digest = hashlib.sha256(lines).hexdigest()[:12]
    assert key == f"raw/feed=test/date=2022-01-11/hour=23/20220111T233005Z-{digest}.ndjson.zst"


def test_read__an_object_under_another_hour_is_refused() -> None:
    _, blob = encode(poll(), [])
    lake = MemoryLake()
    lake.put("raw/feed=test/date=2022-01-11/hour=05/x.ndjson.zst", blob)
    with pytest.raises(CorruptArchive, match=r"hour=05.*move it to raw/feed=test/"):
        list(read(lake, "raw/feed=test/date=2022-01-11/hour=05/x.ndjson.zst"))


def test_archive__is_written_once() -> None:
    lake = MemoryLake()
    first = archived(lake, poll(), {"koeln": b"1"})
    before = dict(lake.objects)
    assert archive(lake, poll(), [place("koeln", b"1")]) == (first, False)
    assert lake.objects == before
    other, is_new = archive(lake, poll(), [place("koeln", b"2")])
    assert is_new
    assert other != first
    assert lake.objects[first] == before[first]


KEY, BLOB = encode(poll(), [place(f"p{n}", envelope(station(str(n)))) for n in range(20)])


def damaged(blob: bytes) -> list[bytes | None]:
    return [answer.place.body for answer in read(_lake(blob), KEY)]


def _lake(blob: bytes) -> MemoryLake:
    lake = MemoryLake()
    lake.put(KEY, blob)
    return lake


@pytest.mark.fault(
    "A byte of a raw object is changed",
    "the error names the object; only its hour fails, and it is retried",
    area="storage",
)
@settings(max_examples=100)
@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
def test_read__a_changed_byte_names_the_object(position: int, change: int) -> None:
    blob = bytearray(BLOB)
    blob[position] ^= change
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(bytes(blob))


@pytest.mark.parametrize("length", [*range(8), *range(len(BLOB) - 9, len(BLOB))])
def test_read__a_truncated_object_is_named(length: int) -> None:
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(BLOB[:length])


def test_read__an_object_cut_between_two_blocks_is_named() -> None:
    """Cut where a block and a line end together, only the missing end of the frame shows it."""
    header, *lines = zstandard.ZstdDecompressor().decompress(BLOB).splitlines(keepends=True)
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    start = compressor.compress(header + lines[0])
    start += compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    whole = start + compressor.compress(b"".join(lines[1:])) + compressor.flush()
    assert len(damaged(whole)) == 20
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(start)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"not json\n",
        b'{"format":2,"poll":{}}\n',
        zstandard.ZstdDecompressor().decompress(BLOB).rstrip(b"\n"),
        zstandard.ZstdDecompressor().decompress(BLOB) + b"{}\n",
        zstandard.ZstdDecompressor().decompress(BLOB)
        + b'{"slug":"z","outcome":"ok","body_base64":"x"}\n',
        zstandard.ZstdDecompressor().decompress(BLOB).replace(b'"format":1', b'"format":2'),
    ],
)
def test_read__what_is_no_raw_object_is_named(content: bytes) -> None:
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(zstandard.ZstdCompressor().compress(content))


@pytest.mark.parametrize("blob", [b"", b"plain text", BLOB + b"x", BLOB + BLOB])
def test_read__what_is_not_one_whole_frame_is_named(blob: bytes) -> None:
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(blob)


def test_read__an_object_that_is_gone_is_named() -> None:
    with pytest.raises(ObjectMissing, match=KEY):
        list(read(MemoryLake(), KEY))


def test_read__takes_bodies_larger_than_its_chunks() -> None:
    dice = random.Random(1)
    bodies = {f"p{n}": dice.randbytes(2_000_000) for n in range(2)} | {"q": b"x" * 5_000_000}
    lake = MemoryLake()
    key = archived(lake, poll(), bodies)
    assert {answer.place.slug: answer.place.body for answer in read(lake, key)} == bodies


def test_read_places__merges_places_over_objects_in_the_order_of_slots() -> None:
    lake = MemoryLake()
    later = archived(lake, poll(10), {"koeln": b"3", "aachen": b"4"})
    begun = SLOT + timedelta(seconds=30)
    second = archived(lake, poll(0, started_at=begun), {"koeln": b"2"})
    first = archived(lake, poll(0), {"koeln": b"1", "bonn": b"5"})
    other = archived(lake, poll(0, feed="another"), {"koeln": b"6"})
    for keys in ([later, second, first, other], [other, first, second, later]):
        answers_by_place = [
            (feed, slug, [(answer.place.body, answer.raw_key) for answer in answers])
            for feed, slug, answers in read_places(lake, keys)
        ]
        assert answers_by_place == [
            ("another", "koeln", [(b"6", other)]),
            ("test", "aachen", [(b"4", later)]),
            ("test", "bonn", [(b"5", first)]),
            ("test", "koeln", [(b"1", first), (b"2", second), (b"3", later)]),
        ]


def test_read_places__orders_answers_of_a_slot_by_request_time() -> None:
    """A poll that began earlier may have requested a place later than another."""
    lake = MemoryLake()
    requested_at = SLOT + timedelta(seconds=50)
    early = archived(lake, poll(0), {"koeln": place("koeln", b"late", requested_at=requested_at)})
    begun = SLOT + timedelta(seconds=30)
    late = archived(lake, poll(0, started_at=begun), {"koeln": b"early"})
    ((_, _, answers),) = read_places(lake, [early, late])
    assert [answer.place.body for answer in answers] == [b"early", b"late"]


def test_read_places__of_nothing_is_nothing() -> None:
    assert list(read_places(MemoryLake(), [])) == []


def test_hours_archived__and_hour_keys_list_all_raw_objects() -> None:
    lake = MemoryLake()
    keys = [
        archived(lake, poll(minute, feed=feed), {"koeln": b"{}"})
        for feed in ("b", "a")
        for minute in (70, 10, 0)
    ]
    by_hour = hours_archived(lake)
    assert [hour.key for hour in by_hour] == ["2022-01-11T20", "2022-01-11T21"]
    assert sorted(key for hour in by_hour.values() for key in hour) == sorted(keys)
    assert feeds_archived(lake) == ["a", "b"]
    hour = Hour.parse("2022-01-11T20")
    assert hour_keys(lake, ["b", "a"], hour) == sorted([*keys[1:3], *keys[4:]])
    assert hour_keys(lake, ["a"], hour) == sorted(keys[4:])
    assert hour_keys(lake, ["a"], Hour.parse("2022-01-11T22")) == []


def test_hours_archived__names_a_raw_object_without_an_hour() -> None:
    lake = MemoryLake()
    lake.put("raw/feed=test/stray.ndjson.zst", b"")
    with pytest.raises(LakeError, match=r"raw/feed=test/stray.ndjson.zst"):
        hours_archived(lake)


def test_hours_archived__ignores_other_objects() -> None:
    lake = MemoryLake()
    lake.put("raw/README.txt", b"")
    assert hours_archived(lake) == {}


def test_digest__is_of_the_set_of_keys() -> None:
    assert digest(["a", "b"]) == digest(("b", "a"))
    assert digest(["a"]) != digest(["a", "b"])
    assert len(digest([])) == 16


def test_encode__keeps_times_to_the_microsecond() -> None:
    lake, at = MemoryLake(), datetime(2022, 1, 11, 20, 0, 0, 123_456, tzinfo=UTC)
    key = archived(lake, poll(slot_at=at), {"koeln": place("koeln", b"", requested_at=at)})
    (answer,) = read(lake, key)
    assert answer.poll.slot_at == answer.place.requested_at == at
