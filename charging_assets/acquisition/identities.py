"""Feed identities: what a feed's settings add to the keys of its stations, EVSEs and connectors.

Flat files depend on these settings as they depend on the raw objects, so they are part of the
digest of each hour that holds polls of the feed (`archive.digest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from charging_assets.acquisition.feeds import load_feeds, user_file

NO_IDENTITIES: Final[Mapping[str, FeedIdentity]] = {}


@dataclass(frozen=True)
class FeedIdentity:
    """The network whose ids a feed publishes, and where an id is unique.

    `ids_within` is "network", "place" or "parent"; None leaves it to the feed's kind.
    """

    network: str
    ids_within: str | None = None


def identity_of(feed: str, identities: Mapping[str, FeedIdentity]) -> FeedIdentity:
    """The identity of a feed; one that is not configured is a network of its own."""
    return identities.get(feed) or FeedIdentity(feed)


def configured_identities() -> Mapping[str, FeedIdentity]:
    """The identities that differ from the default, by feed, as the feeds file states them now.

    Raises:
        FeedError: the feeds file is not usable.
    """
    path = user_file()
    if path is None:
        return _read(None, None)
    try:
        stat = path.stat()
        return _read(path, (stat.st_mtime_ns, stat.st_size, stat.st_ino))
    except OSError:
        return _read.__wrapped__(path, None)


@lru_cache(maxsize=4)
def _read(path: Path | None, _version: tuple[int, ...] | None) -> Mapping[str, FeedIdentity]:
    found = {
        name: FeedIdentity(feed.network or name, feed.ids_within)
        for name, feed in load_feeds(path).items()
    }
    return {name: found[name] for name in sorted(found) if found[name] != FeedIdentity(name)}
