"""Reading archived files: every answer byte for byte, at the right time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charging_assets.acquisition.importer import ImportRefused, read_file
from charging_assets.sources.feeds import Feed, load_feeds
from charging_assets_tests.acquisition.archived_files import BODY, NAME, cities
from charging_assets_tests.builders import envelope


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def bodies_of(feed: Feed, name: str, content: bytes) -> dict[str, bytes | None]:
    return {place.slug: place.body for place in read_file(feed, name, content)[1]}


def test_read_file__all_places_at_the_local_time_of_the_name(feed: Feed) -> None:
    odd = b'{ "data" :[],\t"timestamp":"x\\u00e4" }'
    poll, places = read_file(feed, NAME, cities(koeln=BODY, bonn=odd))
    assert poll.slot_at == poll.started_at == at("2022-01-11T20:58:24+00:00")
    assert poll.slot_at.utcoffset() is not None
    assert (poll.is_imported, poll.origin, poll.place_slugs) == (True, NAME, ("koeln", "bonn"))
    assert (poll.feed, poll.kind, poll.cadence_s) == ("chargecloud", "chargecloud", 600)
    assert {place.slug: place.body for place in places} == {"koeln": BODY, "bonn": odd}
    assert {place.outcome for place in places} == {"ok"}
    assert {place.requested_at for place in places} == {None}


@pytest.mark.parametrize(
    "content",
    [BODY, b"\xef\xbb\xbf" + BODY, BODY.replace(b'"50.940991"', b"NaN"), b" \n" + BODY + b"\n"],
)
def test_read_file__single_answer_has_its_time_and_the_place_of_its_name(
    feed: Feed, content: bytes
) -> None:
    poll, places = read_file(feed, "SW-Stuttgart.json", content)
    assert poll.slot_at == at("2022-01-11T20:58:22+00:00")
    assert [(place.slug, place.body) for place in places] == [("SW-Stuttgart", content)]


def test_read_file__an_answer_without_an_offset_is_in_local_time(feed: Feed) -> None:
    poll, _ = read_file(feed, "koeln.json", envelope(at="2022-07-11T21:58:22"))
    assert poll.slot_at == at("2022-07-11T19:58:22+00:00")


@pytest.mark.parametrize("name", ["20220111_220000_koeln.json", "20220111_220000-koeln.json"])
def test_read_file__single_answer_with_a_time_in_its_name_has_that_time(
    feed: Feed, name: str
) -> None:
    poll, places = read_file(feed, name, BODY)
    assert poll.slot_at == at("2022-01-11T21:00:00+00:00")
    assert [place.slug for place in places] == ["koeln"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80)
@given(
    st.dictionaries(st.sampled_from(["koeln", "bonn", "SW-Stuttgart"]), JSON, max_size=3),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_read_file__bodies_are_byte_for_byte(
    members: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    bodies = {
        slug: json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
        for slug, value in members.items()
    }
    bodies = bodies_of(load_feeds()["chargecloud"], NAME, cities(anchor=BODY, **bodies))
    assert bodies == {"anchor": BODY, **bodies}


DAMAGED = {
    "nan": b'{"data": [NaN, -Infinity, 1e999], "timestamp": null}',
    "control_characters": b'{"data": ["a\nb"]}',
    "lone_surrogate": b'{"data": ["\\ud800"]}',
    "large_number": b'{"data": [' + b"9" * 10_000 + b"]}",
}


@pytest.mark.parametrize("damage", ["nan", "lone_surrogate"])
def test_read_file__json_that_only_strict_readers_refuse_affects_no_other_answer(
    feed: Feed, damage: str
) -> None:
    content = cities(koeln=BODY, bonn=DAMAGED[damage], kiel=BODY)
    expected = {"koeln": BODY, "bonn": DAMAGED[damage], "kiel": BODY}
    assert bodies_of(feed, NAME, content) == expected


@pytest.mark.parametrize(
    "tail",
    [
        b'{"data": [{"id": ',
        b'{"data": ["a\nb"]}, "kiel": ' + BODY + b"}",
        b'{"data": [' + b"9" * 10_000 + b']}, "kiel": ' + BODY + b"}",
        b'{"data": ' + b"[" * 100_000 + b'}, "kiel": {}}',
        b'undefined, "kiel": {}}',
    ],
)
def test_read_file__all_bytes_after_damage_are_kept(feed: Feed, tail: bytes) -> None:
    content = b'{"koeln": ' + BODY + b', "bonn": ' + tail
    bodies = bodies_of(feed, NAME, content)
    assert bodies["koeln"] == BODY
    rest = b"".join(body for slug, body in bodies.items() if slug != "koeln" and body)
    # Either the places are separated, or everything after the damage is one answer.
    assert bodies["bonn"] == tail or rest.count(b"kiel") + ("kiel" in bodies) >= 1


@pytest.mark.parametrize(
    "damaged",
    [
        DAMAGED["control_characters"],
        DAMAGED["large_number"],
        b'{"data": undefined}',
        b"undefined",
        b'{"data": ' + b"[" * 9000 + b"]" * 9000 + b"}",
        b'{"x": \x00\x00, "data": []}',
    ],
)
def test_read_file__a_damaged_answer_with_matching_brackets_affects_no_other_answer(
    feed: Feed, damaged: bytes
) -> None:
    content = cities(koeln=BODY, bonn=damaged, kiel=BODY, calw=BODY)
    expected = {"koeln": BODY, "bonn": damaged, "kiel": BODY, "calw": BODY}
    assert bodies_of(feed, NAME, content) == expected


@pytest.mark.parametrize("tail", [b'{"data": [NaN, "\xf6"]}}', b'{"data": ["K\xc3'])
def test_read_file__bytes_that_are_not_text_affect_no_other_answer(feed: Feed, tail: bytes) -> None:
    bodies = bodies_of(feed, NAME, b'{"koeln": ' + BODY + b', "bonn": ' + tail)
    assert bodies == {"koeln": BODY, "bonn": tail.removesuffix(b"}}") + b"}" * tail.count(b"}}")}


@pytest.mark.parametrize(
    "content",
    [
        b'{"koeln": {"data": [NaN]} garbage "bonn": {"data": []}}',
        b'{"koeln": {"data": [NaN]}} {"bonn": {"data": []}}',
        b'{"koeln": {"data": [NaN]}, bonn: {"data": []}}',
        b'{"koeln": {"data": [NaN]}, "bonn" {"data": []}}',
        b'{"koeln": {"data": [NaN]}, "bon',
    ],
)
def test_read_file__damage_between_answers_is_refused_not_dropped(
    feed: Feed, content: bytes
) -> None:
    with pytest.raises(ImportRefused):
        read_file(feed, NAME, content)


OTHER = envelope(at="2022-01-11T21:58:23+01:00")


@pytest.mark.parametrize(
    "content",
    [
        b'{"koeln": %s, "koeln": %s}' % (BODY, OTHER),
        b'{"koeln": %s, "bonn": %s, "koeln": %s}' % (BODY, BODY, OTHER),
        b'{"koeln": null, "koeln": %s}' % BODY,
        b'{"koeln": %s, "koeln": null}' % BODY,
        b'{"koeln": %s, "koe\\u006cn": %s}' % (BODY, OTHER),
        b'{"koeln": %s, "bonn": {"x": NaN}, "koeln": %s}' % (BODY, OTHER),
        b'{"koeln": %s, "bonn": undefined, "koeln": %s}' % (BODY, OTHER),
        b'{"bonn": undefined, "koeln": %s, "koeln": %s}' % (BODY, OTHER),
        b'{"bonn": undefined, "kiel": %s, "bonn": %s}' % (BODY, OTHER),
    ],
)
def test_read_file__a_place_twice_with_different_answers_is_refused(
    feed: Feed, content: bytes
) -> None:
    with pytest.raises(ImportRefused, match=r"'(koeln|bonn)'\] occur twice in the file"):
        read_file(feed, NAME, content)


@pytest.mark.parametrize(
    "content", [b'{"koeln": %s, "koeln": %s}', b'{"koeln": %s, "v": NaN, "koeln": %s}']
)
def test_read_file__a_place_twice_with_the_same_answer_is_imported(
    feed: Feed, content: bytes
) -> None:
    assert bodies_of(feed, NAME, content % (BODY, BODY))["koeln"] == BODY


def test_read_file__a_field_twice_within_an_answer_is_archived_verbatim(feed: Feed) -> None:
    content = BODY.replace(b'"timestamp"', b'"timestamp": "x", "timestamp"')
    assert bodies_of(feed, "koeln.json", content) == {"koeln": content}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (NAME, b"", "neither a JSON object"),
        (NAME, b"[]", "neither a JSON object"),
        (NAME, b'"x"', "neither a JSON object"),
        (NAME, b"{}", "no answer"),
        (NAME, b'{"status_code": 2000, "status_message": "busy"}', "no answer"),
        (NAME, b'{"koeln": null}', "no answer"),
        (NAME, b'\xff\xfe{"k": 1}', "is UTF-16"),
        (NAME, cities(**{"../etc": BODY}), "cannot be places"),
        (NAME, cities(**{"koeln\n": BODY}), "cannot be places"),
        (NAME, cities(**{"": BODY}), "cannot be places"),
        (NAME, cities(**{"köln": BODY}), "cannot be places"),
        (NAME, cities(koeln=BODY, **{"a b": BODY}), "cannot be places"),
        (NAME, cities(koeln=BODY, **{"k" * 129: BODY}), "cannot be places"),
        ("köln.json", BODY, "named"),
        ("k" * 129 + ".json", BODY, "129 characters long, 128 is the limit"),
        ("2021-12-24 koeln.json", BODY, "has the date 2021-12-24, its answers have 2022-01-11"),
        ("20220111_215824.json", BODY, "names a place"),
        ("0600.json", BODY, "names a place"),
        ("1641934702.json", BODY, "names a place"),
        ("status.json", BODY, "names a place"),
        ("3f2a9c1d8e.json", BODY, "names a place"),
        ("koeln_1.json", BODY, "a place and a number"),
        (NAME, b'{"data": {"koeln": %s}}' % BODY, "within 'data'"),
        (NAME, b'{"data": [], "koeln": %s}' % BODY, "also contains answers of places"),
        (NAME, b'{"timestamp": "2022-01-11T21:58:22+01:00", "meta": {"a": 1}}', "no answer"),
        ("koeln.json", envelope(at="2021-10-31T02:29:58"), "has a time"),
        ("20211031_023000_x.json", cities(koeln=envelope(at="2021-10-31T02:29:58")), "ambiguous"),
        ("koeln.json", envelope(at=None), "has a time"),
        ("koeln.json", envelope(at="yesterday"), "has a time"),
        ("koeln.json", envelope(at="0001-01-01T00:00:00+01:00"), "has a time"),
        ("koeln.json", envelope(at="1970-01-01T00:00:00+00:00"), "no partitions before"),
        ("cities.json", cities(koeln=envelope(at=None)), "has a time"),
        ("20221301_000000_x.json", cities(koeln=BODY), "not a time"),
        ("20220111_219959_x.json", cities(koeln=BODY), "not a time"),
        ("20220111_240001_x.json", cities(koeln=BODY), "not a time"),
        ("00010101_000000_x.json", cities(koeln=BODY), "out of range"),
        ("0001-01-01T00-00-00Z_x.json", cities(koeln=BODY), "no partitions before"),
        ("99991231_235959_x.json", cities(koeln=BODY), "in the future"),
        ("99991231_240000_x.json", cities(koeln=BODY), "out of range"),
        ("koeln.json", envelope(at="9999-12-31T23:59:59-12:00"), "has a time"),
        ("koeln.json", envelope(at="0001-01-01T00:00:00"), "has a time"),
        ("koeln.json", envelope(at="9999-12-31T23:59:59"), "in the future: this machine's clock"),
        ("01.02.2022_0620_x.json", cities(koeln=envelope(at=None)), "2022-02-01 or 2022-01-02"),
        ("20220327_023000_x.json", cities(koeln=envelope(at=None)), "--names-in UTC"),
        ("2022-01-11T09-00_x.json", cities(koeln=BODY), "its answers are of 2022-01-11 20:58 UTC"),
        ("20191231_235959_x.json", cities(koeln=BODY), "no partitions before"),
        ("29990101_000000_x.json", cities(koeln=BODY), "in the future"),
    ],
)
def test_read_file__refusal_states_the_reason(
    feed: Feed, name: str, content: bytes, reason: str
) -> None:
    with pytest.raises(ImportRefused, match=reason):
        read_file(feed, name, content)


@pytest.mark.fault(
    "The two days on which the clocks change",
    area="time",
)
@pytest.mark.parametrize(
    ("name", "published", "slot"),
    [
        # 02:00 to 03:00 exists twice.
        ("20211031_023000", "2021-10-31T02:29:58+02:00", "2021-10-31T00:30:00+00:00"),
        ("20211031_023000", "2021-10-31T02:29:58+01:00", "2021-10-31T01:30:00+00:00"),
        ("20211031_015959", "2021-10-31T01:59:58+02:00", "2021-10-30T23:59:59+00:00"),
        ("20211031_030000", "2021-10-31T03:00:00+01:00", "2021-10-31T02:00:00+00:00"),
        # 02:00 to 03:00 does not exist; the times before and after it do.
        ("20220327_015959", "2022-03-27T01:59:58+01:00", "2022-03-27T00:59:59+00:00"),
        ("20220327_030000", "2022-03-27T03:00:00+02:00", "2022-03-27T01:00:00+00:00"),
        # The name decides, whatever the times of the answers.
        ("20220111_215824", "2022-01-11T20:10:00+01:00", "2022-01-11T20:58:24+00:00"),
    ],
)
def test_read_file__a_name_at_a_change_of_clocks_is_resolved_by_the_answers(
    feed: Feed, name: str, published: str, slot: str
) -> None:
    poll, _ = read_file(feed, f"{name}_cp_data_cities.json", cities(koeln=envelope(at=published)))
    assert poll.slot_at == at(slot)


@pytest.mark.parametrize("published", ["2022-03-27T03:29:58+02:00", "2022-03-27T01:29:58+01:00"])
def test_read_file__a_local_time_that_does_not_exist_is_refused(feed: Feed, published: str) -> None:
    content, name = cities(koeln=envelope(at=published)), "20220327_023000_cp_data_cities.json"
    for zone in (None, "Europe/Berlin"):
        with pytest.raises(ImportRefused, match=r"does not exist in Europe/Berlin.*--names-in UTC"):
            read_file(feed, name, content, names_in=zone)
    poll, _ = read_file(feed, name, content, names_in="Etc/GMT-1")
    assert poll.slot_at == at("2022-03-27T01:30:00+00:00")


def test_read_file__answers_far_from_both_readings_resolve_nothing(feed: Feed) -> None:
    with pytest.raises(ImportRefused, match="ambiguous"):
        read_file(feed, "20211031_023000_x.json", cities(koeln=envelope(at="2021-10-30T08:00:00Z")))


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("2022-01-11T21-58_koeln.json", "2022-01-11T20:58:00+00:00"),
        ("koeln-2022-01-11T21-58-24.json", "2022-01-11T20:58:24+00:00"),
        ("koeln_11.01.2022_2158.json", "2022-01-11T20:58:00+00:00"),
        ("2158_11.1.2022 koeln.json", "2022-01-11T20:58:00+00:00"),
        ("20220111T205824Z_koeln.json", "2022-01-11T20:58:24+00:00"),
        ("20220111205824+00:00_koeln.json", "2022-01-11T20:58:24+00:00"),
        ("1641934704_koeln.json", "2022-01-11T20:58:24+00:00"),
        ("koeln-1641934704123.json", "2022-01-11T20:58:24+00:00"),
        ("koeln_20220111_215824.json", "2022-01-11T20:58:24+00:00"),
        ("status_koeln_2022-01-11.json", "2022-01-11T20:58:22+00:00"),
        ("20220111_215860_koeln.json", "2022-01-11T20:59:00+00:00"),
        ("20220111_240000_koeln.json", "2022-01-11T23:00:00+00:00"),
    ],
)
def test_read_file__a_name_has_time_and_place_in_any_order(
    feed: Feed, name: str, slot: str
) -> None:
    poll, places = read_file(feed, name, BODY)
    assert (poll.slot_at, [place.slug for place in places]) == (at(slot), ["koeln"])


def test_read_file__one_stopped_clock_does_not_resolve_a_name(feed: Feed) -> None:
    published = envelope(at="2021-10-31T02:29:58+01:00")
    content = cities(a=envelope(at="2020-01-01T00:00:00+01:00"), b=published, c=published)
    poll, _ = read_file(feed, "20211031_023000_cp_data_cities.json", content)
    assert poll.slot_at == at("2021-10-31T01:30:00+00:00")


def test_read_file__one_stopped_clock_does_not_change_the_time(feed: Feed) -> None:
    answers = {
        "bonn": envelope(at="2022-01-11T21:58:23+01:00"),
        "kiel": envelope(at="2021-03-01T00:00:00+01:00"),
        "koeln": BODY,
    }
    poll, _ = read_file(feed, "cities.json", cities(**answers))
    assert poll.slot_at == at("2022-01-11T20:58:22+00:00")


def test_read_file__an_ambiguous_name_that_nothing_resolves_is_refused(feed: Feed) -> None:
    with pytest.raises(ImportRefused, match="ambiguous"):
        read_file(feed, "20211031_023000_x.json", cities(koeln=envelope(at=None)))


IN_UTC = "20220111_205824_cp_data_cities.json"


def test_read_file__a_name_in_utc_is_refused_without_the_option(feed: Feed) -> None:
    content = cities(koeln=BODY, bonn=BODY, kiel=envelope(at=None))
    with pytest.raises(ImportRefused, match="--names-in UTC, or --names-in Europe/Berlin"):
        read_file(feed, IN_UTC, content)
    poll, _ = read_file(feed, IN_UTC, content, names_in="UTC")
    assert (poll.slot_at, poll.time_zone) == (at("2022-01-11T20:58:24+00:00"), "Europe/Berlin")
    poll, _ = read_file(feed, IN_UTC, content, names_in="Europe/Berlin")
    assert poll.slot_at == at("2022-01-11T19:58:24+00:00")
