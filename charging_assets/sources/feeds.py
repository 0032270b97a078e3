"""The settings of feeds: read and validate the packaged `feeds.toml` and the user's feeds file.

`CHARGING_FEEDS` names the user's file.
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

from charging_assets import __version__, names, sources
from charging_assets.sources.credentials import (
    Credentials,
    CredentialsError,
    check_hosts,
    parse_credentials,
    parse_hosts,
)
from charging_assets.text import is_address

SIMULATED = "simulated"
_PACKAGED = Path(__file__).with_name("feeds.toml")
_MAX_WORKERS, _MAX_ATTEMPTS, _MAX_PAGES = 32, 10, 100_000


class FeedError(ValueError):
    """A feed's settings are not valid; the message names the setting and the remedy.

    It shows only values that are numbers, booleans or names: a URL or a text may contain a password
    or a key, and errors appear in logs and alerts.
    """


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One feed; FeedError if a setting is not valid. Names carry the units.

    `place_timeout_s` limits one place, all its pages and retries included; `poll_budget_s` limits
    the whole poll, which must end before the next one. `max_body_bytes` limits a body after
    decompression, `max_place_bytes` and `max_pages` all bodies of a place in a poll. Redirects and
    page links may lead to `allow_hosts` besides the host of `base_url`.
    `network` is the network whose ids the feed publishes (None: the feed's name) and `ids_within`
    the scope within which an id is unique (None: default of its kind); both are part of entity keys
    (`identities`).
    """

    name: str
    kind: str
    base_url: str
    places: tuple[str, ...]
    cadence: timedelta = timedelta(minutes=10)
    time_zone: str = "Europe/Berlin"
    country: str = "DE"
    # The smallest number that polls chargecloud's 39 places in three rounds; more is not faster.
    max_workers: int = 13
    place_timeout_s: float = 30
    poll_budget_s: float = 240
    max_body_bytes: int = 32 * 1024**2
    max_place_bytes: int = 512 * 1024**2
    max_pages: int = 2000
    attempts: int = 3
    enabled: bool = True
    user_agent: str = f"charging_assets/{__version__}"
    network: str | None = None
    ids_within: str | None = None
    allow_hosts: tuple[str, ...] = ()
    credentials: Credentials | None = None

    def __post_init__(self) -> None:
        name_rules = {"name": names.FEED, "kind": names.KIND}
        if self.network is not None:
            name_rules["network"] = names.NETWORK
        for setting, rule in name_rules.items():
            if problem := rule.problem(value := getattr(self, setting)):
                raise _refusal(self.name, setting, value, f"a feed's {setting}: {problem}")
        for setting, (is_valid, remedy) in _RULES.items():
            if not is_valid(value := getattr(self, setting)):
                raise _refusal(self.name, setting, value, remedy)
        self._refuse_bad_places()
        try:
            check_hosts(parse_hosts(self.allow_hosts), self.credentials)
        except CredentialsError as error:
            raise FeedError(f"{_feed_label(self.name)}: {error}") from None
        if self.poll_budget_s >= self.cadence.total_seconds():
            remedy = f"give less than the cadence, {self.cadence.total_seconds():.0f} s"
            raise _refusal(self.name, "poll_budget_s", self.poll_budget_s, remedy)
        try:
            sources.kind(self.kind)
        except (ValueError, ImportError) as error:
            raise _refusal(self.name, "kind", self.kind, str(error)) from error

    def _refuse_bad_places(self) -> None:
        _refuse_bad_names(self.name, "places", self.places)
        seen = set()
        for slug in self.places:
            if slug in seen:
                raise _refusal(self.name, "places", slug, "the place is listed twice; remove one")
            seen.add(slug)


def load_feeds(
    path: Path | None = None, *, environment: Mapping[str, str] = os.environ
) -> dict[str, Feed]:
    """The feeds by name, disabled ones too: the packaged ones, changed by the user's TOML file.

    Without a path, the file is the one that `CHARGING_FEEDS` names, if any. FeedError names the
    file, the feed and the setting that is wrong.
    """
    changes_file = path or user_file(environment)
    tables = _read(_PACKAGED)
    changes = _read(changes_file.expanduser()) if changes_file else {}
    try:
        merged = {name: _merge(tables.get(name, {}), changes[name]) for name in changes}
        feeds = {name: _feed(name, table) for name, table in {**tables, **merged}.items()}
        _refuse_shared_networks(feeds)
        return feeds
    except FeedError as error:
        raise FeedError(f"{changes_file or _PACKAGED}: {error}") from error


def user_defined(path: Path) -> frozenset[str]:
    """The names of the feeds that a feeds file defines; FeedError if it cannot be read."""
    return frozenset(_read(path))


