"""Outcomes that count as an answer: one definition, which all SQL states in the same words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charging_assets.schemas.outcomes import GOOD_OUTCOMES, is_good, places_answered

ROOT = Path(__file__).resolve().parents[2]
COMPARISON = re.compile(r"\boutcome\b\s*(=|<>|!=|(?:NOT )?IN)\s*(\([^)]*\)|'[^']*')", re.IGNORECASE)


def _comparisons() -> list[tuple[str, str, frozenset[str]]]:
    files = [*sorted((ROOT / "sql").rglob("*.sql")), ROOT / "docs/queries.md"]
    return [
        (str(path.relative_to(ROOT)), match[1], frozenset(re.findall(r"'([^']*)'", match[2])))
        for path in files
        for match in COMPARISON.finditer(path.read_text("utf-8"))
    ]


def test_sql__every_comparison_with_a_good_outcome_names_all_of_them() -> None:
    comparisons = [each for each in _comparisons() if each[2] & set(GOOD_OUTCOMES)]
    assert len(comparisons) > 20
    for path, operator, outcomes in comparisons:
        assert set(GOOD_OUTCOMES) <= outcomes, path
        assert operator.upper() in {"IN", "NOT IN"}, path


def test_python__compares_with_the_definition() -> None:
    literal = re.compile(r"outcome(\"\])? *[!=]= *\"(ok|not_modified)\"")
    allowed = {"acquisition/http_client.py"}  # of the transport
    package = ROOT / "charging_assets"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if literal.search(path.read_text("utf-8"))
    }
    assert found == allowed


@pytest.mark.parametrize("outcome", ["http_error", "incomplete", "base_missing", "bad_body", ""])
def test_is_good__other_outcomes_are_no_answers(outcome: str) -> None:
    assert not is_good(outcome)
    assert all(map(is_good, GOOD_OUTCOMES))


def test_places_answered__needs_all_responses_of_a_place() -> None:
    responses = [("a", "ok"), ("b", "ok"), ("a", "timeout"), ("b", "not_modified"), ("a", "ok")]
    assert places_answered(responses) == {"a": False, "b": True}
