"""Limits of concurrent pages."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from charging_assets.dashboard.limits import Busy, ClientDisconnected, Limit, run_page
from charging_assets.warehouse.cancellation import interruptible


async def _here() -> bool:
    return False


async def _gone() -> bool:
    return True


def test_limit__holds_so_many_at_a_time_and_serves_all() -> None:
    limit, running, most = Limit(2, 40), 0, 0

    async def request() -> None:
        nonlocal running, most
        async with limit.slot(_here):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    async def main() -> None:
        await asyncio.gather(*(request() for _ in range(20)))

    asyncio.run(main())
    assert (running, most) == (0, 2)


def test_limit__refuses_more_than_may_wait() -> None:
    async def main() -> int:
        limit, may_end = Limit(1, 2), asyncio.Event()

        async def request() -> None:
            async with limit.slot(_here):
                await may_end.wait()

        tasks = [asyncio.create_task(request()) for _ in range(5)]
        await asyncio.sleep(0.01)
        may_end.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(result, Busy) for result in results)

    assert asyncio.run(main()) == 3


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_limit__client_that_leaves_gives_its_place_back(is_cancelled: bool) -> None:
    async def main() -> None:
        limit = Limit(1, 10)

        async def request() -> None:
            async with limit.slot(_gone):
                raise AssertionError("made for nobody")

        async with limit.slot(_here):
            task = asyncio.create_task(request())
            await asyncio.sleep(0.01)
            if is_cancelled:
                task.cancel()
            with pytest.raises(asyncio.CancelledError if is_cancelled else ClientDisconnected):
                await task
        async with asyncio.timeout(5), limit.slot(_here):
            pass

    asyncio.run(main())


def test_run_page__cancels_until_the_page_ends_when_the_client_cannot_be_looked_for() -> None:
    """The first two interrupts are dropped, as an engine may."""
    interrupts, ended = [0], threading.Event()

    def interrupt() -> None:
        interrupts[0] += 1
        if interrupts[0] == 1:
            raise OSError("the connection for it is refused")

    def make() -> None:
        try:
            with interruptible(interrupt):
                until = time.monotonic() + 20
                while interrupts[0] < 3 and time.monotonic() < until:
                    time.sleep(0.01)
        finally:
            ended.set()

    async def fails() -> bool:
        raise OSError("the socket is gone")

    async def main() -> None:
        with pytest.raises(OSError, match="the socket is gone"):
            await run_page(make, fails)

    asyncio.run(main())
    assert ended.wait(20)
    assert interrupts[0] >= 3
