"""The settings of feeds: read and validate the packaged `feeds.toml` and the user's feeds file.

`CHARGING_FEEDS` names the user's file. The table in `docs/feeds/settings.md` is generated from the
fields of `FeedTable` (`settings_tables`); a further setting is one field.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    ValidationInfo,
)
from pydantic.config import JsonDict

from charging_assets import __version__, names, sources
from charging_assets.settings import DeploymentError, Settings
from charging_assets.sources.credentials import (
    Credentials,
    CredentialsError,
    check_hosts,
    parse_credentials,
    parse_hosts,
)

SIMULATED = "simulated"
_PACKAGED = Path(__file__).with_name("feeds.toml")


class FeedError(ValueError):
    """A feed's settings are not valid; the message names the setting and the remedy.

    It shows only values that are numbers, booleans or names: a URL or a text may contain a password
    or a key, and errors appear in logs and alerts.
    """


def is_loopback(host: str | None) -> bool:
    """Whether a host is one of the two loopback names that may be polled without TLS."""
    return host in {"127.0.0.1", "localhost"}


def _setting(
    meaning: str, allowed: str, example: str, remedy: str = "", default: Any = ..., **more: Any
) -> Any:
    """A field of a feed.

    Args:
        allowed: the values that are valid, for the documentation, as is `example` (TOML).
        remedy: the end of the message for a value of the wrong type or beyond the limits.
    """
    about: JsonDict = {"allowed": allowed, "example": example, "remedy": remedy}
    return Field(default, description=meaning, json_schema_extra=about, **more)


def _require(rule: names.NameRule, what: str = "") -> AfterValidator:
    def check(value: str) -> str:
        if problem := rule.problem(value):
            raise ValueError(f"{what}: {problem}" if what else problem)
        return value

    return AfterValidator(check)


def _check(is_valid: Any) -> AfterValidator:
    def check(value: Any) -> Any:
        if not is_valid(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _usable_kind(value: str) -> str:
    try:
        sources.kind(value)
    except ImportError as error:
        raise ValueError(str(error)) from error
    return value


def _distinct(places: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(places)) < len(places):
        twice = next(place for number, place in enumerate(places) if place in places[:number])
        raise ValueError(f"{_printable('places', twice)} is listed twice; remove one")
    return places


def _within_cadence(value: float, info: ValidationInfo) -> float:
    cadence_s = info.data.get("cadence_s", 3600)
    if value >= cadence_s:
        raise ValueError(f"give less than the cadence, {cadence_s} s")
    return value


def _read_credentials(value: object) -> object:
    return value if value is None or isinstance(value, Credentials) else parse_credentials(value)


def _within_allowed_hosts(value: Credentials | None, info: ValidationInfo) -> Credentials | None:
    check_hosts(info.data.get("allow_hosts", ()), value)
    return value


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    # A user or a key in the URL would appear in logs, and a query would precede the place's slug.
    is_plain = bool(host) and not set("@?#") & set(value)
    return is_plain and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def _is_time_zone(value: str) -> bool:
    try:
        return bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):
        return False


_Place = Annotated[str, _require(names.PLACE)]
_Places = tuple[_Place, ...]
_LIST = 'give a list such as ["koeln"]'
_SECONDS = "give 0.1 to 3600 seconds"


class Feed(BaseModel):
    """One feed; FeedError names all settings that are not valid. Names carry the units.

    `network` and `ids_within` are part of entity keys (`identities`).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    name: Annotated[str, _require(names.FEED, "a feed's name")] = _setting(
        "the name of its table", "", "", f"a feed's name: it is made of {names.FEED.characters}"
    )
    kind: Annotated[str, _require(names.KIND, "a feed's kind"), AfterValidator(_usable_kind)] = (
        _setting(
            "how URLs are formed and answers are read",
            "`chargecloud`, or the dotted path of a module; up to 64 characters",
            'kind = "chargecloud"',
            f"a feed's kind: it is made of {names.KIND.characters}",
        )
    )
    base_url: Annotated[str, _check(_is_base_url)] = _setting(
        "the kind appends the place",
        "https; http for 127.0.0.1 and localhost only; no user, query or fragment; up to 1,024 "
        "characters",
        'base_url = "https://poi.example.org"',
        "give https://host/path of up to 1,024 characters without user, query or fragment "
        "(http:// is allowed for 127.0.0.1 and localhost only)",
        pattern=r"^[\x21-\x7e]*$", max_length=1024,
    )  # fmt: skip
    places: Annotated[_Places, AfterValidator(_distinct)] = _setting(
        "polled places; replaces the packaged list",
        "a list without duplicates, of up to 128 characters of `A-Z a-z 0-9 _ -` each",
        'places = ["north", "south"]',
        _LIST,
        min_length=1,
    )
    cadence_s: Annotated[int, _check(lambda value: not value % 60 and not 3600 % value)] = _setting(
        "seconds between two polls",
        "60 to 3,600, whole minutes that divide an hour",
        "cadence_s = 900",
        "give whole minutes that divide an hour: 60, 120, …, 600, …, 3600 s",
        default=600, ge=60, le=3600,
    )  # fmt: skip
    time_zone: Annotated[str, _check(_is_time_zone)] = _setting(
        "local time of the places: local hours and days, opening hours, times in file names",
        "an IANA name",
        'time_zone = "Europe/Vienna"',
        "give a name of the IANA list, such as 'Europe/Berlin'",
        # The length of its column; names of the IANA list are half as long.
        default="Europe/Berlin", max_length=names.TIME_ZONE_MAX_BYTES, pattern=r"^[\x21-\x7e]+$",
    )  # fmt: skip
    country: str = _setting(
        "country of stations without one",
        "an ISO 3166 code of two capital letters",
        'country = "AT"',
        "give two capitals of ISO 3166, such as 'DE'",
        default="DE", pattern="^[A-Z]{2}$",
    )  # fmt: skip
    max_workers: int = _setting(
        "concurrent requests", "1 to 32", "max_workers = 4", "give 1 to 32 requests at a time",
        # The smallest number that polls chargecloud's 39 places in three rounds; more is not
        # faster.
        default=13, ge=1, le=32,
    )  # fmt: skip
    place_timeout_s: float = _setting(
        "seconds for one place, all its pages and retries included", "0.1 to 3,600",
        "place_timeout_s = 10.5",
        _SECONDS, default=30, ge=0.1, le=3600,
    )  # fmt: skip
    poll_budget_s: Annotated[float, AfterValidator(_within_cadence)] = _setting(
        "seconds for the whole poll", "0.1 to 3,600, less than `cadence_s`", "poll_budget_s = 120",
        _SECONDS, default=240, ge=0.1, le=3600, validate_default=True,
    )  # fmt: skip
    max_body_bytes: int = _setting(
        "largest answer, after decompression", "1 to 1,073,741,824", "max_body_bytes = 67108864",
        "give 1 to 1073741824 bytes", default=32 * 1024**2, ge=1, le=1024**3,
    )  # fmt: skip
    max_place_bytes: int = _setting(
        "largest sum of all answers of a place in a poll", "1 to 1,073,741,824",
        "max_place_bytes = 67108864", "give 1 to 1073741824 bytes",
        default=512 * 1024**2, ge=1, le=1024**3,
    )  # fmt: skip
    max_pages: int = _setting(
        "most requests of a place in a poll", "1 to 100,000", "max_pages = 100",
        "give 1 to 100000 pages", default=2000, ge=1, le=100_000,
    )  # fmt: skip
    attempts: int = _setting(
        "attempts of each request, including the first", "1 to 10", "attempts = 1",
        "give 1 to 10 attempts", default=3, ge=1, le=10,
    )  # fmt: skip
    enabled: bool = _setting(
        "whether the feed is polled; archived polls stay", "`true`, `false`", "enabled = false",
        "give true or false", default=True,
    )  # fmt: skip
    user_agent: str = _setting(
        "identifies you to the operator",
        "up to 256 ASCII characters",
        'user_agent = "mine/1.0 (ops@example.org)"',
        "use up to 256 characters of ASCII, without spaces at either end",
        default=f"charging_assets/{__version__}", max_length=256,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
    )  # fmt: skip
    network: Annotated[str, _require(names.NETWORK, "a feed's network")] | None = _setting(
        "namespace of the feed's ids; none: the feed's name. Entity keys contain it",
        "as a feed's name; one feed per network",
        'network = "former-name"',
        f"a feed's network: it is made of {names.NETWORK.characters}",
        default=None,
    )
    ids_within: Annotated[str, _check(lambda value: value in sources.SCOPES)] | None = _setting(
        "scope in which an id of a station or EVSE is unique; none: the kind's default, "
        '`"network"` for chargecloud',
        '`"network"`, `"place"`, `"parent"`',
        'ids_within = "place"',
        'give "network", "place" (two places may use the same id for different things) or '
        '"parent" (two stations may use the same EVSE id for different EVSEs)',
        default=None,
    )
    allow_hosts: Annotated[tuple[str, ...], BeforeValidator(parse_hosts)] = _setting(
        "further hosts that redirects and page links may lead to, by https",
        "a list of hosts, with or without a port; no private addresses",
        'allow_hosts = ["files.example.org"]',
        default=(),
    )
    credentials: Annotated[
        InstanceOf[Credentials] | None,
        BeforeValidator(_read_credentials),
        AfterValidator(_within_allowed_hosts),
    ] = _setting(
        "token or client certificate, by environment variable",
        "a table, see [credentials](#credentials)",
        'credentials = {token_env = "MY_TOKEN"}',
        default=None,
    )

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as error:
            problems = _problems(settings.get("name"), error)
            raise FeedError("\n".join(problems)) from None

    @property
    def cadence(self) -> timedelta:
        """The time between two polls."""
        return timedelta(seconds=self.cadence_s)


