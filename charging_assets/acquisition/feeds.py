"""Feeds: which addresses are asked for which places, how often and how patiently.

Belongs here: the settings of a feed, what each may be, and reading them from the packaged
`feeds.toml` and the user's file (`CHARGING_FEEDS`). Does not belong here: HTTP (`client`), the
poll itself (`poll`), or what a kind's answers mean (`kinds`).
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from charging_assets import __version__, kinds, names
from charging_assets.text import is_address

SIMULATED = "simulated"
_PACKAGED = Path(__file__).with_name("feeds.toml")
_MAX_WORKERS, _MAX_ATTEMPTS = 32, 10


class FeedError(ValueError):
    """A feed is not usable as written; the message names the setting and the remedy.

    It shows values that are numbers, truth values or names, and no others: an address or a text may
    hold a password or a key, and errors end in logs and alerts.
    """


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One feed; FeedError if a setting cannot be. Seconds and bytes are in the names.

    `place_timeout_s` bounds one place, retries included; `poll_budget_s` the whole poll, which
    must be over before the next one is due. `max_body_bytes` counts a body after decompression.
    `network` names whose ids the feed publishes (None: the feed's own name) and `ids_within` where
    an id is unique (None: as its kind states); both go into entity keys (`identities`).
    """

    name: str
    kind: str
    base_url: str
    places: tuple[str, ...]
    cadence: timedelta = timedelta(minutes=10)
    time_zone: str = "Europe/Berlin"
    country: str = "DE"
    # The fewest that ask chargecloud's 39 places in three rounds; more would not be faster.
    max_workers: int = 13
    place_timeout_s: float = 30
    poll_budget_s: float = 240
    max_body_bytes: int = 32 * 1024**2
    attempts: int = 3
    enabled: bool = True
    user_agent: str = f"charging_assets/{__version__}"
    network: str | None = None
    ids_within: str | None = None

    def __post_init__(self) -> None:
        named = {"name": names.FEED, "kind": names.KIND}
        if self.network is not None:
            named["network"] = names.NETWORK
        for setting, rule in named.items():
            if problem := rule.problem(value := getattr(self, setting)):
                raise _refusal(self.name, setting, value, f"a feed's {setting}: {problem}")
        for setting, (is_valid, remedy) in _RULES.items():
            if not is_valid(value := getattr(self, setting)):
                raise _refusal(self.name, setting, value, remedy)
        self._refuse_bad_places()
        if self.poll_budget_s >= self.cadence.total_seconds():
            remedy = f"give less than the cadence, {self.cadence.total_seconds():.0f} s"
            raise _refusal(self.name, "poll_budget_s", self.poll_budget_s, remedy)
        try:
            kinds.kind(self.kind)
        except (ValueError, ImportError) as error:
            raise _refusal(self.name, "kind", self.kind, str(error)) from error

    def _refuse_bad_places(self) -> None:
        _refuse_bad_names(self.name, "places", self.places)
        seen = set()
        for slug in self.places:
            if slug in seen:
                raise _refusal(self.name, "places", slug, "the place is there twice; remove one")
            seen.add(slug)


def load_feeds(
    path: Path | None = None, *, environment: Mapping[str, str] = os.environ
) -> dict[str, Feed]:
    """The feeds by name, disabled ones too: the packaged ones, changed by the user's TOML file.

    Without a path, the file is the one that `CHARGING_FEEDS` names, if any. FeedError names the
    file, the feed and the setting that is wrong.
    """
    own = path or user_file(environment)
    tables = _read(_PACKAGED)
    changes = _read(own.expanduser()) if own else {}
    try:
        merged = {name: _merged(tables.get(name, {}), changes[name]) for name in changes}
        feeds = {name: _feed(name, table) for name, table in {**tables, **merged}.items()}
        _refuse_shared_networks(feeds)
        return feeds
    except FeedError as error:
        raise FeedError(f"{own or _PACKAGED}: {error}") from error


def user_defined(path: Path) -> frozenset[str]:
    """The names of the feeds that a feeds file has a table of; FeedError if it cannot be read."""
    return frozenset(_read(path))


def user_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The feeds file that `CHARGING_FEEDS` names, if any; FeedError if it is an address."""
    named = environment.get("CHARGING_FEEDS", "").strip()
    if is_address(named):
        raise FeedError("CHARGING_FEEDS is an address; give the path of a TOML file")
    try:
        return Path(named).expanduser() if named else None
    except RuntimeError:
        raise FeedError(
            "CHARGING_FEEDS begins with ~, for which there is no home folder; give a whole path"
        ) from None


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine by one of the two names that may be asked without TLS."""
    return host in {"127.0.0.1", "localhost"}


