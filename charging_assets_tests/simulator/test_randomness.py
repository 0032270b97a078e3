"""Chance: the same for the same keys, even, and with the means that it promises."""

from __future__ import annotations

import numpy as np
import pytest

from charging_assets.simulator.randomness import EXPONENTIAL, Dice, Shape, lognormal


def test_roll__for_any_keys__says_what_uniform_says() -> None:
    dice = Dice(7, "test")
    keys = [(0,), (1, 2), (-1, 5, 1 << 40), (3, -(1 << 62))]
    assert [dice.roll(*key) for key in keys] == [float(dice.uniform(*key)[0]) for key in keys]


def test_uniform__for_neighbouring_keys__is_even_and_unrelated() -> None:
    drawn = Dice(1, "test").uniform(np.arange(1000)[:, None], np.arange(100)[None, :])
    assert 0 < drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.02


def test_uniform__of_another_seed_or_purpose__differs() -> None:
    first = {Dice(seed, name).roll(1) for seed in (1, 2) for name in ("a", "b")}
    assert len(first) == 4


def test_branch__of_keys__says_what_uniform_says() -> None:
    dice, keys = Dice(7, "test"), np.arange(10)
    assert (dice.branch(keys, 3).uniform(4) == dice.uniform(keys, 3, 4)).all()


def test_shuffled__always__has_every_number_once() -> None:
    assert sorted(Dice(1, "test").shuffled(100, 5)) == list(range(100))


@pytest.mark.parametrize("shape", [EXPONENTIAL, lognormal(0.85)])
def test_shape__drawn_often__has_mean_one(shape: Shape) -> None:
    drawn = shape(Dice(1, "test").uniform(np.arange(200_000)))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.min() >= 0
