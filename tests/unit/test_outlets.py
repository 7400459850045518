"""All that is sent, at its end: each part ends whatever becomes of the others, and apart from who set about it."""

import asyncio
from contextvars import ContextVar

import pytest

from collector.outlets import Outlets
from collector.receivers.limits import ReceiverLimits
from exporters.metrics.prometheus import Metrics

MARK = ContextVar("MARK", default="nothing under way")


class Part:
    """A part that ends, or fails to."""

    waiting = 0

    def __init__(self, name, ended, error=None):
        self.name, self.error, self._ended = name, error, ended

    def close(self):
        self._ended.append((self.name, MARK.get()))
        if self.error is not None:
            raise self.error

    async def stop(self):
        self.close()


@pytest.fixture
def outlets():
    return Outlets(ReceiverLimits(), Metrics(100), "0123456789abcdef")


@pytest.mark.parametrize("fails", ["notifying", "results", "forwarding"])
async def test_every_part_ends_whatever_becomes_of_the_others(outlets, fails):
    ended = []
    for name in ("notifying", "results", "forwarding"):
        setattr(outlets, f"_{name}", Part(name, ended, RuntimeError("a bug") if name == fails else None))
    with pytest.raises(RuntimeError):
        await outlets.stop()
    assert [name for name, _ in ended] == ["notifying", "results", "forwarding"]


async def test_a_backend_of_verdicts_ends_apart_from_the_reload_that_took_it_out(outlets):
    ended = []
    outlets._tell_by(Part("results", ended))
    MARK.set("a reload")
    outlets._tell_by(None)
    await asyncio.gather(*outlets._ending)
    assert ended == [("results", "nothing under way")]
