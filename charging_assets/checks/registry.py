"""The list of all rules, and the steps that evaluate them."""

from __future__ import annotations

from charging_assets.checks import domain, freshness, keys, volume
from charging_assets.checks.rules import Rule

# Rules about an hour, and rules about the present.
HOURLY: tuple[Rule, ...] = (*volume.RULES, *keys.RULES, *domain.RULES)
FRESHNESS: tuple[Rule, ...] = freshness.RULES
RULES: tuple[Rule, ...] = (*HOURLY, *FRESHNESS)

_DUPLICATES = {rule.name for rule in RULES if sum(each.name == rule.name for each in RULES) > 1}
if _DUPLICATES:
    raise ValueError(f"rule names must be unique; rename one rule of each: {sorted(_DUPLICATES)}")


def hourly_by_step() -> dict[str, tuple[Rule, ...]]:
    """The rules of an hour, by the name of the step that evaluates them: one step per layer."""
    steps = dict.fromkeys(_step(rule) for rule in HOURLY)
    return {step: tuple(rule for rule in HOURLY if _step(rule) == step) for step in steps}


def _step(rule: Rule) -> str:
    layer = rule.asset.split("_")[0]
    return f"{'warehouse' if layer in {'staged', 'dim', 'fact'} else layer}_checks"
