"""Stateless random numbers: each is a pure function of the seed and its keys.

A stream of random numbers would have to be replayed from its start for each instant. A hash of
(seed, EVSE, week, draw) gives any number directly, in any order, and equally on every platform.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

T = TypeVar("T")

_MASK = (1 << 64) - 1
# The constants of splitmix64, whose output passes the usual batteries of tests.
_STEP = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_TO_UNIT = 2.0**-52


class KeyedRandom:
    """The random numbers of one purpose; purposes of the same seed are independent."""

    def __init__(self, seed: int, purpose: str) -> None:
        digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
        self._origin = int.from_bytes(digest[:8], "big")

    def uniform(self, *keys: Ints | int) -> Floats:
        """Numbers in (0, 1), one for each element of the keys, which are broadcast together."""
        return self.branch(*keys).uniform()

    def branch(self, *keys: Ints | int) -> Branch:
        """The common state of all numbers whose keys begin with these keys, computed once."""
        return Branch(np.array([self._origin], dtype=np.uint64)).branch(*keys)

    def random(self, *keys: int) -> float:
        """As `uniform` for scalar keys, without creating arrays."""
        state = self._origin
        for key in keys:
            state = (((state ^ (key & _MASK)) & _MASK) + _STEP) & _MASK
            state = ((state ^ (state >> 30)) * _FIRST) & _MASK
            state = ((state ^ (state >> 27)) * _SECOND) & _MASK
            state ^= state >> 31
        return ((state >> 12) + 0.5) * _TO_UNIT

    def choice(self, options: Sequence[T], *keys: int) -> T:
        """One of the options."""
        return options[int(self.random(*keys) * len(options))]

    def permutation(self, count: int, *keys: int) -> Ints:
        """The numbers 0 … count-1 in random order."""
        order = np.argsort(self.uniform(*keys, np.arange(count)), kind="stable")
        return order.astype(np.int64)


class Branch:
    """The random numbers whose keys begin with the keys of the branch."""

    def __init__(self, state: NDArray[np.uint64]) -> None:
        self._state = state

    def branch(self, *keys: Ints | int) -> Branch:
        """A branch of this branch."""
        state = self._state
        for key in keys:
            state = _mix(state ^ np.asarray(key, dtype=np.int64).astype(np.uint64))
        return Branch(state)

    def uniform(self, *keys: Ints | int) -> Floats:
        """As `KeyedRandom.uniform`, for the following keys."""
        state = self.branch(*keys)._state
        units: Floats = ((state >> np.uint64(12)).astype(np.float64) + 0.5) * _TO_UNIT
        return units


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = state + np.uint64(_STEP)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
    return state ^ (state >> np.uint64(31))


_GRID = (np.arange(4096) + 0.5) / 4096


class Distribution:
    """A distribution with mean 1, drawn by its quantiles.

    It uses a table of quantiles and linear interpolation: logarithms and exponentials of arrays
    differ in the last bit between processors, and the same seed must give the same bytes.
    """

    def __init__(self, quantile: Callable[[float], float]) -> None:
        table = np.array([quantile(float(share)) for share in _GRID])
        self._table = table / table.mean()

    def __call__(self, share: Floats) -> Floats:
        values: Floats = np.interp(share, _GRID, self._table)
        return values


def lognormal(sigma: float) -> Distribution:
    """A log-normal distribution: many small values, few very large ones."""
    normal = NormalDist()
    return Distribution(lambda share: math.exp(sigma * normal.inv_cdf(share)))


EXPONENTIAL = Distribution(lambda share: -math.log1p(-share))
