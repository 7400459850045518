"""Deadlines by SIGALRM. The waits here are the thing under test, and end by the alarm."""

import re
import signal
import threading
import time

import pytest

from checks.deadline import DeadlineExceeded
from collector.pipeline.deadline import SignalDeadline

# The usual time limit of a test is an alarm too, and would be lost with the one under test.
pytestmark = pytest.mark.timeout(20, method="thread")

MILLISECOND = 1_000_000
SOON = 20 * MILLISECOND
FAR = 60_000 * MILLISECOND


def spin():
    while True:
        pass


def test_an_endless_loop_is_interrupted():
    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        spin()


def test_a_catastrophic_regular_expression_is_interrupted():
    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        re.match(r"(a+)+$", "a" * 64 + "b")


def test_an_except_exception_does_not_swallow_it():
    def stubborn():
        while True:
            try:
                spin()
            except Exception:  # noqa: BLE001 -- what a careless check does
                continue

    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        stubborn()


def test_a_check_that_catches_everything_once_is_interrupted_again():
    def stubborn():
        try:
            spin()
        except BaseException:  # noqa: BLE001 -- the worst that a check can do
            spin()

    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        stubborn()


def test_a_check_that_catches_it_and_returns_is_late_all_the_same():
    def sly():
        try:
            spin()
        except BaseException:  # noqa: BLE001 -- the worst that a check can do
            return

    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        sly()


def test_a_check_in_time_is_left_alone_and_its_own_error_passes():
    with SignalDeadline()(FAR):
        done = True
    assert done
    with pytest.raises(ZeroDivisionError), SignalDeadline()(FAR):
        _ = 1 / 0


def test_the_alarm_stops_where_no_deadline_holds_and_starts_with_the_next():
    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        spin()
    signal.raise_signal(signal.SIGALRM)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    with pytest.raises(DeadlineExceeded), SignalDeadline()(SOON):
        spin()


def test_the_signal_can_be_taken_back_from_a_check_that_took_it():
    deadline = SignalDeadline()
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    deadline.install()
    with pytest.raises(DeadlineExceeded), deadline(SOON):
        spin()


def test_a_deadline_around_another_one_still_holds():
    def nested():
        with SignalDeadline()(FAR):
            pass
        spin()

    with pytest.raises(DeadlineExceeded), SignalDeadline()(3 * SOON):
        nested()


def test_a_deadline_can_be_used_again_after_it_has_rung():
    deadline = SignalDeadline()
    for _ in range(3):
        with pytest.raises(DeadlineExceeded), deadline(MILLISECOND):
            spin()


def test_what_a_deadline_gave_can_be_entered_again_with_all_its_time():
    limit = SignalDeadline()(SOON)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded), limit:
            spin()
        started = time.monotonic_ns()
        with limit:
            pass
        with pytest.raises(DeadlineExceeded), limit:
            spin()
        assert time.monotonic_ns() - started >= SOON


def test_a_limit_of_zero_rings_at_once():
    with pytest.raises(DeadlineExceeded), SignalDeadline()(0):
        spin()


def test_it_cannot_be_made_in_another_thread():
    refused = []

    def make():
        try:
            SignalDeadline()
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join(timeout=10)
    assert "main thread" in refused[0]
