"""All rules, by asset.

Belongs here: the list, and the order in which assets' rules are shown.
"""

from __future__ import annotations

from charging_assets.checks import domain, freshness, keys, volume
from charging_assets.checks.rules import Rule

# Of an hour, and of now.
HOURLY: tuple[Rule, ...] = (*volume.RULES, *keys.RULES, *domain.RULES)
FRESHNESS: tuple[Rule, ...] = freshness.RULES
RULES: tuple[Rule, ...] = (*HOURLY, *FRESHNESS)

_DOUBLED = {rule.name for rule in RULES if sum(each.name == rule.name for each in RULES) > 1}
if _DOUBLED:
    raise ValueError(f"rules with the same name: {sorted(_DOUBLED)}")


def hourly_by_step() -> dict[str, tuple[Rule, ...]]:
    """The rules of an hour, by the step that evaluates them: a layer's together."""
    steps = dict.fromkeys(_step(rule) for rule in HOURLY)
    return {step: tuple(rule for rule in HOURLY if _step(rule) == step) for step in steps}


def _step(rule: Rule) -> str:
    layer = rule.asset.split("_")[0]
    return f"{'warehouse' if layer in {'staged', 'dim', 'fact'} else layer}_checks"
