"""Rules for names of feeds, kinds, networks and places.

Configuration, imports and the simulator use these rules, and the tables' columns have these
lengths. All names are ASCII: Redshift counts bytes, DuckDB characters, and a name is also a folder
in the lake (`feed=<name>`, at most 255 bytes in a file system).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from charging_assets.text import printable

_HASH_LENGTH = 12


@dataclass(frozen=True)
class NameRule:
    """Pattern, its description, and maximum length of a name."""

    pattern: re.Pattern[str]
    characters: str
    max_bytes: int

    def problem(self, name: object) -> str | None:
        """What is wrong with a name; None if it is valid."""
        if not isinstance(name, str) or not self.pattern.fullmatch(name):
            return f"it is made of {self.characters}"
        if len(name) > self.max_bytes:
            return (
                f"it is {len(name):,} characters long, {self.max_bytes} is the limit; "
                "choose a shorter one"
            )
        return None

    def is_valid(self, name: object) -> bool:
        return self.problem(name) is None


FEED = NameRule(re.compile("[a-z0-9_-]+"), "a-z 0-9 _ and -", 64)
# Entity keys contain the network instead of the feed, so that two feeds can publish one network.
NETWORK = FEED
KIND = NameRule(
    re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII),
    "A-Z a-z 0-9 and _, with dots between modules",
    64,
)
PLACE = NameRule(re.compile("[A-Za-z0-9_-]+"), "A-Z a-z 0-9 _ and -", 128)
TIME_ZONE_MAX_BYTES = 64


def fit(name: str, rule: NameRule) -> str:
    """A name that fits its column: a name that is too long is cut and ends in a hash of all of it.

    A name with control characters is escaped and ends in a hash too. Archives of earlier versions
    may contain names that the rules do not allow now. No valid name contains `~`, so the result
    equals no other name.
    """
    encoded = name.encode("utf-8", "surrogatepass")
    if len(encoded) <= rule.max_bytes and name.isprintable():
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:_HASH_LENGTH]
    escaped = printable(name).encode()
    prefix = escaped[: rule.max_bytes - _HASH_LENGTH - 1].decode("utf-8", "ignore")
    return f"{prefix}~{digest}"