def _is_number(value: object, least: float, most: float) -> bool:
    # bool is an int to Python and NaN is a float to TOML; the comparison refuses NaN.
    is_plain = isinstance(value, int | float) and not isinstance(value, bool)
    return is_plain and least <= value <= most  # type: ignore[operator]


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and _is_number(value, 1, most)


def _is_text(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_cadence(value: object) -> bool:
    if not isinstance(value, timedelta):
        return False
    minutes, rest = divmod(value, timedelta(minutes=1))
    return not rest and 1 <= minutes <= 60 and 60 % minutes == 0


def _is_time_zone(value: object) -> bool:
    try:
        # The length of the column that holds it; names of the IANA list are half as long.
        is_short = isinstance(value, str) and len(value.encode()) <= names.TIME_ZONE_MAX_BYTES
        return is_short and bool(ZoneInfo(str(value)))
    except (KeyError, ValueError, OSError):
        return False


def _is_base_url(value: object) -> bool:
    if not _is_text(value, r"[\x21-\x7e]{1,1024}"):
        return False
    try:
        parts = urlsplit(str(value))
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    # A user or a key in the address would end in logs, and a query before the place's slug.
    is_plain = bool(host) and not set("@?#") & set(str(value))
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


# Settings whose texts are names or codes, and texts that can be one: a message may show these.
_NAMES = {"name", "kind", "network", "places", "add_places", "country", "ids_within"}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Of these even a number is not shown: it may be a part of a key.
_NEVER_SHOWN = {"base_url", "user_agent"}
# The messages of tomllib that quote keys, which may be anything.
_QUOTED_KEYS = re.compile(
    r"^(Cannot declare|Cannot \w+(?: immutable)? namespace|Duplicate inline table key) "
    r".*(?= \(at )",
    re.DOTALL,
)

_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "base_url": (
        _is_base_url,
        "give https://host/path of up to 1,024 characters without user, query or fragment "
        "(http:// is for 127.0.0.1 and localhost alone)",
    ),
    "places": (lambda v: isinstance(v, tuple) and len(v) > 0, 'give a list such as ["koeln"]'),
    "cadence": (_is_cadence, "give whole minutes that divide an hour: 60, 120, …, 600, …, 3600 s"),
    "time_zone": (_is_time_zone, "give a name of the IANA list, such as 'Europe/Berlin'"),
    "country": (lambda v: _is_text(v, "[A-Z]{2}"), "give two capitals of ISO 3166, such as 'DE'"),
    "max_workers": (
        lambda v: _is_count(v, _MAX_WORKERS),
        f"give 1 to {_MAX_WORKERS} requests at a time",
    ),
    "place_timeout_s": (lambda v: _is_number(v, 0.1, 3600), "give 0.1 to 3600 seconds"),
    "poll_budget_s": (lambda v: _is_number(v, 0.1, 3600), "give 0.1 to 3600 seconds"),
    "max_body_bytes": (lambda v: _is_count(v, 1024**3), "give 1 to 1073741824 bytes"),
    "attempts": (lambda v: _is_count(v, _MAX_ATTEMPTS), f"give 1 to {_MAX_ATTEMPTS} attempts"),
    "enabled": (lambda v: isinstance(v, bool), "give true or false"),
    "user_agent": (
        lambda v: _is_text(v, r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?"),
        "use up to 256 characters of ASCII, without spaces at its ends",
    ),
    "ids_within": (
        lambda v: v is None or v in kinds.SCOPES,
        'give "network", "place" (an id of one place may stand for something else in another) or '
        '"parent" (an EVSE\'s id may stand for something else at another station)',
    ),
}

# TOML has no durations, so the file says in seconds what Python holds as a timedelta.
_SETTINGS = ({field.name for field in fields(Feed)} - {"name", "cadence"}) | {
    "cadence_s",
    "add_places",
}
_NEEDED = [f.name for f in fields(Feed) if f.default is MISSING and f.name != "name"]


def _refusal(feed: object, setting: str, value: object, remedy: str) -> FeedError:
    return FeedError(f"{_feed_named(feed)}: {setting} cannot be {_shown(setting, value)}: {remedy}")


def _feed_named(name: object) -> str:
    return f"feed {_shown('name', name)}"


def _shown(setting: str, value: object) -> str:
    """A value as messages may show it: what it is, where it could hold a secret."""
    if setting not in _NEVER_SHOWN:
        if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1e15):
            return str(value)
        if isinstance(value, timedelta):
            return f"{value.total_seconds():g} s"
        if setting in _NAMES and isinstance(value, str) and _NAME.fullmatch(value):
            return repr(value)
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if value else "''"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}" if value else "an empty list"
    return "a table" if isinstance(value, dict) else f"of type {type(value).__name__}"


