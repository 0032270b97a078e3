"""Extract the answers in an archived file, byte for byte.

Two forms are supported: an object of all places (slug → answer) and a single answer of one place.
Members of an object that are not answers are places whose request failed, or fields such as
`timestamp`.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from charging_assets import names
from charging_assets.sources import BadBody, Envelope, kind, split_bodies, tolerant
from charging_assets.sources.feeds import Feed
from charging_assets.text import printable

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"\s*")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ImportRefused(Exception):
    """A file is not an archive that can be imported; the message states why."""


class Doubt(ImportRefused):
    """The place or time of a file is ambiguous; the message names the remedy."""


MemberKind = Literal["answer", "failed", "field", "unknown"]
MemberChoice = Literal["place", "field"]

# Fields that data collectors write next to the places; names without `_`, `-` and capitals.
_FIELD_NAMES = frozenset(
    """
    attribution city cities code comment config copyright count created createdat data date datetime
    detail details duration elapsed endedat error errors feed feeds fetchedat format generatedat
    header headers http id info interval kind lastupdate lastupdated length licence license limit
    link links message messages meta metadata msg n name next note notes observedat offset ok page
    pages params place places polledat prev previous program publishedat query request requestid
    result results schema settings size slugs source sources startedat stations stats status
    statuscode statusmessage success time timeout timestamp timestamps timezone total type tz
    updated updatedat uri url useragent uuid version warning warnings
    """.split()  # noqa: SIM905
)
# An object with one of these fields reports a failed request.
_FAILURE_FIELDS = frozenset(
    """
    code data detail details err error errorcode errormessage errors exception fault http httpstatus
    message msg ok reason status statuscode statusmessage success timeout timestamp title
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Member:
    """A member of a file of all places.

    Kinds: `answer` is certainly an answer (valid, damaged, or an error reported by the API),
    `failed` looks like the record of a failed request, `field` has the name of a known field.
    """

    name: str
    kind: MemberKind
    is_object: bool


@dataclass(frozen=True)
class Contents:
    """The places and times in a file.

    `slugs` are its places, None for a single answer, whose place comes from its path. `fields` are
    the members that are not places. `published` are the times in the answers. `members` are those
    of a file of all places; `choose_places` sets `slugs` and `fields` from them. Names in
    `repeated` occur more than once with different values.
    """

    slugs: tuple[str, ...] | None
    fields: tuple[str, ...]
    published: tuple[datetime, ...]
    members: tuple[Member, ...] = ()
    repeated: frozenset[str] = frozenset()

    @property
    def answered(self) -> set[str]:
        """Names of members that are certainly places."""
        return {member.name for member in self.members if member.kind == "answer"}


def read_contents(feed: Feed, content: bytes) -> Contents:
    """Read the places and times of a file; ImportRefused if it has neither form."""
    try:
        pairs = _pairs(content)
    except ImportRefused:
        # The answers of a kind are not necessarily objects.
        if isinstance(answer := _open(feed, content), Envelope):
            return Contents(None, (), _times(feed, [answer]))
        raise
    members, repeated = dict(pairs), _find_repeated(pairs)
    _refuse_repeated({name for name, body in pairs if name in repeated
                      and isinstance(_open(feed, body), Envelope)})  # fmt: skip
    answers = {slug: _open(feed, body) for slug, body in members.items()}
    valid = [slug for slug, answer in answers.items() if isinstance(answer, Envelope)]
    if "data" in members:
        _refuse_two_forms(feed, members, [slug for slug in valid if slug != "data"])
    if "data" in members or not valid:
        whole = _open(feed, content)
        if isinstance(whole, Envelope) or "data" in members:
            return Contents(None, (), _times(feed, [whole]))
    return Contents(
        slugs=(),
        fields=(),
        published=_times(feed, list(answers.values())),
        members=tuple(
            Member(name, _member_kind(name, body, answers[name]), body.startswith(b"{"))
            for name, body in members.items()
        ),
        repeated=frozenset(repeated),
    )


def choose_places(
    contents: Contents,
    feed: Feed,
    answered: Collection[str],
    choices: Mapping[str, MemberChoice],
) -> Contents:
    """Decide which members are places and which are fields.

    The result does not depend on the configured places of the feed, so that an import after a
    change of them archives nothing twice. The configuration only decides what is refused.

    Args:
        answered: places with an answer in any file of the import.
        choices: the user's choices, by the name of the member.

    Raises:
        Doubt: a member may be a place whose request failed, or a field.
        ImportRefused: the file has no answer, or a member's name is not valid for a place.
    """
    places: list[Member] = []
    fields: list[Member] = []
    ambiguous: list[Member] = []
    for member in contents.members:
        choice = choices.get(member.name) or _choice(member, feed, answered)
        target = places if choice == "place" else fields if choice == "field" else ambiguous
        target.append(member)
    if not any(
        member.kind == "answer" or member.name in answered or member.name in feed.places
        for member in places
    ) or not any(member.is_object or member.kind == "answer" for member in places):
        raise ImportRefused("the file contains no answer")
    invalid = [printable(member.name)[:200] for member in places
               if names.PLACE.problem(member.name)]  # fmt: skip
    if invalid:
        raise ImportRefused(
            f"{invalid[:3]} cannot be places (up to {names.PLACE.max_bytes} of "
            f"{names.PLACE.characters})"
        )
    slugs = tuple(member.name for member in places)
    _refuse_repeated(contents.repeated.intersection(slugs))
    if ambiguous:
        shortened = [printable(member.name)[:200] for member in ambiguous]
        raise Doubt(
            f"{shortened[:3]} next to the places may be places whose request failed, or fields: "
            f"use --member {shortened[0]}=place or --member {shortened[0]}=field"
        )
    return replace(
        contents, slugs=slugs, fields=tuple(printable(field.name)[:200] for field in fields)
    )


