"""docs/checks.md matches the rules."""

from __future__ import annotations

from pathlib import Path

from charging_assets.checks.page import TARGET, page
from charging_assets.checks.registry import RULES
from charging_assets.warehouse.sql_files import sql_names

ROOT = Path(__file__).resolve().parents[2]
# Files that guards of loads use too; they are named after what they compare.
GUARDS = {"checks/fact_status_balance", "checks/staged_balance", "checks/version_overlaps"}


def test_page__matches_the_rules() -> None:
    on_disk = (ROOT / TARGET).read_text(encoding="utf-8")
    assert on_disk == page(), "run `python -m charging_assets.checks.page`"


def test_sql_files__each_belongs_to_a_rule() -> None:
    names = {f"checks/{rule.name}" for rule in RULES}
    assert set(sql_names("checks")) - GUARDS <= names
