"""Feedback while the store is slow or does not take it: who has to wait, and who is refused at once."""

import asyncio

import pytest
from pipeline_fakes import LOCKED, Clock, FlakyStore, trace_id

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Refused
from collector.pipeline.feedback import FeedbackDesk
from collector.pipeline.losses import Losses
from exporters.metrics.prometheus import Metrics

THUMB_DOWN = Feedback(score=0.0, thumbs_up=False, time_ns=7)


@pytest.fixture
def flaky(store):
    return FlakyStore(store)


def desk(store, degraded=lambda: None):
    metrics, clock = Metrics(1_000), Clock()
    return FeedbackDesk(store, metrics, Losses(metrics, clock), clock, degraded)


async def sent(to, number):
    """How feedback on the n-th trace was answered."""
    try:
        await to.accept_feedback(FeedbackTarget(trace_id=trace_id(number)), THUMB_DOWN)
    except Refused as refused:
        return str(refused) if refused.is_retryable else "refused for good"
    return "kept"


async def test_one_piece_goes_at_a_time_and_all_are_kept(flaky, store):
    to = desk(flaky)
    assert await asyncio.gather(*(sent(to, number) for number in range(1, 31))) == ["kept"] * 30
    assert store.counts().waiting_feedback == 30


async def test_who_waited_while_the_store_refused_another_is_refused_without_being_tried(flaky, store):
    to = desk(flaky)
    flaky.fail("add_feedback", LOCKED)  # once: whoever else was tried would be kept
    refusal = f"{LOCKED}; send again later"
    assert await asyncio.gather(*(sent(to, number) for number in range(1, 31))) == [refusal] * 30
    assert store.counts().waiting_feedback == 0
    assert await sent(to, 1) == "kept"


async def test_while_one_finds_out_whether_a_degraded_store_is_well_the_others_are_refused_at_once(flaky):
    to = desk(flaky, degraded=lambda: "the disk is full")
    opened = flaky.hold("add_feedback")
    first = asyncio.create_task(sent(to, 1))
    await asyncio.sleep(0)
    assert await sent(to, 2) == "the disk is full; send again later"
    opened.set()
    assert await first == "kept"