def _choice(member: Member, feed: Feed, answered: Collection[str]) -> MemberChoice | None:
    """Whether a member is a place or a field; None if it is ambiguous."""
    if member.kind in ("answer", "failed") or member.name in answered:
        return "place"
    is_configured = member.name in feed.places
    if member.kind == "field":
        return None if is_configured else "field"
    if member.name.startswith(("@", "$")):  # JSON-LD and JSON Schema
        return "field"
    return "place" if is_configured else None


def _refuse_repeated(slugs: Set[str]) -> None:
    if slugs:
        raise ImportRefused(
            f"{sorted(slugs)[:3]} occur twice in the file, with different answers; only one of "
            "them can be archived: split the file"
        )


def bodies_of(content: bytes, slugs: tuple[str, ...] | None, place: str | None) -> dict[str, bytes]:
    """The answers of a file by place, verbatim; `place` is the place of a single answer."""
    if slugs is None:
        return {str(place): content}
    members = _members(content)
    return {slug: members[slug] for slug in slugs}


class _MemberName(str):
    """A name that is equal only to itself, so that a dict keeps members of the same name."""

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


def _find_repeated(pairs: Sequence[tuple[str, bytes]]) -> set[str]:
    """Names that occur more than once with different values."""
    first = dict(reversed(pairs))
    return {name for name, body in pairs if body != first[name]}


def _open(feed: Feed, body: bytes) -> Envelope | BadBody:
    try:
        return split_bodies(kind(feed.kind), [body])
    except BadBody as bad:
        return bad


def _member_kind(name: str, body: bytes, answer: Envelope | BadBody) -> MemberKind:
    if isinstance(answer, Envelope):
        return "answer"
    if _normalize(name) in _FIELD_NAMES:
        return "field"
    if answer.code == "api_status":
        return "answer"
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "answer"
    return "failed" if _is_failure(value) else "unknown"


def _is_failure(value: Any) -> bool:
    """Whether valid JSON looks like the record of a failed request."""
    if isinstance(value, dict):
        return not value or any(_normalize(field) in _FAILURE_FIELDS for field in value)
    if isinstance(value, list):
        return all(isinstance(item, dict) for item in value)
    return value is None


def _normalize(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _refuse_two_forms(feed: Feed, members: dict[str, bytes], slugs: list[str]) -> None:
    if slugs:
        raise ImportRefused(
            f"the file is an answer ('data') and also contains answers of places ({slugs[:3]}); "
            "split it"
        )
    try:
        inner = msgspec.json.decode(members["data"], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if any(isinstance(_open(feed, bytes(body)), Envelope) for body in inner.values()):
        raise ImportRefused(
            f"the places ({list(inner)[:3]}) are within 'data'; move them to the top level"
        )


def _times(feed: Feed, answers: list[Envelope | BadBody]) -> tuple[datetime, ...]:
    times = [
        published_at(answer.observed_at, feed.time_zone)
        for answer in answers
        if isinstance(answer, Envelope)
    ]
    return tuple(instant for instant in times if instant is not None)


def published_at(published: Any, time_zone: str) -> datetime | None:
    """An answer's published time in UTC; None if it is invalid, or ambiguous without an offset."""
    try:
        instant = datetime.fromisoformat(published)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
        instants = instants_of(instant, time_zone)
        return instants[0] if len(instants) == 1 else None
    except (OverflowError, TypeError, ValueError):
        return None


def instants_of(local: datetime, zone: str) -> list[datetime]:
    """The UTC instants of a local time: none or two of them where the clocks change.

    Raises:
        OverflowError: the time is at the end of the calendar.
    """
    tz = ZoneInfo(zone)
    candidates = {local.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(at for at in candidates if at.astimezone(tz).replace(tzinfo=None) == local)


def _split(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The members of a damaged object, without dropping any bytes of them."""
    if content.startswith(_UTF_16):
        raise ImportRefused("the file is UTF-16; convert it to UTF-8")
    text = content.decode("utf-8-sig", "surrogateescape")
    position = _skip(text, 0)
    if text[position : position + 1] != "{":
        raise ImportRefused("the file is neither a JSON object of places nor a single answer")
    position = _skip(text, position + 1)
    while text[position : position + 1] == '"':
        try:
            slug, position = _DECODER.raw_decode(text, position)
        except ValueError:
            raise ImportRefused("the file ends in the middle of a place's name") from None
        position = _skip(text, position)
        if text[position : position + 1] != ":":
            raise ImportRefused(f"the file ends after the name of {slug!r}")
        start = _skip(text, position + 1)
        try:
            _, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield from _split_damaged(slug, text[start:].encode("utf-8", "surrogateescape"))
            return
        yield slug, text[start:position].encode("utf-8", "surrogateescape")
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
    if text[position:].strip() not in ("", "}"):
        raise ImportRefused(f"the file is damaged before {text[position : position + 20]!r}")


def _split_damaged(slug: str, rest: bytes) -> Iterator[tuple[str, bytes]]:
    """A damaged answer and those after it if its brackets match; else the rest as one answer."""
    try:
        members = list(tolerant.named_members(b'{"": ' + rest))
    except BadBody:
        members = [("", rest)]
    yield slug, members[0][1]
    yield from members[1:]


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
