"""Switches of the environment."""

from __future__ import annotations

import pytest

from charging_assets.orchestration.switch import compacts, reconcile_every_s


def test_heal_every_s__is_half_a_minute_unless_said_otherwise() -> None:
    assert reconcile_every_s({}) == reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": ""}) == 30
    assert reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": "3600"}) == 3600


def test_compacts__a_local_archive_unless_said_otherwise() -> None:
    assert compacts({}) and compacts({"CHARGING_COMPACT": "", "CHARGING_DEPLOYMENT": "local"})
    assert not compacts({"CHARGING_DEPLOYMENT": "aws"})
    assert compacts({"CHARGING_DEPLOYMENT": "aws", "CHARGING_COMPACT": "1"})
    assert not compacts({"CHARGING_COMPACT": "0"})


@pytest.mark.parametrize("said", ["0", "-1", "often", "1.5"])
def test_heal_every_s__what_is_no_number_of_seconds_is_named(said: str) -> None:
    with pytest.raises(ValueError, match="CHARGING_RECONCILE_EVERY_S is not a whole number"):
        reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": said})
