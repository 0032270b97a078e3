"""Feeds: the packaged settings, the user's changes, and which settings are error_info."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from charging_assets.sources.feeds import SETTINGS as SETTINGS_OF_FEEDS
from charging_assets.sources.feeds import Feed, FeedError, is_loopback, load_feeds

NEW = '[feeds.new]\nkind = "chargecloud"\nbase_url = "https://example.org"\nplaces = ["a"]\n'


@pytest.fixture(autouse=True)
def _unset_feeds_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHARGING_FEEDS", raising=False)


def write_feeds(folder: Path, text: str) -> Path:
    path = folder / "my-feeds.toml"
    path.write_text(text, "utf-8")
    return path


def make_feed(**settings: Any) -> Feed:
    required = {"name": "x", "kind": "chargecloud", "base_url": "https://example.org"}
    return Feed(**{**required, "places": ("a",), **settings})


def test_load_feeds__packaged_feed_is_chargecloud() -> None:
    feeds = load_feeds()
    assert list(feeds) == ["chargecloud"]
    feed = feeds["chargecloud"]
    assert (feed.base_url, feed.kind) == ("https://new-poi.chargecloud.de", "chargecloud")
    assert (feed.time_zone, feed.country, feed.enabled) == ("Europe/Berlin", "DE", True)
    assert (feed.cadence, feed.poll_budget_s) == (timedelta(minutes=10), 240)
    assert len(feed.places) == 39
    assert (feed.places[0], feed.places[37:]) == ("koeln", ("lichtenfels", "SW-Stuttgart"))


def test_load_feeds__user_changes_the_packaged_feed(tmp_path: Path) -> None:
    text = '[feeds.chargecloud]\nadd_places = ["my-city"]\nenabled = false\ncadence_s = 300\n'
    feed = load_feeds(write_feeds(tmp_path, text))["chargecloud"]
    assert feed.places[-2:] == ("SW-Stuttgart", "my-city") and len(feed.places) == 40
    assert (feed.enabled, feed.cadence) == (False, timedelta(minutes=5))
    assert feed.base_url == "https://new-poi.chargecloud.de"


def test_load_feeds__places_replace_and_add_places_add(tmp_path: Path) -> None:
    text = '[feeds.chargecloud]\nplaces = ["bonn"]\nadd_places = ["kiel"]\n'
    assert load_feeds(write_feeds(tmp_path, text))["chargecloud"].places == ("bonn", "kiel")


def test_load_feeds__environment_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the byte order mark that some editors write.
    path = write_feeds(tmp_path, "\ufeff" + NEW + 'time_zone = "Europe/London"\ncountry = "GB"\n')
    monkeypatch.setenv("CHARGING_FEEDS", str(path))
    feeds = load_feeds()
    assert list(feeds) == ["chargecloud", "new"]
    assert (feeds["new"].name, feeds["new"].places) == ("new", ("a",))
    assert (feeds["new"].time_zone, feeds["new"].country) == ("Europe/London", "GB")


@pytest.mark.fault(
    "../ in a place's name or an object's key",
    "it is refused before anything is requested or written",
    area="security",
)
@pytest.mark.parametrize(
    ("text", "message_parts"),
    [
        ('[feeds.chargecloud]\nplace = ["a"]', ["'place'", "did you mean 'places'"]),
        ("[feeds.chargecloud]\nzzz = 1", ["'zzz'", "known: ", "cadence_s"]),
        ('[feeds.chargecloud]\nname = "other"', ["'name'", "no setting"]),
        (
            '[feeds.chargecloud]\nadd_places = ["../x"]',
            ["add_places", "number 1 of the list", "A-Z"],
        ),
        ('[feeds.chargecloud]\nadd_places = ["koeln"]', ["places", "'koeln'", "twice"]),
        ('[feeds.chargecloud]\nadd_places = "kiel"', ["add_places", "'kiel'", "a list"]),
        ("[feeds.chargecloud]\nplaces = [1]", ["places", "cannot be 1"]),
        ("[feeds.chargecloud]\nplaces = []", ["places", "an empty list"]),
        ('[feeds.chargecloud]\nbase_url = "http://example.org"', ["base_url", "https://"]),
        ('[feeds.chargecloud]\nkind = "no_such"', ["kind", "'no_such'", "dotted path"]),
        ("[feeds.chargecloud]\ncadence_s = 420", ["cadence", "divide an hour"]),
        ('[feeds.chargecloud]\ncadence_s = "10"', ["cadence_s", "a text of 2 characters"]),
        ("[feeds.chargecloud]\ncadence_s = 60", ["poll_budget_s", "240", "less than the cadence"]),
        ("[feeds.chargecloud]\npoll_budget_s = nan", ["poll_budget_s", "nan"]),
        ("[feeds.chargecloud]\nattempts = true", ["attempts", "True"]),
        (
            '[feeds.chargecloud]\nenabled = "no"',
            ["enabled", "a text of 2 characters", "true or false"],
        ),
        ('[feeds.new]\nkind = "chargecloud"', ["'new'", "lacks base_url, places"]),
        (NEW.replace("new", "simulated"), ["'simulated'", "reserved for the simulator"]),
        (NEW.replace("feeds.new", "feeds.New"), ["name", "'New'", "a-z"]),
        ("feeds = 1", ["[feeds.<name>]"]),
        ("[feeds]\nchargecloud = 1", ["'chargecloud'", "is 1 and not a table", "[feeds.<name>]"]),
        ('[chargecloud]\nplaces = ["a"]', ["'chargecloud'", "[feeds.<name>]"]),
        ("[feeds.x]\nplaces == 2", ["not TOML", "line 2"]),
    ],
)
def test_load_feeds__invalid_setting_is_named(
    tmp_path: Path, text: str, message_parts: list[str]
) -> None:
    path = write_feeds(tmp_path, text)
    with pytest.raises(FeedError) as error_info:
        load_feeds(path)
    for part in [str(path), *message_parts]:
        assert part in str(error_info.value)


def test_load_feeds__all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        '[feeds.chargecloud]\nattempts = 11\nplace = ["a"]\nadd_places = ["../x", "a", 1]\n'
        '[feeds.Mine]\nkind = "no_such"\nbase_url = "https://a"\n'
    )
    path = write_feeds(tmp_path, text)
    with pytest.raises(FeedError) as error_info:
        load_feeds(path)
    first, *problems = str(error_info.value).splitlines()
    assert first == f"{path}:"
    for problem, parts in zip(
        problems,
        [
            ("'chargecloud'", "attempts cannot be 11: give 1 to 10"),
            ("'chargecloud'", "add_places", "number 1 of the list"),
            ("'chargecloud'", "add_places", "cannot be 1: ", "number 3 of the list: it is made of"),
            ("'chargecloud'", "no setting 'place'; did you mean 'places'?"),
            ("'Mine'", "name cannot be 'Mine'", "a-z"),
            ("'Mine'", "kind cannot be 'no_such'", "dotted path"),
            ("'Mine'", "lacks places; all are required"),
        ],
        strict=True,
    ):
        assert all(part in problem for part in parts), problem


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_load_feeds__unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "absent.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(FeedError, match=r"absent\.toml.*(CHARGING_FEEDS|not TOML)"):
        load_feeds(path)
    with pytest.raises(FeedError):
        load_feeds(tmp_path)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("name", ["", "A", "a b", "a/b", "a\n", None]),
        ("places", [(), ["a"], ("a", "a"), ("a\n",), ("",), ("..",), ("ä",), (["a"],)]),
        (
            "base_url",
            ["", "ftp://a", "https://", "https://a b", "https://u:p@a", "https://a?k=1", None],
        ),
        ("base_url", ["https://a#f", "http://localhost.evil.org", "http://10.0.0.1"]),
        ("base_url", ["https://[::1", "https://a:99999", "http://127.0.0.1@evil.org"]),
        ("kind", ["", ".x", "no_such", "no.such.module", "os.path", 1]),
        ("cadence_s", [0, 90, 420, timedelta(minutes=10), 600.0, "600", True]),
        ("cadence_s", [7200, -600]),
        ("time_zone", ["", "Europe", "Europe/Nowhere", "../../etc/passwd", 1, None]),
        ("country", ["de", "DEU", "", None]),
        ("max_workers", [0, 33, True, 1.5, "8"]),
        ("place_timeout_s", [0, -1, float("nan"), float("inf"), "30", True]),
        ("poll_budget_s", [600, 601, 0, float("nan")]),
        ("max_body_bytes", [0, -1, 2**40, 1.5]),
        ("attempts", [0, 11, False]),
        ("enabled", [1, "yes", None]),
        ("user_agent", ["", "a\r\nX: y", "ä", " a", None]),
    ],
)
def test_feed__invalid_setting_is_refused(setting: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(FeedError, match=f"feed .*{setting} cannot be "):
            make_feed(**{setting: value})


SECRETS = [
    "https://ops:s3ntinel@poi.example.org",
    "https://poi.example.org/?key=s3ntinel",
    "http://poi.example.org/v1/s3ntinel/poi",
    "ops:s3ntinel@poi.example.org",
    "x;password=s3ntinel",
]
SETTINGS = sorted({"name", *SETTINGS_OF_FEEDS, "unknown"})
FORMS = ['"{}"', '["{}"]', '["a", ["{}"]]', '{{"{}" = 1}}', '{{key = "{}"}}']


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_load_feeds__error_contains_no_secret_of_any_setting(
    tmp_path: Path, setting: str, secret: str
) -> None:
    required = {"kind": '"chargecloud"', "base_url": '"https://example.org"', "places": '["a"]'}
    refusals = []
    for form in FORMS:
        table = {**required, setting: form.format(secret)}
        lines = "\n".join(f"{name} = {value}" for name, value in table.items())
        try:
            load_feeds(write_feeds(tmp_path, f"[feeds.mine]\n{lines}\n"))
        except FeedError as error:
            refusals.append(str(error))
    assert len(refusals) >= len(FORMS) - 1  # a text may be a user agent
    assert all("s3ntinel" not in refusal for refusal in refusals)
    assert all(setting in refusal for refusal in refusals)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text",
    [
        '[feeds]\nmine = "{}"',
        '[feeds]\nmine = ["{}"]',
        '[feeds."{}"]\nkind = "chargecloud"',
        '[feeds."{}"]\nkind = "chargecloud"\nbase_url = "https://a"\nplaces = ["a"]',
        '[feeds]\n"{}" = 1',
        '[feeds.mine]\n"{}" = 1',
        '["{}"]\na = 1',
        '"{}" = 1',
        '[feeds."{0}"]\n[feeds."{0}"]',
        '[feeds.mine]\na = {{"{0}" = 1, "{0}" = 2}}',
        '[feeds]\nmine = {{"{0}" = 1}}\n[feeds.mine."{0}"]',
        'feeds = "{}"',
        'feeds = ["{}"',
    ],
)
def test_load_feeds__error_contains_no_secret_anywhere_in_the_file(
    tmp_path: Path, text: str, secret: str
) -> None:
    with pytest.raises(FeedError) as error_info:
        load_feeds(write_feeds(tmp_path, text.format(secret)))
    assert "s3ntinel" not in str(error_info.value)


@pytest.mark.parametrize("base_url", [["https://ops:s3ntinel@a"], *SECRETS, b"s3ntinel"])
def test_feed__error_contains_no_secret(base_url: object) -> None:
    with pytest.raises(FeedError, match="base_url cannot be ") as error_info:
        make_feed(base_url=base_url)
    assert "s3ntinel" not in str(error_info.value)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8000", "http://localhost", "https://a/b"])
def test_feed__loopback_needs_no_tls(base_url: str) -> None:
    assert make_feed(base_url=base_url).base_url == base_url


@pytest.mark.parametrize("minutes", [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])
def test_feed__cadence_that_divides_an_hour_is_accepted(minutes: int) -> None:
    assert make_feed(cadence_s=60 * minutes, poll_budget_s=30).cadence == timedelta(minutes=minutes)


def test_is_loopback__accepts_two_names_only() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("localhost")
    assert not any(map(is_loopback, ["127.0.0.1.evil.org", "0.0.0.0", "", None]))


def test_feeds__import_needs_no_http() -> None:
    program = "import sys, charging_assets.sources.feeds; print('requests' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