def user_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The feeds file that `CHARGING_FEEDS` names, if any; FeedError if it is an address."""
    file_name = environment.get("CHARGING_FEEDS", "").strip()
    if is_address(file_name):
        raise FeedError("CHARGING_FEEDS is an address; give the path of a TOML file")
    try:
        return Path(file_name).expanduser() if file_name else None
    except RuntimeError:
        raise FeedError(
            "CHARGING_FEEDS begins with ~, for which there is no home folder; give a whole path"
        ) from None


def is_loopback(host: str | None) -> bool:
    """Whether a host is one of the two loopback names that may be polled without TLS."""
    return host in {"127.0.0.1", "localhost"}


def _is_number(value: object, least: float, most: float) -> bool:
    # bool is an int in Python and NaN is a float in TOML; the comparison rejects NaN.
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
        # The length of its column; names of the IANA list are half as long.
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
    # A user or a key in the URL would appear in logs, and a query would precede the place's slug.
    is_plain = bool(host) and not set("@?#") & set(str(value))
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


# Settings that are names or codes, and texts that can be one: messages may contain these.
_NAMES = {"name", "kind", "network", "places", "add_places", "country", "ids_within"}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# Messages contain no value of these, not even a number: it may be a part of a key.
_SECRET = {"base_url", "user_agent"}
# Messages of tomllib that quote keys; a key may contain a secret.
_QUOTED_KEYS = re.compile(
    r"^(Cannot declare|Cannot \w+(?: immutable)? namespace|Duplicate inline table key) "
    r".*(?= \(at )",
    re.DOTALL,
)

_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "base_url": (
        _is_base_url,
        "give https://host/path of up to 1,024 characters without user, query or fragment "
        "(http:// is allowed for 127.0.0.1 and localhost only)",
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
    "max_place_bytes": (lambda v: _is_count(v, 1024**3), "give 1 to 1073741824 bytes"),
    "max_pages": (lambda v: _is_count(v, _MAX_PAGES), f"give 1 to {_MAX_PAGES} pages"),
    "attempts": (lambda v: _is_count(v, _MAX_ATTEMPTS), f"give 1 to {_MAX_ATTEMPTS} attempts"),
    "enabled": (lambda v: isinstance(v, bool), "give true or false"),
    "user_agent": (
        lambda v: _is_text(v, r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?"),
        "use up to 256 characters of ASCII, without spaces at either end",
    ),
    "ids_within": (
        lambda v: v is None or v in sources.SCOPES,
        'give "network", "place" (two places may use the same id for different things) or '
        '"parent" (two stations may use the same EVSE id for different EVSEs)',
    ),
}

# TOML has no durations: the file has seconds, Python a timedelta.
_SETTINGS = ({field.name for field in fields(Feed)} - {"name", "cadence"}) | {
    "cadence_s",
    "add_places",
}
_REQUIRED = [f.name for f in fields(Feed) if f.default is MISSING and f.name != "name"]


def _refusal(feed: object, setting: str, value: object, remedy: str) -> FeedError:
    return FeedError(
        f"{_feed_label(feed)}: {setting} cannot be {_printable(setting, value)}: {remedy}"
    )


def _feed_label(name: object) -> str:
    return f"feed {_printable('name', name)}"


def _printable(setting: str, value: object) -> str:
    """A value for messages; only its type or length where it could contain a secret."""
    if setting not in _SECRET:
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
    """The `feeds` table of a file; its feeds are validated later."""
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
        keys = ", ".join(_printable("name", key) for key in content) or "a value for 'feeds'"
        raise FeedError(f"{path}: {keys}: put all settings in tables named [feeds.<name>]")
    return feeds


def _refuse_shared_networks(feeds: Mapping[str, Feed]) -> None:
    """Refuse two enabled feeds of one network: both would report the same EVSEs.

    Disabled feeds are ignored: a renamed feed keeps the network of its former name.
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


def _merge(packaged: dict[str, Any], changes: object) -> object:
    return {**packaged, **changes} if isinstance(changes, dict) else changes


def _feed(name: str, table: object) -> Feed:
    """A feed from its TOML table; FeedError names the setting, the caller adds the file."""
    if not isinstance(table, dict):
        raise FeedError(
            f"{_feed_label(name)}: is {_printable('', table)} and not a table; write [feeds.<name>]"
        )
    if name == SIMULATED:
        raise FeedError(f"feed {name!r}: the name is reserved for the simulator; choose another")
    _refuse_unknown(name, table)
    if missing := [setting for setting in _REQUIRED if setting not in table]:
        raise FeedError(f"{_feed_label(name)}: lacks {', '.join(missing)}; all are required")
    settings = dict(table)
    settings["places"] = _places(name, settings["places"], settings.pop("add_places", []))
    if (seconds := settings.pop("cadence_s", None)) is not None:
        settings["cadence"] = _cadence(name, seconds)
    try:
        if "credentials" in settings:
            settings["credentials"] = parse_credentials(settings["credentials"])
        if "allow_hosts" in settings:
            settings["allow_hosts"] = parse_hosts(settings["allow_hosts"])
    except CredentialsError as error:
        raise FeedError(f"{_feed_label(name)}: {error}") from None
    return Feed(name=name, **settings)


def _refuse_unknown(name: str, table: Mapping[str, Any]) -> None:
    for setting in table:
        if setting not in _SETTINGS:
            near = difflib.get_close_matches(setting, _SETTINGS, 1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(_SETTINGS))}"
            )
            unknown = _printable("name", setting)
            raise FeedError(f"{_feed_label(name)}: there is no setting {unknown}; {hint}")


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
