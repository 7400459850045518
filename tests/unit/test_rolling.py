"""Worker pools follow one another, and no batch notices."""

import asyncio

import pytest

from collector.pipeline.job import Judged
from collector.pipeline.rolling import RollingPool

NOTHING = Judged((), ())


class FakePool:
    """A pool that judges when it is let."""

    workers = 2
    problem = None

    def __init__(self, name):
        self.name = name
        self.free = asyncio.Event()
        self.free.set()
        self.begun = asyncio.Event()
        self.did = []

    async def inspect(self, jobs):
        self.begun.set()
        await self.free.wait()
        assert "retired" not in self.did
        self.did.append(list(jobs))
        return NOTHING

    async def warm_up(self):
        self.did.append("warm")

    async def forget_last(self):
        self.did.append("forgot")

    def retire(self):
        self.did.append("retired")

    def close(self):
        self.did.append("closed")


@pytest.fixture
def pools():
    return FakePool("old"), FakePool("new")


async def test_a_batch_is_done_by_the_pool_it_was_given_to_and_the_next_by_the_new_one(pools):
    old, new = pools
    rolling = RollingPool(old)
    old.free.clear()
    under_way = asyncio.create_task(rolling.inspect([1]))
    await old.begun.wait()
    rolling.replace(new)
    await rolling.inspect([2])
    assert (old.did, new.did) == ([], [[2]])
    old.free.set()
    await under_way
    await rolling.settled()
    assert old.did == [[1], "retired"]


async def test_an_idle_pool_is_let_go_at_once(pools):
    old, new = pools
    rolling = RollingPool(old)
    await rolling.inspect([1])
    rolling.replace(new)
    await rolling.settled()
    assert old.did == [[1], "retired"]
    rolling.close()
    assert new.did == ["closed"]


async def test_a_batch_that_fails_ends_as_well(pools):
    old, new = pools

    async def fail(jobs):
        raise RuntimeError(len(jobs))

    old.inspect = fail
    rolling = RollingPool(old)
    with pytest.raises(RuntimeError):
        await rolling.inspect([1])
    rolling.replace(new)
    await rolling.settled()
    assert old.did == ["retired"]


async def test_two_replacements_in_a_row_leave_the_last(pools):
    old, new = pools
    last = FakePool("last")
    rolling = RollingPool(old)
    rolling.replace(new)
    rolling.replace(last)
    await rolling.inspect([1])
    await rolling.settled()
    assert (old.did, new.did, last.did) == (["retired"], ["retired"], [[1]])


async def test_the_pool_of_the_moment_forgets_what_is_done(pools):
    old, new = pools
    rolling = RollingPool(old)
    await rolling.forget_last()
    rolling.replace(new)
    await rolling.forget_last()
    await rolling.settled()
    assert (old.did, new.did) == (["forgot", "retired"], ["forgot"])
