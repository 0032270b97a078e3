"""An exception with what caused it."""

from __future__ import annotations

from charging_assets.cause_chain import cause_chain


def test_cause_chain__follows_causes_then_contexts() -> None:
    inner, middle, outer = KeyError("a"), ValueError("b"), OSError("c")
    middle.__context__ = inner
    outer.__cause__ = middle
    assert list(cause_chain(outer)) == [outer, middle, inner]


def test_cause_chain__ends_where_it_is_a_circle() -> None:
    one, other = ValueError("a"), ValueError("b")
    one.__context__, other.__context__ = other, one
    assert list(cause_chain(one)) == [one, other]
