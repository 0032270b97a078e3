"""The raw archive: what goes in comes out, or it says which object is damaged."""

from __future__ import annotations

import hashlib
import json
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.archive import raw_archive
from charging_assets.archive.raw_archive import (
    archive,
    digest,
    feeds_archived,
    hour_keys,
    hours_archived,
    read,
    read_places,
)
from charging_assets.archive.raw_objects import (
    CorruptArchive,
    PlaceResponse,
    encode,
    format_1_key,
)
from charging_assets.hours import Hour
from charging_assets.lake.memory import MemoryLake
from charging_assets.lake.store import LakeError, LocalLake, ObjectMissing
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
        part=st.integers(0, 2),
        requested_at=st.none() | st.just(SLOT + timedelta(microseconds=1)),
        elapsed_ms=st.none() | st.integers(0, 10**6),
        http_status=st.none() | st.integers(100, 599),
        detail=st.none() | st.text(max_size=20),
        url=st.none() | st.just("https://example.org/koeln?offset=100"),
        headers=st.sampled_from([{}, {"ETag": '"1"'}]),
        received_sha256=st.none() | st.just("0" * 64),
    ),
    max_size=6,
    unique_by=lambda each: (each.slug, each.part),
)


def test_encode__keeps_the_names_of_the_format() -> None:
    """Names inside archived objects never change: objects of any age are read by them."""
    _, blob = encode(poll(), [place("koeln", envelope([]))])
    header, response, body = _content(blob).splitlines()
    assert list(json.loads(header)["poll"]) == [
        "feed", "kind", "slot_at", "cadence_s", "time_zone", "asked", "started_at", "ended_at",
        "program", "is_imported", "origin",
    ]  # fmt: skip
    everything = PlaceResponse(
        slug="koeln", part=1, outcome="ok", body=b"", requested_at=SLOT, elapsed_ms=1,
        http_status=200, detail="-", url="https://example.org/", headers={"ETag": "1"},
        received_sha256="0",
    )  # fmt: skip
    assert {"slug", "outcome", "sha256", "length"} == json.loads(response).keys()
    assert body == envelope([])
    _, response, _ = _content(encode(poll(), [everything]).blob).splitlines()
    assert list(json.loads(response)) == [
        "slug", "part", "outcome", "requested_at", "elapsed_ms", "http_status", "detail", "url",
        "headers", "received_sha256", "sha256", "length",
    ]  # fmt: skip


@settings(max_examples=100)
@given(PLACES)
def test_read__gives_back_what_was_archived(places: list[PlaceResponse]) -> None:
    lake, header = MemoryLake(), poll(place_slugs=tuple(each.slug for each in places))
    key, is_new = archive(lake, header, places)
    answers = list(read(lake, key))
    assert is_new
    in_order = sorted(places, key=lambda each: (each.slug, each.part))
    assert [answer.place for answer in answers] == in_order
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
    answers = [place("b", b"\xff\n"), place("a", "ä\n".encode(), http_status=200), place("c", None)]
    content = BytesIO(_content(encode(poll(), answers).blob))
    header = json.loads(content.readline())
    assert (header["format"], header["poll"]["feed"]) == (2, "test")
    assert header["poll"]["slot_at"] == "2022-01-11T20:00:00Z"
    entries = []
    while line := content.readline():
        assert content.tell() % 512 == sum(each["length"] + 1 for each, _ in entries) % 512
        entry = json.loads(line)
        body = content.read(entry["length"]) if "length" in entry else None
        assert body is None or content.read(1) == b"\n"
        if body is not None:
            entries.append((entry, body))
    (first, text), (second, binary) = entries
    assert (first["slug"], text, first["http_status"]) == ("a", "ä\n".encode(), 200)
    assert (second["slug"], binary) == ("b", b"\xff\n")
    assert second["sha256"] == hashlib.sha256(b"\xff\n").hexdigest()
    assert entry == {"slug": "c", "outcome": "ok"}


