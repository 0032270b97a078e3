"""Feed identities: what a feed's settings add to the keys of its stations, EVSEs and connectors.

Flat files depend on these settings as they depend on the raw objects, so they are part of the
digest of each hour that has polls of the feed (`archive.digest`). The identity with which a feed's
hours were flattened is recorded in the lake; a process without a feeds file, or whose feeds file
does not define the feed, uses the recorded one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from charging_assets import sources
from charging_assets.lake.store import Lake, LakeError
from charging_assets.sources.feeds import FeedError, load_feeds, user_defined, user_file

NO_IDENTITIES: Final[Mapping[str, FeedIdentity]] = {}
# Next to the flat files, which are written with them.
_RECORDS = "flat/identities/"


@dataclass(frozen=True)
class FeedIdentity:
    """The network whose ids a feed publishes, and the scope within which an id is unique.

    `ids_within` is "network", "place" or "parent"; None is the default of the feed's kind. `kind`
    is the feed's kind if it is not part of this package, and `kind_maps` the version of its maps.
    """

    network: str
    ids_within: str | None = None
    kind: str | None = None
    kind_maps: str | None = None

    def __str__(self) -> str:
        settings = f"network={self.network} ids_within={self.ids_within}"
        return settings if self.kind is None else f"{settings} kind={self.kind}"


def identity_of(feed: str, identities: Mapping[str, FeedIdentity]) -> FeedIdentity:
    """The identity of a feed; a feed without configuration is its own network."""
    return identities.get(feed) or FeedIdentity(feed)


def configured_identities() -> Mapping[str, FeedIdentity]:
    """The identities that differ from the default, by feed, as the feeds file states them now.

    Raises:
        FeedError: the feeds file is not usable.
    """
    return _read_configured()[0]


def effective_identities(
    lake: Lake, feeds: Collection[str] | None = None
) -> Mapping[str, FeedIdentity]:
    """The identities that hours are flattened with, by feed, without those that are the default.

    They are those of the user's feeds file and, for feeds that it does not define, those that the
    lake has a record of. So no process changes the keys of a feed that it does not know. With
    `feeds`, records of other feeds are not read.

    Raises:
        FeedError: the feeds file is not usable, or a recorded kind cannot be imported.
        LakeError: a record cannot be read.
    """
    configured, defined = _read_configured()
    recorded = recorded_identities(lake, feeds)
    kept = {feed: recorded[feed] for feed in recorded.keys() - defined}
    return _differing({**configured, **kept})


@dataclass(frozen=True)
class UsableIdentities:
    """Identities by feed, and why those of other feeds cannot be used."""

    identities: Mapping[str, FeedIdentity]
    errors: Mapping[str, FeedError | LakeError]


def usable_identities(lake: Lake) -> UsableIdentities:
    """`effective_identities`, where a record that cannot be used costs no other feed.

    Raises:
        FeedError: the feeds file is not usable.
        LakeError: the records cannot be listed.
    """
    configured, defined = _read_configured()
    kept: dict[str, FeedIdentity] = {}
    errors: dict[str, FeedError | LakeError] = {}
    for feed in _recorded_feeds(lake):
        if feed not in defined:
            try:
                kept[feed] = _recorded_identity(lake, feed)
            except (FeedError, LakeError) as error:
                errors[feed] = error
    return UsableIdentities(_differing({**configured, **kept}), errors)


def _differing(identities: Mapping[str, FeedIdentity]) -> dict[str, FeedIdentity]:
    differing = (name for name in sorted(identities) if identities[name] != FeedIdentity(name))
    return {name: identities[name] for name in differing}


def _recorded_feeds(lake: Lake) -> list[str]:
    keys = lake.keys(_RECORDS)
    return [key.removeprefix(f"{_RECORDS}feed=").removesuffix(".json") for key in keys]


def recorded_identities(
    lake: Lake, feeds: Collection[str] | None = None
) -> Mapping[str, FeedIdentity]:
    """The identities that the hours of feeds were last flattened with, where they ever differed
    from the default; of all feeds where `feeds` is None.

    Raises:
        FeedError: a recorded kind cannot be imported.
        LakeError: a record cannot be read.
    """
    return {
        feed: _recorded_identity(lake, feed)
        for feed in _recorded_feeds(lake)
        if feeds is None or feed in feeds
    }


def _recorded_identity(lake: Lake, feed: str) -> FeedIdentity:
    key = f"{_RECORDS}feed={feed}.json"
    try:
        record = json.loads(lake.get(key))
        network, within, kind = record["network"], record["ids_within"], record["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            f"{key} is damaged ({error}); state the settings of feed {feed!r} in the feeds "
            "file (CHARGING_FEEDS) and delete the object"
        ) from error
    return FeedIdentity(network, within, kind, _maps_of(feed, kind))


def record_identities(
    lake: Lake, feeds: Iterable[str], identities: Mapping[str, FeedIdentity]
) -> None:
    """Record what hours of these feeds are flattened with, unless it always was the default."""
    feeds = sorted(set(feeds))
    recorded = recorded_identities(lake, feeds)
    for feed in feeds:
        identity = identity_of(feed, identities)
        if identity != recorded.get(feed, FeedIdentity(feed)):
            record = {
                "network": identity.network,
                "ids_within": identity.ids_within,
                "kind": identity.kind,
            }
            lake.put(f"{_RECORDS}feed={feed}.json", json.dumps(record).encode())


def changed_identities(lake: Lake) -> dict[str, tuple[FeedIdentity, FeedIdentity]]:
    """Feeds whose recorded identity differs from the effective one, as (recorded, effective)."""
    effective = effective_identities(lake)
    return {
        feed: (recorded, identity_of(feed, effective))
        for feed, recorded in recorded_identities(lake).items()
        if recorded != identity_of(feed, effective)
    }


def _maps_of(feed: str, kind: str | None) -> str | None:
    if kind is None:
        return None
    try:
        return sources.maps_version(sources.kind(kind))
    except (ValueError, ImportError) as error:
        raise FeedError(
            f"feed {feed!r}: hours were loaded with kind {kind!r}, which cannot be imported here "
            f"({error}); make it importable (PYTHONPATH), or define [feeds.{feed}] in the file "
            "that CHARGING_FEEDS names"
        ) from error


def _read_configured() -> tuple[Mapping[str, FeedIdentity], frozenset[str]]:
    """The configured identities, and the feeds that the user's file defines."""
    path = user_file()
    if path is None:
        return _read(None, None)
    try:
        stat = path.stat()
        return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except OSError:
        return _read.__wrapped__(path, None)


@lru_cache(maxsize=4)
def _read(
    path: Path | None, _version: tuple[int, ...] | None
) -> tuple[Mapping[str, FeedIdentity], frozenset[str]]:
    identities = {}
    for name, feed in load_feeds(path).items():
        kind = None if sources.is_packaged(feed.kind) else feed.kind
        network = feed.network or name
        identities[name] = FeedIdentity(network, feed.ids_within, kind, _maps_of(name, kind))
    changed = {
        name: identities[name]
        for name in sorted(identities)
        if identities[name] != FeedIdentity(name)
    }
    return changed, user_defined(path) if path else frozenset()
