"""Reads the raw archive of a home: each place's answer in each poll, with the poll's header.

The formats are those of docs/raw-objects.md and docs/decisions/0001, 0016 and 0043.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import zstandard

# A compacted day may need a window of 2^31 bytes (zstd --long=31).
_UNPACKER = zstandard.ZstdDecompressor(max_window_size=1 << 31)


@dataclass
class Answer:
    """What a place answered in one poll; times are UTC without an offset."""

    feed: str
    place: str
    slot_at: datetime
    cadence_s: int
    time_zone: str
    kind: str
    is_imported: bool
    outcome: str
    requested_at: datetime | None
    started_at: datetime
    elapsed_ms: int | None
    http_status: int | None
    body: bytes | None
    raw_key: str


def read_hours(lake: Path) -> Iterator[tuple[datetime, list[Answer]]]:
    """The archive hour by hour (UTC, of the slot), in order of time, with all answers of each."""
    objects: dict[datetime, list[Path]] = {}
    days: dict[Path, list[tuple[str, list[bytes]]]] = {}
    for path in sorted(lake.glob("raw/feed=*/date=*/hour=*/*.ndjson.zst")):
        objects.setdefault(_hour_of_name(path.name), []).append(path)
    indexes: dict[datetime, list[tuple[Path, str]]] = {}
    for path in sorted(lake.glob("raw/feed=*/date=*/polls-*.index.json")):
        for name in json.loads(path.read_text("utf-8"))["polls"]:
            indexes.setdefault(_hour_of_name(name), []).append((path, name))
    for hour in sorted(objects.keys() | indexes.keys()):
        answers: dict[str, list[Answer]] = {}
        for path in objects.get(hour, []):
            raw_key = path.relative_to(lake).as_posix()
            with path.open("rb") as file:
                content = BytesIO(_UNPACKER.stream_reader(file).read())
            number = json.loads(header := content.readline())["format"]
            records = [header]
            while record := _record(content, number):
                records.append(record)
            answers[raw_key] = _answers(raw_key, records)
        for index, name in indexes.get(hour, []):
            # Only the days that this hour is part of are kept unpacked.
            for other in [day for day in days if day.parent.name != index.parent.name]:
                del days[other]
            if index not in days:
                days[index] = _unpacked_day(index)
            folder = index.parent.relative_to(lake).as_posix()
            raw_key = f"{folder}/hour={hour:%H}/{name}.ndjson.zst"
            records = next(records for poll, records in days[index] if poll == name)
            answers[raw_key] = _answers(raw_key, records)
        yield hour, [answer for raw_key in sorted(answers) for answer in answers[raw_key]]


def _hour_of_name(name: str) -> datetime:
    """The hour of an object's name, `20260112T021000Z-…`."""
    return datetime.strptime(name[:11], "%Y%m%dT%H")


def _unpacked_day(index_path: Path) -> list[tuple[str, list[bytes]]]:
    """A compacted day: the records of each of its polls, header first.

    The day object is a row of zstd frames; the index states which frame holds the records of which
    polls, as runs of the polls' positions.
    """
    index = json.loads(index_path.read_text("utf-8"))
    packed = (index_path.parent / Path(index["day_object"]).name).read_bytes()
    records: list[list[bytes]] = [[] for _ in index["polls"]]
    for _, offset, length, runs in [index["headers"], *index["frames"]]:
        frame = BytesIO(_UNPACKER.stream_reader(packed[offset : offset + length]).read())
        for first, last in runs:
            for poll in range(first, last + 1):
                if records[poll]:
                    number = json.loads(records[poll][0])["format"]
                    records[poll].append(_record(frame, number))
                else:
                    records[poll].append(frame.readline())
    return list(zip(index["polls"], records, strict=True))


def _record(content: BytesIO, number: int) -> bytes:
    """A line and, in format 2, the body behind it."""
    line = content.readline()
    if number == 1 or not line:
        return line
    length = json.loads(line).get("length")
    return line if length is None else line + content.read(length + 1)


def _answers(raw_key: str, records: list[bytes]) -> list[Answer]:
    header = json.loads(records[0])["poll"]
    answers = []
    for record in records[1:]:
        line, _, body = record.partition(b"\n")
        place = json.loads(line)
        answers.append(
            Answer(
                feed=header["feed"],
                place=place["slug"],
                slot_at=_utc(header["slot_at"]),
                cadence_s=header["cadence_s"],
                time_zone=header["time_zone"],
                kind=header["kind"],
                is_imported=header.get("is_imported", False),
                outcome=place["outcome"],
                requested_at=_utc(place.get("requested_at")),
                started_at=_utc(header["started_at"]),
                elapsed_ms=place.get("elapsed_ms"),
                http_status=place.get("http_status"),
                body=_body(place, body),
                raw_key=raw_key,
            )
        )
    return answers


def _body(place: dict[str, Any], behind: bytes) -> bytes | None:
    if place.get("length") is not None:
        return behind[: place["length"]]
    if place.get("body") is not None:
        return place["body"].encode()
    if place.get("body_base64") is not None:
        return base64.b64decode(place["body_base64"])
    return None


def _utc(text: str | None) -> Any:
    if text is None:
        return None
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