def test_encode__the_key_has_feed_utc_hour_slot_and_hash_of_the_content() -> None:
    header = poll(slot_at=datetime.fromisoformat("2022-01-12T00:30:05.5+01:00"))
    key, blob = encode(header, [])
    digest = hashlib.sha256(_content(blob)).hexdigest()[:12]
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
    """Cut where a block and an entry end together, only the missing end of the frame shows it."""
    content = _content(BLOB)
    second = content.index(b'{"slug":"p1"')
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    start = compressor.compress(content[:second])
    start += compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    whole = start + compressor.compress(content[second:]) + compressor.flush()
    assert len(damaged(whole)) == 20
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(start)


def _content(blob: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(blob)


def _changed(old: bytes, new: bytes) -> bytes:
    """The content of `BLOB` with a text replaced; the padding of lines keeps their lengths."""
    assert old in _content(BLOB)
    return _content(BLOB).replace(old + b" " * max(len(new) - len(old), 0), new, 1)


LENGTH = f'"length":{len(envelope(station("0")))}}}'.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"not json\n",
        b'{"format":2,"poll":{}}\n',
        _content(BLOB)[:-1],
        _content(BLOB)[:-2],
        _content(BLOB) + b"{}\n",
        _content(BLOB) + b"more",
        _content(BLOB) + b'{"slug":"z","outcome":"ok","length":1}\n',
        _content(BLOB) + b'{"slug":"z","outcome":"ok","length":-1}\n',
        _content(BLOB) + b'{"slug":"z","outcome":"ok","length":9007199254740992}\n',
        _content(BLOB) + b'{"slug":"z","outcome":"ok","length":1000000000}\n',
        _changed(LENGTH, b'"length":1}'),
        _changed(LENGTH, b'"length":999999}'),
        _changed(LENGTH, b'"length":1999999999}'),
        _changed(b'"format":2', b'"format":1'),
        _changed(b'"format":2', b'"format":3'),
    ],
)
def test_read__what_is_no_raw_object_is_named(content: bytes) -> None:
    with pytest.raises(CorruptArchive, match=KEY):
        damaged(zstandard.ZstdCompressor().compress(content))


def test_read__a_later_format_asks_for_a_newer_version() -> None:
    content = b'{"format":3,"what":"ever"}\n'
    with pytest.raises(CorruptArchive, match="has format 3; this program reads 1 and 2: install"):
        damaged(zstandard.ZstdCompressor().compress(content))


@pytest.mark.fault(
    "A small raw object states or contains gigabytes",
    "the error names the object; only its hour fails, and memory stays small",
    area="storage",
)
@pytest.mark.parametrize("text", [b'{"format":2,', b'{"format":1,', b"", b"\n"])
def test_read__a_bomb_is_named_and_costs_little_memory(text: bytes) -> None:
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    bomb = compressor.compress(text)
    for _ in range(300):
        bomb += compressor.compress(b" " * (1 << 20))
    bomb += compressor.flush()
    tracemalloc.start()
    try:
        with pytest.raises(CorruptArchive, match=KEY):
            damaged(bomb)
        assert tracemalloc.get_traced_memory()[1] < 800 << 20
    finally:
        tracemalloc.stop()


FORMAT_1 = LocalLake(Path(__file__).parent / "format_1")
DAY_2 = "raw/feed=test/date=2026-01-13/"


def test_read__objects_of_format_1_stay_readable() -> None:
    """The objects were written by the program of that time."""
    first, second = FORMAT_1.keys(DAY_2)
    assert first.endswith("/hour=00/20260113T000000Z-a1791db0539a.ndjson.zst")
    assert second.endswith("/hour=01/20260113T010000Z-6fe5fbd78086.ndjson.zst")
    answers = list(read(FORMAT_1, first))
    assert [answer.place for answer in answers] == format_1_places(
        datetime(2026, 1, 13, tzinfo=UTC), 0
    )
    assert digest([first, second]) == "87dbe32aa2bef7c9"


