"""What a process does again and again goes on, whatever fails."""

import asyncio

import pytest

from collector.process import Process
from collector.settings import Settings
from exporters.store import StoreUnavailable


class Busy(Process):
    """A process that only does ``work``, which fails as ``errors`` say, one a time."""

    def __init__(self, *errors):
        super().__init__(Settings())
        self.errors = list(errors)
        self.has_succeeded = asyncio.Event()

    async def _start(self):
        self._repeat(0, "work", self.work)

    def _problems(self):
        return ()

    async def work(self):
        if self.errors:
            raise self.errors.pop(0)
        self.has_succeeded.set()


@pytest.mark.parametrize("error", [StoreUnavailable("the store is away"), OSError(5, "secret"), ValueError("secret")])
async def test_work_that_fails_is_done_again_and_health_tells_of_it_meanwhile(error):
    async with Busy(error, error) as process, asyncio.timeout(10):
        while process.errors:  # noqa: ASYNC110 - a task of its own
            await asyncio.sleep(0)
        (problem,) = process.health().problems
        assert problem.endswith("; trying again")
        assert "secret" not in problem
        await process.has_succeeded.wait()
        await asyncio.sleep(0)
        assert process.health().problems == ()
