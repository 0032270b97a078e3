"""docs/feeds/settings.md matches the code: every setting, default, limit and example."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import MISSING, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from charging_assets.sources import feeds
from charging_assets.sources.feeds import Feed, FeedError, load_feeds

PAGE = Path(__file__).resolve().parents[2] / "docs/feeds/settings.md"
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.read_text("utf-8").splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in line.strip("| ").split(" | ")]]
}
REQUIRED = {"kind": "chargecloud", "base_url": "https://poi.example.org", "places": ["a"]}
LIMITS = {
    setting: tuple(float(number.replace(",", "")) for number in limits_match.groups())
    for setting, (_, allowed, *_) in ROWS.items()
    if (limits_match := re.match(r"([\d.,]+\d|\d) to ([\d.,]+\d|\d)", allowed))
}


def _feed(folder: Path, **settings: Any) -> Feed:
    """The feed `mine` of a file with the required and the given settings."""
    lines = [f"{name} = {_toml(value)}" for name, value in {**REQUIRED, **settings}.items()]
    file = folder / "feeds.toml"
    file.write_text("\n".join(["[feeds.mine]", *lines, ""]), encoding="utf-8")
    return load_feeds(file)["mine"]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {json.dumps(each)}' for name, each in value.items())}}}"
    return json.dumps(value)


def test_page__has_exactly_the_settings():
    assert set(ROWS) == feeds._SETTINGS


def test_page__has_the_limits_of_every_number():
    numbers = {f.name for f in fields(Feed) if f.type in {"int", "float"}} | {"cadence_s"}
    assert set(LIMITS) == numbers


@pytest.mark.parametrize("setting", ROWS)
def test_page__default_is_that_of_the_code(setting):
    stated_default = ROWS[setting][0]
    if setting == "add_places":
        assert stated_default == "`[]`"
        return
    name, of_page = setting, lambda text: tomllib.loads(f"value = {text}")["value"]
    if setting == "cadence_s":
        name, of_page = "cadence", lambda text: timedelta(seconds=int(text))
    default = {field.name: field.default for field in fields(Feed)}[name]
    default = list(default) if isinstance(default, tuple) else default
    words = {MISSING: "required", None: "none"}
    if default in (MISSING, None):
        assert stated_default == words[default]
    else:
        assert of_page(stated_default.strip("`")) == default


@pytest.mark.parametrize("setting", ROWS)
def test_page__example_is_accepted(setting, tmp_path):
    example = tomllib.loads(ROWS[setting][2].strip("`"))
    assert list(example) == [setting]
    _feed(tmp_path, **example)


@pytest.mark.parametrize("setting", LIMITS)
def test_page__limits_are_accepted_and_values_beyond_are_refused(setting, tmp_path):
    least, most = LIMITS[setting]
    is_whole = setting in {
        "max_workers",
        "max_body_bytes",
        "max_place_bytes",
        "max_pages",
        "attempts",
        "cadence_s",
    }
    number = int if is_whole else float
    others: dict[str, Any] = {"poll_budget_s": 1, "cadence_s": 3600}
    accepted = [least, most]
    if setting == "poll_budget_s":
        accepted = [least, most - 1]
    step = 1 if is_whole else 0.05
    for value in accepted:
        _feed(tmp_path, **{**others, setting: number(value)})
    for value in (least - step, most + step):
        with pytest.raises(FeedError, match=f"{setting} cannot be"):
            _feed(tmp_path, **{**others, setting: number(value)})