def format_1_places(at: datetime, number: int) -> list[PlaceResponse]:
    """What was archived in the hours of `format_1`."""
    text = f'{{"poll":{number},"text":"\\u00e4 ä\\n"}}'.encode()
    return [
        PlaceResponse(slug="aachen", outcome="ok", body=text, requested_at=at,
                      elapsed_ms=20 + number, http_status=200),
        PlaceResponse(slug="bonn", outcome="ok", body=b"\xff\x00\n{}" + bytes([number]),
                      requested_at=at, http_status=200),
        PlaceResponse(slug="koeln", outcome="http_error", body=b"<html>\r\n</html>\r\n",
                      http_status=503, detail="HTTP 503"),
        PlaceResponse(slug="trier", outcome="timeout", detail="no response"),
    ]  # fmt: skip


def test_read_places__merges_both_formats() -> None:
    lake, (key, _) = MemoryLake(), FORMAT_1.keys(DAY_2)
    lake.put(key, FORMAT_1.get(key))
    at = datetime(2026, 1, 13, 0, 10, tzinfo=UTC)
    new = archived(lake, poll(slot_at=at, started_at=at), {"aachen": b"2", "bonn": b"3"})
    places = {slug: [(a.raw_key, a.place.body) for a in answers]
              for _, slug, answers in read_places(lake, [new, key])}  # fmt: skip
    assert [len(answers) for answers in places.values()] == [2, 2, 1, 1]
    assert places["bonn"] == [(key, b"\xff\x00\n{}\x00"), (new, b"3")]


def test_archive__a_poll_of_format_1_that_is_imported_again_is_not_new() -> None:
    at = datetime(2022, 1, 11, 21, 58, 24, tzinfo=UTC)
    header = poll(slot_at=at, started_at=at, is_imported=True, origin="cities.json")
    key = format_1_key(header, [place("koeln", b"{}")])
    lake = MemoryLake()
    lake.put(key, b"as it was archived then")
    assert archive(lake, header, [place("koeln", b"{}", received_sha256="1")]) == (key, False)
    assert archive(lake, header, [place("koeln", b"{ }")])[1]


def test_format_1_key__is_that_of_the_program_of_that_time() -> None:
    for number, key in enumerate(FORMAT_1.keys(DAY_2)):
        (answer, *_) = read(FORMAT_1, key)
        places = format_1_places(datetime(2026, 1, 13, number, tzinfo=UTC), number)
        assert format_1_key(answer.poll, places) == key


def test_stream_places__a_large_place_is_read_answer_by_answer(monkeypatch) -> None:
    monkeypatch.setattr(raw_archive, "_EAGER_BYTES", 10)
    lake = MemoryLake()
    second = archived(lake, poll(10), {"a": b"1", "koeln": b"y" * 20, "z": b"4"})
    first = archived(lake, poll(0), {"koeln": b"x" * 20, "z": b"3"})
    expected = list(read_places(lake, [second, first]))
    streamed = []
    for feed, slug, answers in raw_archive.stream_places(lake, [second, first]):
        is_large = isinstance(answers, raw_archive.LargePlace)
        assert is_large == (slug == "koeln")
        once = list(answers)
        assert list(answers) == once
        streamed.append((feed, slug, once))
    assert streamed == expected
    # A place that nobody reads does not shift the others.
    slugs = [slug for _, slug, _ in raw_archive.stream_places(lake, [second, first])]
    assert slugs == ["a", "koeln", "z"]


def test_stream_places__a_place_is_large_by_all_of_its_pages(monkeypatch) -> None:
    monkeypatch.setattr(raw_archive, "_EAGER_BYTES", 50)
    lake = MemoryLake()
    keys = []
    for minute in (0, 10):
        header = poll(minute)
        pages = [place("koeln", b"x" * size, part=n) for n, size in enumerate((1, 20, 20))]
        keys.append(raw_archive.archive(lake, header, [*pages, place("z", b"3")])[0])
    expected = list(read_places(lake, keys))
    streamed = [
        (feed, slug, isinstance(answers, raw_archive.LargePlace), list(answers))
        for feed, slug, answers in raw_archive.stream_places(lake, keys)
    ]
    assert [(slug, is_large) for _, slug, is_large, _ in streamed] == [
        ("koeln", True),
        ("z", False),
    ]
    assert [(feed, slug, answers) for feed, slug, _, answers in streamed] == expected


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