def _refuse_bad_names(feed: object, setting: str, slugs: Iterable[object]) -> None:
    for number, slug in enumerate(slugs, 1):
        if problem := names.PLACE.problem(slug):
            remedy = f"a place's name, number {number} of the list: {problem}"
            raise _refusal(feed, setting, slug, remedy)


def _read(path: Path) -> dict[str, Any]:
    """The `feeds` table of a file; what its feeds say is checked later."""
    try:
        content = tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise FeedError(
            f"{path}: cannot be read ({error.strerror}); correct or unset CHARGING_FEEDS"
        ) from error
    except ValueError as error:
        reason = _QUOTED_KEYS.sub(r"\1 …", str(error))
        raise FeedError(f"{path}: is not TOML: {reason}") from error
    feeds = content.pop("feeds", {})
    if content or not isinstance(feeds, dict):
        keys = ", ".join(_shown("name", key) for key in content) or "a value for 'feeds'"
        raise FeedError(f"{path}: {keys}: put all settings in tables named [feeds.<name>]")
    return feeds


def _refuse_shared_networks(feeds: Mapping[str, Feed]) -> None:
    """Two feeds that poll the same EVSEs would each state what they are and do.

    Feeds that are disabled poll nothing: a renamed feed has its former name's network.
    """
    by_network: dict[str, str] = {}
    for name, feed in feeds.items():
        if not feed.enabled:
            continue
        other = by_network.setdefault(feed.network or name, name)
        if other != name:
            owner, other = (name, other) if feed.network else (other, name)
            remedy = (
                f"feed {other!r} has it and is enabled, and a network has one enabled feed; set "
                f"enabled = false in [feeds.{other}], or give another network"
            )
            raise _refusal(owner, "network", feeds[owner].network, remedy)


def _merged(packaged: dict[str, Any], own: object) -> object:
    return {**packaged, **own} if isinstance(own, dict) else own


def _feed(name: str, table: object) -> Feed:
    """A feed from its table in TOML; FeedError names the setting, its caller the file."""
    if not isinstance(table, dict):
        raise FeedError(
            f"{_feed_named(name)}: is {_shown('', table)} and not a table; write [feeds.<name>]"
        )
    if name == SIMULATED:
        raise FeedError(f"feed {name!r}: the name is the simulator's alone; choose another")
    _refuse_unknown(name, table)
    if missing := [setting for setting in _NEEDED if setting not in table]:
        raise FeedError(f"{_feed_named(name)}: lacks {', '.join(missing)}; a new feed needs them")
    settings = dict(table)
    settings["places"] = _places(name, settings["places"], settings.pop("add_places", []))
    if (seconds := settings.pop("cadence_s", None)) is not None:
        settings["cadence"] = _cadence(name, seconds)
    return Feed(name=name, **settings)


def _refuse_unknown(name: str, table: Mapping[str, Any]) -> None:
    for setting in table:
        if setting not in _SETTINGS:
            near = difflib.get_close_matches(setting, _SETTINGS, 1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(_SETTINGS))}"
            )
            unknown = _shown("name", setting)
            raise FeedError(f"{_feed_named(name)}: there is no setting {unknown}; {hint}")


def _places(name: str, places: object, added: object) -> tuple[Any, ...]:
    for setting, value in (("places", places), ("add_places", added)):
        if not isinstance(value, list):
            raise _refusal(name, setting, value, 'give a list such as ["koeln"]')
        _refuse_bad_names(name, setting, value)
    return (*places, *added)  # type: ignore[misc]


def _cadence(name: str, seconds: object) -> timedelta:
    is_valid, remedy = _RULES["cadence"]
    if not _is_count(seconds, 3600) or not is_valid(timedelta(seconds=seconds)):  # type: ignore[arg-type]
        raise _refusal(name, "cadence_s", seconds, remedy)
    return timedelta(seconds=seconds)  # type: ignore[arg-type]
