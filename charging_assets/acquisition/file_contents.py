"""The answers in an archived file: one, or one for each place, byte for byte.

Two forms are read: an object of all places (slug → answer) and one place's answer. Fields next to
the places of an object are told from places by what they hold.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from charging_assets import names
from charging_assets.acquisition.feeds import Feed
from charging_assets.kinds import BadBody, Envelope, kind, tolerant
from charging_assets.text import printable

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CannotImport(Exception):
    """A file is not an archive that can be read; the message says why."""


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    `slugs` are its places, None for a single answer, whose place only its path can name. `fields`
    are members next to the places that are no answers. `published` are the answers' own times.
    """

    slugs: tuple[str, ...] | None
    fields: tuple[str, ...]
    published: tuple[datetime, ...]


def read_contents(feed: Feed, content: bytes) -> Contents:
    """The places and times in a file; CannotImport if it is of neither form."""
    try:
        pairs = _pairs(content)
    except CannotImport:
        # A kind's answers may be no objects.
        if isinstance(opened := _open(feed, content), Envelope):
            return Contents(None, (), _times(feed, [opened]))
        raise
    members, repeated = dict(pairs), _repeated(pairs)
    _refuse_repeated({name for name, body in pairs if name in repeated
                      and isinstance(_open(feed, body), Envelope)})  # fmt: skip
    answers = {slug: _open(feed, body) for slug, body in members.items()}
    good = [slug for slug, answer in answers.items() if isinstance(answer, Envelope)]
    if "data" in members:
        _refuse_two_forms(feed, members, [slug for slug in good if slug != "data"])
    if "data" in members or not good:
        whole = _open(feed, content)
        if isinstance(whole, Envelope) or "data" in members:
            return Contents(None, (), _times(feed, [whole]))
    slugs = [slug for slug, body in members.items() if _is_place(feed, slug, body, answers[slug])]
    if not any(members[slug].startswith(b"{") or slug in good for slug in slugs):
        raise CannotImport("the file holds no answer")
    strange = [printable(slug)[:200] for slug in slugs if names.PLACE.problem(slug)]
    if strange:
        raise CannotImport(
            f"{strange[:3]} cannot be places (up to {names.PLACE.max_bytes} of "
            f"{names.PLACE.characters})"
        )
    _refuse_repeated(repeated.intersection(slugs))
    fields = tuple(printable(name)[:200] for name in members if name not in slugs)
    return Contents(tuple(slugs), fields, _times(feed, [answers[slug] for slug in slugs]))


def _refuse_repeated(slugs: set[str]) -> None:
    if slugs:
        raise CannotImport(
            f"{sorted(slugs)[:3]} are in the file twice, with different answers; only one of them "
            "can be archived: split the file"
        )


def bodies_of(content: bytes, slugs: tuple[str, ...] | None, place: str | None) -> dict[str, bytes]:
    """The answers of a file by place, verbatim; `place` is the one of a single answer."""
    if slugs is None:
        return {str(place): content}
    members = _members(content)
    return {slug: members[slug] for slug in slugs}


class _MemberName(str):
    """A member's name that equals only itself, so that a dict keeps members of the same name."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _member_name(_: type, name: str) -> _MemberName:
    return _MemberName(name)


def _members(content: bytes) -> dict[str, bytes]:
    return dict(_pairs(content))


def _pairs(content: bytes) -> list[tuple[str, bytes]]:
    """The members of the object in file order; a name may occur twice."""
    try:
        members = msgspec.json.decode(
            content, type=dict[_MemberName, msgspec.Raw], dec_hook=_member_name
        )
        return [(str(name), bytes(body)) for name, body in members.items()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return list(_split(content))


def _repeated(pairs: Sequence[tuple[str, bytes]]) -> set[str]:
    """Names that occur twice with different values."""
    first = dict(reversed(pairs))
    return {name for name, body in pairs if body != first[name]}


def _open(feed: Feed, body: bytes) -> Envelope | BadBody:
    try:
        return kind(feed.kind).open(body)
    except BadBody as bad:
        return bad


def _is_place(feed: Feed, slug: str, body: bytes, answer: Envelope | BadBody) -> bool:
    """Whether a member is a place's answer, good or bad, and not a field such as `timestamp`.

    A damaged body and an error of the API are answers; sound JSON of another form is one only under
    the name of a place that the feed has.
    """
    if isinstance(answer, Envelope) or slug in feed.places or answer.code == "api_status":
        return True
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True
    return False


def _refuse_two_forms(feed: Feed, members: dict[str, bytes], good: list[str]) -> None:
    if good:
        raise CannotImport(
            f"the file is an answer ('data') and holds answers of places too ({good[:3]}); split it"
        )
    try:
        inner = msgspec.json.decode(members["data"], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if any(isinstance(_open(feed, bytes(body)), Envelope) for body in inner.values()):
        raise CannotImport(f"the places ({list(inner)[:3]}) are within 'data'; take them out of it")


def _times(feed: Feed, answers: list[Envelope | BadBody]) -> tuple[datetime, ...]:
    found = [
        published_at(answer.observed_at, feed.time_zone)
        for answer in answers
        if isinstance(answer, Envelope)
    ]
    return tuple(instant for instant in found if instant is not None)


def published_at(published: Any, time_zone: str) -> datetime | None:
    """An answer's own time in UTC, if it is one: without an offset it may be two, or none."""
    try:
        instant = datetime.fromisoformat(published)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
        instants = instants_of(instant, time_zone)
        return instants[0] if len(instants) == 1 else None
    except (OverflowError, TypeError, ValueError):
        return None


def instants_of(local: datetime, zone: str) -> list[datetime]:
    """The instants that a local time is, in UTC: none or two of them where the clocks change.

    Raises:
        OverflowError: it is at an end of the calendar.
    """
    tz = ZoneInfo(zone)
    both = {local.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in both if at.astimezone(tz).replace(tzinfo=None) == local)


def _split(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The members of an object that is damaged inside; nothing of it is left out."""
    if content.startswith(_UTF_16):
        raise CannotImport("the file is not UTF-8 but UTF-16; convert it")
    text = content.decode("utf-8-sig", "surrogateescape")
    position = _skip(text, 0)
    if text[position : position + 1] != "{":
        raise CannotImport("the file is not a JSON object of places, nor a single answer")
    position = _skip(text, position + 1)
    while text[position : position + 1] == '"':
        try:
            slug, position = _DECODER.raw_decode(text, position)
        except ValueError:
            raise CannotImport("the file ends in the middle of a place's name") from None
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            raise CannotImport(f"the file ends after the name of {slug!r}")
        start = _skip(text, position + 1)
        try:
            _, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield from _told_apart(slug, text[start:].encode("utf-8", "surrogateescape"))
            return
        yield slug, text[start:position].encode("utf-8", "surrogateescape")
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    if text[position:].strip() not in ("", "}"):
        raise CannotImport(f"the file is damaged before {text[position : position + 20]!r}")


def _told_apart(slug: str, rest: bytes) -> Iterator[tuple[str, bytes]]:
    """A damaged answer and those behind it, where brackets tell them apart; else all as its own."""
    try:
        members = list(tolerant.named_members(b'{"": ' + rest))
    except BadBody:
        members = [("", rest)]
    yield slug, members[0][1]
    yield from members[1:]


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
