"""Records that differ in statuses only are read as if they were read as a whole."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charging_assets.archive.identities import FeedIdentity
from charging_assets.preprocessing.stations import StationReader
from charging_assets.sources import chargecloud
from charging_assets_tests.builders import connector, evse, station

READER = StationReader(FeedIdentity("test"), chargecloud)


def _reader(**columns: str) -> StationReader:
    """The reader of a kind with further columns of EVSEs."""
    evses = replace(chargecloud.EVSE, columns={**chargecloud.EVSE.columns, **columns})
    kind: Any = SimpleNamespace(
        NAME="other", STATION=chargecloud.STATION, EVSE=evses, CONNECTOR=chargecloud.CONNECTOR
    )
    return StationReader(FeedIdentity("test"), kind)


# Kinds that also publish when a status changed, and another word for it.
READERS = [
    READER,
    _reader(status_changed_at="changed"),
    _reader(status_published="word"),
    _reader(status_published="parkingsensor_status"),
    _reader(status_changed_at="status", status_published="changed"),
]
WORDS = st.sampled_from(
    ["AVAILABLE", "CHARGING", "UNKNOWN", "OCCUPIED", "FREE", "ACTIVE", "charging", " CHARGING", "-",
     "", None, 1, "nonsense", "X" * 40]
)  # fmt: skip
STATUS = st.one_of(st.sampled_from(["AVAILABLE", "CHARGING", "OUTOFORDER"]), WORDS)
NAMES = st.sampled_from(["status", "parkingsensor_status", "other"])
CONNECTOR = st.fixed_dictionaries({"status": STATUS}, optional={"other": WORDS})
EVSE = st.fixed_dictionaries(
    {"status": STATUS, "connectors": st.lists(CONNECTOR, max_size=2)},
    optional={
        "parkingsensor_status": WORDS,
        "novelty": st.dictionaries(NAMES, WORDS, max_size=2),
        "changed": st.sampled_from(["2022-01-11T20:00:00Z", "2022-01-11T20:10:00Z"]),
        "word": WORDS,
    },
)
STATION = st.fixed_dictionaries(
    {"evses": st.lists(EVSE, max_size=3)},
    optional={"status": WORDS, "novelty": st.dictionaries(NAMES, WORDS, max_size=2)},
)


def _fragment(fields: dict[str, Any], indent: int | None = None) -> msgspec.Raw:
    evses = [
        evse(f"e{n}", [connector(f"c{m}", **each) for m, each in enumerate(parts["connectors"])],
             **{name: value for name, value in parts.items() if name != "connectors"})
        for n, parts in enumerate(fields["evses"])
    ]  # fmt: skip
    rest = {name: value for name, value in fields.items() if name != "evses"}
    return msgspec.Raw(json.dumps(station("s", evses, **rest), indent=indent).encode())


def _content(result: Any) -> tuple[Any, ...]:
    names = ("station", "evses", "connectors", "statuses", "evse_pointers", "connector_sources",
             "shape", "unknown", "evse_count", "connector_count", "untrimmed")  # fmt: skip
    return (*(getattr(result, name) for name in names), result.rejections, result.keys)


ONE = {"status": "AVAILABLE", "connectors": [{"status": "AVAILABLE"}]}


@given(STATION, STATION, st.sampled_from([None, 1]), st.sampled_from(READERS))
@example({"evses": [ONE]}, {"evses": [{**ONE, "status": "CHARGING"}]}, None, READER)
@example({"evses": [ONE], "status": "ACTIVE"}, {"evses": [ONE], "status": "CLOSED"}, None, READER)
@example(
    {"evses": [{**ONE, "parkingsensor_status": "FREE"}]},
    {"evses": [{**ONE, "parkingsensor_status": "OCCUPIED"}]},
    None,
    READERS[3],
)
@example(
    {"evses": [{**ONE, "novelty": {"status": "FREE"}}]},
    {"evses": [{**ONE, "novelty": {"status": "CHARGING"}}]},
    None,
    READER,
)
def test_read_changed__equals_reading_as_a_whole(
    first: dict[str, Any], second: dict[str, Any], indent: int | None, reader: StationReader
) -> None:
    before, after = _fragment(first, indent), _fragment(second, indent)
    changed = reader.statuses.read_changed(before, reader.read(before, "koeln"), after)
    assert changed is None or _content(changed) == _content(reader.read(after, "koeln"))


@pytest.mark.parametrize("parking", [{}, {"parkingsensor_status": "OCCUPIED"}])
def test_read_changed__reads_what_usually_changes(parking: dict[str, str]) -> None:
    """A test that compares both readers is worth nothing if the fast one always gives up."""
    first = {"evses": [{**ONE, **parking}, ONE]}
    second = {"evses": [{**ONE, **parking, "status": "CHARGING"}, ONE]}
    before, after = _fragment(first), _fragment(second)
    changed = READER.statuses.read_changed(before, READER.read(before, "koeln"), after)
    assert changed is not None
    assert [status.status for status in changed.statuses] == ["CHARGING", "AVAILABLE"]
    assert changed.statuses[0].overrides == '{"c0":"AVAILABLE"}'
    assert _content(changed) == _content(READER.read(after, "koeln"))


def test_read_changed__keeps_a_published_time_that_did_not_change() -> None:
    reader, one = READERS[1], {**ONE, "changed": "2022-01-11T20:00:00Z"}
    before, after = (
        _fragment({"evses": [one]}),
        _fragment({"evses": [{**one, "status": "UNKNOWN"}]}),
    )
    changed = reader.statuses.read_changed(before, reader.read(before, "koeln"), after)
    assert changed is not None
    (status,) = changed.statuses
    assert (status.status, status.status_published) == ("UNKNOWN", "UNKNOWN")
    assert status.changed_at == datetime(2022, 1, 11, 20)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"status": "ACTIVE"', b'"status": "CLOSED"'),
        (b'{"id": "s"', b'{"status": "ACTIVE", "id": "s"'),
        (b'"name": "Station s"', b'"name": "Station t"'),
        (b'"AVAILABLE"', b'"AVAIL\\u0041BLE"'),
    ],
)
def test_read_changed__leaves_other_changes_to_the_reader(old: bytes, new: bytes) -> None:
    before = _fragment({"evses": [ONE], "status": "ACTIVE"})
    after = msgspec.Raw(bytes(before).replace(old, new, 1))
    assert bytes(after) != bytes(before)
    assert READER.statuses.read_changed(before, READER.read(before, "koeln"), after) is None