class FeedTable(Feed):
    """The settings that a feed's TOML table may have."""

    add_places: _Places = _setting(
        "places in addition to `places`", "as `places`", 'add_places = ["my-city"]', _LIST,
        default=(),
    )  # fmt: skip

    @property
    def feed(self) -> Feed:
        """The feed with all places; FeedError if one is listed twice."""
        settings = dict(self)
        settings["places"] = (*self.places, *settings.pop("add_places"))
        return Feed(**settings)


SETTINGS = [name for name in FeedTable.model_fields if name != "name"]


def load_feeds(
    path: Path | None = None, *, environment: Mapping[str, str] | None = None
) -> dict[str, Feed]:
    """The feeds by name, disabled ones too: the packaged ones, changed by the user's TOML file.

    Without a path, the file is the one that `CHARGING_FEEDS` names, if any. FeedError names the
    file, and the feed and setting of every problem.
    """
    changes_file = path or user_file(environment)
    tables = _read(_PACKAGED)
    changes = _read(changes_file.expanduser()) if changes_file else {}
    feeds: dict[str, Feed] = {}
    problems: list[str] = []
    for name in {**tables, **changes}:
        packaged, table = tables.get(name, {}), changes.get(name, {})
        try:
            feeds[name] = _feed(name, {**packaged, **table} if isinstance(table, dict) else table)
        except FeedError as error:
            problems += str(error).split("\n")
    problems += _shared_networks(feeds)
    if problems:
        separator = " " if len(problems) == 1 else "\n  "
        raise FeedError(separator.join([f"{changes_file or _PACKAGED}:", *problems]))
    return feeds


