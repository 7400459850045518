"""Something that may fail for a moment, tried until it no longer does.

Almost always the first time is enough: only a failure makes what it takes to wait and to try again.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

Result = TypeVar("Result")


async def in_the_end(
    work: Callable[[int], Awaitable[Result]],
    is_passing: Callable[[Exception], bool],
    first_wait_s: float,
    longest_wait_s: float,
) -> Result:
    """What ``work`` gives once it succeeds; it is told how often it was tried, this time included.

    Waits longer from time to time, and never gives up. Raises what ``is_passing`` says will not pass.
    """
    try:
        return await work(1)
    except Exception as error:
        if not is_passing(error):
            raise
        failed = error
    retrying = stamina.retry_context(
        on=is_passing, attempts=None, timeout=None, wait_initial=first_wait_s, wait_max=longest_wait_s
    )
    async for attempt in retrying:
        with attempt:
            if attempt.num == 1:  # which was the one above
                raise failed
            return await work(attempt.num)
    raise AssertionError  # pragma: no cover - stamina returns or raises
