"""The missing polls of simulated weeks, as realistic for a data collector.

Gaps are independent of events at the EVSEs and spread evenly over the hours of the day, so that a
remaining error is due to the estimator, and not to the hours that are missing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SLOT = timedelta(minutes=10)
# Eleven hours do not divide a day: over eleven days the gaps pass through all hours.
GAP_EVERY_SLOTS = 66
GAP_SLOTS = (2, 9)  # 20 to 90 minutes without a poll
SINGLE_MISSED = 0.02
OUTAGE_SLOTS_PER_DAY = 6
FAILURE_EVERY_SLOTS = 288
FAILURE_SLOTS = (3, 6)
SINGLE_FAILED = 0.005


@dataclass(frozen=True)
class GapPlan:
    """Slots without a poll, and slots in which a place (by its slug) answers with an error."""

    missed: frozenset[datetime]
    failed: frozenset[tuple[str, datetime]]


def plan_gaps(seed: int, start: datetime, days: int, slugs: Sequence[str]) -> GapPlan:
    """Single missing polls, two or three gaps a day, one long outage, failing places.

    Args:
        seed: the same seed gives the same plan.
        start: the first slot.
        days: whole days from the first slot. The outage lasts an hour for each, in their middle
            half.
        slugs: the places that can fail, each at times of its own.
    """
    chance = random.Random(f"gaps {seed}")
    slot_count = days * 144
    missed = {number for number in range(slot_count) if chance.random() < SINGLE_MISSED}
    missed |= _stretches(chance, slot_count, GAP_EVERY_SLOTS, GAP_SLOTS)
    outage = days * OUTAGE_SLOTS_PER_DAY
    first = chance.randrange(slot_count // 4, slot_count * 3 // 4 - outage)
    missed |= set(range(first, first + outage))
    failed = set()
    for slug in slugs:
        numbers = _stretches(chance, slot_count, FAILURE_EVERY_SLOTS, FAILURE_SLOTS)
        numbers |= {number for number in range(slot_count) if chance.random() < SINGLE_FAILED}
        failed |= {(slug, start + number * SLOT) for number in numbers}
    return GapPlan(frozenset(start + number * SLOT for number in missed), frozenset(failed))


def _stretches(
    chance: random.Random, slot_count: int, every: int, lengths: tuple[int, int]
) -> set[int]:
    """One stretch of slots at a random position in every so many."""
    numbers: set[int] = set()
    for begin in range(-every, slot_count, every):
        first = begin + chance.randrange(every)
        numbers |= set(range(first, first + chance.randint(*lengths)))
    return {number for number in numbers if 0 <= number < slot_count}