def user_defined(path: Path) -> frozenset[str]:
    """The names of the feeds that a feeds file defines; FeedError if it cannot be read."""
    return frozenset(_read(path))


def user_file(environment: Mapping[str, str] | None = None) -> Path | None:
    """The feeds file that `CHARGING_FEEDS` names, if any; FeedError if it is no path."""
    try:
        return Settings.read(environment).feeds_file
    except DeploymentError as error:
        raise FeedError(str(error)) from None


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


def _problems(feed: object, error: ValidationError) -> Iterator[str]:
    """What is wrong with a feed's settings, one text per problem."""
    label, missing = f"feed {_printable('name', feed)}", []
    for problem in error.errors(include_url=False):
        setting, *position = map(str, problem["loc"])
        if problem["type"] == "missing":
            missing.append(setting)
            continue
        if problem["type"] == "extra_forbidden":
            yield f"{label}: {_unknown(setting)}"
            continue
        error_of_value = problem.get("ctx", {}).get("error", "")
        if isinstance(error_of_value, CredentialsError):
            yield f"{label}: {error_of_value}"
            continue
        about = cast(JsonDict, FeedTable.model_fields[setting].json_schema_extra)
        reason = str(error_of_value)
        remedy = reason or about["remedy"]
        if position:
            reason = reason or f"it is made of {names.PLACE.characters}"
            remedy = f"a place's name, number {int(position[0]) + 1} of the list: {reason}"
        yield f"{label}: {setting} cannot be {_printable(setting, problem['input'])}: {remedy}"
    if missing:
        yield f"{label}: lacks {', '.join(missing)}; all are required"


def _unknown(setting: str) -> str:
    near = difflib.get_close_matches(setting, SETTINGS, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(SETTINGS))}"
    return f"there is no setting {_printable('name', setting)}; {hint}"


def _printable(setting: str, value: object) -> str:
    """A value for messages; only its type or length where it could contain a secret."""
    if setting not in _SECRET:
        if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 1e15):
            return str(value)
        if setting in _NAMES and isinstance(value, str) and _NAME.fullmatch(value):
            return repr(value)
    if isinstance(value, str):
        return f"a text of {len(value):,} characters" if value else "''"
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}" if value else "an empty list"
    return "a table" if isinstance(value, dict) else f"of type {type(value).__name__}"


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


def _feed(name: str, table: object) -> Feed:
    """A feed from its TOML table; FeedError names the settings, the caller adds the file."""
    label = f"feed {_printable('name', name)}"
    if not isinstance(table, dict):
        raise FeedError(
            f"{label}: is {_printable('', table)} and not a table; write [feeds.<name>]"
        )
    if name == SIMULATED:
        raise FeedError(f"{label}: the name is reserved for the simulator; choose another")
    if "name" in table:
        raise FeedError(f"{label}: {_unknown('name')}")
    # TOML has lists, and strict fields tuples.
    settings: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in table.items()
    }
    return FeedTable(name=name, **settings).feed


def _shared_networks(feeds: Mapping[str, Feed]) -> Iterator[str]:
    """Networks of two enabled feeds, which would both report the same EVSEs.

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
            network = _printable("network", feeds[owner].network)
            yield f"feed {_printable('name', owner)}: network cannot be {network}: {remedy}"
