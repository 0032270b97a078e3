"""The report on a terminal has a share only where enough of its period was observed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from charging_assets.cli.demo_report import report
from charging_assets_tests.modelling import hours


@pytest.mark.parametrize(("hours_before", "has_shares"), [(0, True), (5, False)])
def test_report__has_shares_where_four_fifths_of_the_period_was_observed(
    hours_before: int, has_shares: bool
) -> None:
    warehouse = hours.loaded(
        {
            minute: hours.stand("CHARGING" if minute < 30 else "AVAILABLE")
            for minute in range(0, 60, 10)
        }
    )
    text = io.StringIO()
    first, last = hours.hour_after(-hours_before), hours.hour_after(2)  # two hours still to come
    report(Console(file=text, width=100), warehouse, hours.FEED, first, last)
    output = text.getvalue()
    # The one local hour is a cell of its own, of which all was observed.
    assert output.count("50.0 %") == (5 if has_shares else 2)
    assert ("Station s1" in output) == has_shares
    assert ("less than four fifths" in output) == (not has_shares)
