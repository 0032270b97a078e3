"""Random numbers: reproducible by key, uniform, and with the stated means."""

from __future__ import annotations

import numpy as np
import pytest

from charging_assets.simulator.randomness import EXPONENTIAL, Distribution, KeyedRandom, lognormal


def test_random__for_any_keys__equals_uniform() -> None:
    rng = KeyedRandom(7, "test")
    keys = [(0,), (1, 2), (-1, 5, 1 << 40), (3, -(1 << 62))]
    assert [rng.random(*key) for key in keys] == [float(rng.uniform(*key)[0]) for key in keys]


def test_uniform__for_adjacent_keys__is_uniform_and_uncorrelated() -> None:
    drawn = KeyedRandom(1, "test").uniform(np.arange(1000)[:, None], np.arange(100)[None, :])
    assert 0 < drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert abs(np.corrcoef(drawn[:-1].ravel(), drawn[1:].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn[:, :-1].ravel(), drawn[:, 1:].ravel())[0, 1]) < 0.02


def test_uniform__of_another_seed_or_purpose__differs() -> None:
    first = {KeyedRandom(seed, name).random(1) for seed in (1, 2) for name in ("a", "b")}
    assert len(first) == 4


def test_branch__of_keys__equals_uniform() -> None:
    rng, keys = KeyedRandom(7, "test"), np.arange(10)
    assert (rng.branch(keys, 3).uniform(4) == rng.uniform(keys, 3, 4)).all()


def test_permutation__always__has_every_number_once() -> None:
    assert sorted(KeyedRandom(1, "test").permutation(100, 5)) == list(range(100))


@pytest.mark.parametrize("distribution", [EXPONENTIAL, lognormal(0.85)])
def test_distribution__of_many_draws__has_mean_one(distribution: Distribution) -> None:
    drawn = distribution(KeyedRandom(1, "test").uniform(np.arange(200_000)))
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.min() >= 0
