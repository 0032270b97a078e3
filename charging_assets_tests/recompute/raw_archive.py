"""Reads the raw archive of a home: each place's answer in each poll, with the poll's header.

The formats are those of docs/raw-objects.md and docs/decisions/0001 and 0016.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

# A compacted day needs a window of 2^27 bytes (zstd --long=27).
_UNPACKER = zstandard.ZstdDecompressor(max_window_size=1 << 27)


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
                lines = _UNPACKER.stream_reader(file).read().split(b"\n")
            answers[raw_key] = _answers(raw_key, lines)
        for index, name in indexes.get(hour, []):
            # Only the days that this hour is part of are kept unpacked.
            for other in [day for day in days if day.parent.name != index.parent.name]:
                del days[other]
            if index not in days:
                days[index] = _unpacked_day(index)
            folder = index.parent.relative_to(lake).as_posix()
            raw_key = f"{folder}/hour={hour:%H}/{name}.ndjson.zst"
            lines = next(lines for poll, lines in days[index] if poll == name)
            answers[raw_key] = _answers(raw_key, lines)
        yield hour, [answer for raw_key in sorted(answers) for answer in answers[raw_key]]


def _hour_of_name(name: str) -> datetime:
    """The hour of an object's name, `20260112T021000Z-…`."""
    return datetime.strptime(name[:11], "%Y%m%dT%H")


def _unpacked_day(index_path: Path) -> list[tuple[str, list[bytes]]]:
    """A compacted day: the lines of each of its polls, header first.

    The day object is a row of zstd frames; the index states which frame holds the lines of which
    polls, as runs of the polls' positions.
    """
    index = json.loads(index_path.read_text("utf-8"))
    packed = (index_path.parent / Path(index["day_object"]).name).read_bytes()
    lines: list[list[bytes]] = [[] for _ in index["polls"]]
    for _, offset, length, runs in [index["headers"], *index["frames"]]:
        frame = _UNPACKER.stream_reader(packed[offset : offset + length]).read()
        polls = [poll for first, last in runs for poll in range(first, last + 1)]
        for poll, line in zip(polls, frame.split(b"\n"), strict=False):
            lines[poll].append(line)
    return list(zip(index["polls"], lines, strict=True))


def _answers(raw_key: str, lines: list[bytes]) -> list[Answer]:
    header = json.loads(lines[0])["poll"]
    answers = []
    for line in lines[1:]:
        if not line:
            continue
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
                body=_body(place),
                raw_key=raw_key,
            )
        )
    return answers


def _body(place: dict[str, Any]) -> bytes | None:
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
