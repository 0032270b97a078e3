"""The data dictionary is up to date."""

from pathlib import Path

from charging_assets.schemas.dictionary import TARGET, dictionary

ROOT = Path(__file__).resolve().parents[2]


def test_dictionary__is_not_behind_the_schema():
    text = (ROOT / TARGET).read_text(encoding="utf-8")
    assert text == dictionary(), "run `python -m charging_assets.schemas.dictionary`"
