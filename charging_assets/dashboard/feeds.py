"""The feeds with loaded data, with their time zone, cadence and period."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from charging_assets.dashboard.reader import Reader
from charging_assets.dashboard.request import Feed
from charging_assets.warehouse.interface import NoWarehouse

_A_DAY = timedelta(hours=26)


def loaded_feeds(reader: Reader) -> Mapping[str, tuple[datetime, datetime]]:
    """Feed → the UTC instants at which its first and last local day begin."""
    with reader.session() as query:
        rows = query("dashboard/feeds")
    return {row["feed"]: (row["first_at"], row["last_at"]) for row in rows}


def select_feed(reader: Reader, name: str, names: Mapping[str, tuple[datetime, datetime]]) -> Feed:
    """The feed of a name, or the one with the newest data if there is none of that name.

    Raises:
        NoWarehouse: no feed is loaded.
    """
    if not names:
        raise NoWarehouse("nothing is loaded")
    name = name if name in names else max(names, key=lambda each: (names[each][1], each))
    first_at, last_at = names[name]
    until = last_at + _A_DAY
    with reader.session(last_at, until) as query:
        (newest,) = query(
            "dashboard/newest_poll", feed=name, window_start=last_at, window_end=until
        )
    if newest["newest_at"] is None:
        raise NoWarehouse(f"no poll of {name} is published")
    return Feed(name, newest["time_zone"], newest["cadence_s"], first_at, newest["newest_at"])
