"""Work that fails for a moment is tried until it does not."""

import pytest

from collector.pipeline.retrying import in_the_end

pytestmark = pytest.mark.usefixtures("no_waiting")


class Work:
    """Fails with these errors in turn, then gives ``done``."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = [*errors]
        self.numbers: list[int] = []

    async def __call__(self, number: int) -> str:
        self.numbers.append(number)
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def in_the_end(self) -> str:
        return await in_the_end(self, lambda error: isinstance(error, TimeoutError), 0.05, 5.0)


@pytest.mark.parametrize("failures", [0, 1, 3])
async def test_it_is_told_how_often_it_was_tried(failures):
    work = Work(*[TimeoutError() for _ in range(failures)])
    assert await work.in_the_end() == "done"
    assert work.numbers == [*range(1, failures + 2)]


@pytest.mark.parametrize("before", [0, 2])
async def test_what_will_not_pass_is_raised(before):
    work = Work(*[TimeoutError() for _ in range(before)], KeyError("for good"))
    with pytest.raises(KeyError, match="for good"):
        await work.in_the_end()
    assert len(work.numbers) == before + 1
