"""Settings of automation."""

from __future__ import annotations

import pytest

from charging_assets.orchestration.switch import is_compaction_on, reconcile_every_s


def test_reconcile_every_s__is_30_by_default() -> None:
    assert reconcile_every_s({}) == reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": ""}) == 30
    assert reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": "3600"}) == 3600


def test_is_compaction_on__for_a_local_archive_by_default() -> None:
    assert is_compaction_on({})
    assert is_compaction_on({"CHARGING_COMPACT": "", "CHARGING_DEPLOYMENT": "local"})
    assert not is_compaction_on({"CHARGING_DEPLOYMENT": "aws"})
    assert is_compaction_on({"CHARGING_DEPLOYMENT": "aws", "CHARGING_COMPACT": "1"})
    assert not is_compaction_on({"CHARGING_COMPACT": "0"})


@pytest.mark.parametrize("value", ["0", "-1", "often", "1.5"])
def test_reconcile_every_s__invalid_value_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="CHARGING_RECONCILE_EVERY_S is not a whole number"):
        reconcile_every_s({"CHARGING_RECONCILE_EVERY_S": value})
