"""docs/feeds/settings.md is generated; its limits and examples are those of the code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from charging_assets import settings_tables
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


def test_page__is_that_of_the_code():
    assert PAGE.read_text("utf-8") == settings_tables.pages()[PAGE]


def test_page__has_the_limits_of_every_number():
    numbers = {
        name for name, field in Feed.model_fields.items() if field.annotation in (int, float)
    }
    assert set(LIMITS) == numbers


@pytest.mark.parametrize("setting", ROWS)
def test_page__example_is_accepted(setting, tmp_path):
    example = tomllib.loads(ROWS[setting][2].strip("`"))
    assert list(example) == [setting]
    _feed(tmp_path, **example)


@pytest.mark.parametrize("setting", LIMITS)
def test_page__limits_are_accepted_and_values_beyond_are_refused(setting, tmp_path):
    least, most = LIMITS[setting]
    is_whole = Feed.model_fields[setting].annotation is int
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
