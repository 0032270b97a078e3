"""Random hours of hostile answers, from a seed, whose cost is limited and whose counts add up.

They mix floods with records of the simulator's hostile kinds, and change them from poll to poll.
Run as a program: `python -m … --seconds 300 --seed 1`.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator

from charging_assets.preprocessing import caches
from charging_assets.preprocessing.flatten import flatten
from charging_assets.preprocessing.schema_check import find_violations
from charging_assets.schemas.flat import FLAT_TABLES
from charging_assets.simulator.hostile import FIRST_ID, KINDS
from charging_assets_tests.builders import answers, poll
from charging_assets_tests.preprocessing import floods
from charging_assets_tests.preprocessing.flat_hours import assert_adds_up

# An answer of real records takes 0.1 s of CPU a MiB; repairs one by one, in Python, 30 times that.
SECONDS_PER_MB = 12.0
# What is not the hour's: imports, caches that fill up, and Arrow's pool.
BASE_MB, MB_PER_MB = 700, 300
_SIZES = (2_000, 20_000, 120_000)


def bodies(dice: random.Random) -> Iterator[bytes]:
    """The answers of up to three polls, each with some parts of the one before."""
    parts: list[str] = []
    for _ in range(dice.randint(1, 3)):
        dice.shuffle(parts)
        parts = parts[: dice.randint(0, 4)]
        parts += [_part(dice) for _ in range(dice.randint(1, 4))]
        text = f'{{"status_code":1000,"data":[{",".join(parts)}]}}'.encode()
        yield _damage(text, dice) if dice.random() < 0.1 else text


def _part(dice: random.Random) -> str:
    if dice.random() < 0.3:
        number = FIRST_ID + dice.randrange(5) * 10
        return KINDS[dice.choice(sorted(KINDS))](number)
    return floods.FLOODS[dice.choice(sorted(floods.FLOODS))](dice.choice(_SIZES))


def _damage(body: bytes, dice: random.Random) -> bytes:
    """The answer without some bytes, or with others in their place."""
    at = dice.randrange(len(body))
    return body[:at] + dice.randbytes(dice.randrange(4)) + body[at + dice.randrange(4) :]


def run(seconds: float, seed: int) -> dict[str, float]:
    """Hours until the time is over: how many, answers and their MiB, CPU seconds per MiB at most.

    Raises:
        AssertionError: an hour took too long or too much, or does not add up; names its seed.
    """
    begun, hours, answer_count, total_mb, slowest = time.monotonic(), 0, 0, 0.0, 0.0
    while time.monotonic() - begun < seconds:
        dice = random.Random(seed + hours)
        made = list(bodies(dice))
        mb = sum(map(len, made)) / 2**20
        places = answers(
            *[(poll(10 * number), {"koeln": body}) for number, body in enumerate(made)]
        )
        started = time.process_time()
        hour = flatten(places)
        taken = time.process_time() - started
        at = f"seed {seed + hours}, {mb:.2f} MiB"
        assert taken < 1 + SECONDS_PER_MB * mb, f"{at}: {taken:.1f} s"
        for table in FLAT_TABLES:
            assert find_violations(table, hour[table.name]) == [], f"{at}: {table.name}"
        try:
            assert_adds_up(hour)
        except AssertionError as error:
            raise AssertionError(f"{at}: {error}") from error
        assert caches.cached_bytes() <= caches.TOTAL_LIMIT_BYTES
        peak = floods.peak_mb()
        assert peak < BASE_MB + MB_PER_MB * mb, f"{at}: {peak} MiB"
        hours, answer_count, total_mb = hours + 1, answer_count + len(made), total_mb + mb
        slowest = max(slowest, taken / mb if mb > 0.05 else 0)
    return {
        "hours": hours,
        "answers": answer_count,
        "mb": total_mb,
        "slowest_s_per_mb": slowest,
        "peak_mb": floods.peak_mb(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(run(options.seconds, options.seed))
