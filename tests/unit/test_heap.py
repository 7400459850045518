"""Memory that is no longer needed goes back to the system."""

import platform
import subprocess
import sys
import weakref

import pytest

from collector.pipeline.heap import CALM_FROM_S, CALM_SHARE_S, EBB_FROM_BYTES, Ebb, give_back

MIB = 1 << 20
AFTER_A_BURST = """
from collector.pipeline import heap
from collector.pipeline.worker import _IN_MEMORY, _memory

heap.keep_small()
burst = [bytes(4_000) for _ in range(16_000)]
left = burst[::64]  # a block here and there, as after each burst
del burst
before = _memory(_IN_MEMORY)
heap.give_back()
print(before - _memory(_IN_MEMORY))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have a heap of their own kind")
def test_what_is_free_between_what_is_in_use_is_given_back():
    done = subprocess.run([sys.executable, "-c", AFTER_A_BURST], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 40 * MIB


def test_circles_are_collected_before():
    class Node:
        """What can be watched."""

    node = Node()
    node.itself = node
    watched = weakref.ref(node)
    del node
    give_back()
    assert watched() is None


def test_where_the_c_library_cannot_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back()


def asked(*held: int, worked_s: float = 0.0) -> list[bool]:
    """What a new ``Ebb`` says to each of these, with the same work each time."""
    ebb = Ebb()
    return [ebb.has_come(now, number * worked_s) for number, now in enumerate(held, 1)]


def test_after_a_burst_it_is_time_once_little_of_it_is_left():
    held = (10 * MIB, 80 * MIB, 79 * MIB, 21 * MIB, 20 * MIB, 20 * MIB, 19 * MIB)
    assert asked(*held) == [False, False, False, False, True, False, False]


def test_what_was_left_of_a_burst_counts_as_the_next_one():
    assert asked(80 * MIB, 20 * MIB, 0) == [False, True, True]


def test_under_a_steady_load_it_is_never_time():
    held = [held * MIB for _ in range(100) for held in (40, 60, 30, 50)]
    assert not any(asked(*held, worked_s=2 * CALM_SHARE_S))


def test_it_is_not_worth_it_for_little():
    assert asked(EBB_FROM_BYTES - 1, 0) == [False, False]


def test_after_much_work_it_is_time_once_all_is_calm_however_little_was_held():
    ebb = Ebb()
    assert not ebb.has_come(MIB, CALM_FROM_S)
    assert not ebb.has_come(MIB, 2 * CALM_FROM_S)
    assert ebb.has_come(MIB, 2 * CALM_FROM_S)
    assert not ebb.has_come(MIB, 2 * CALM_FROM_S)


def test_what_a_calm_process_does_is_worth_it_once_it_adds_up():
    times = int(CALM_FROM_S / CALM_SHARE_S) + 2
    assert asked(*[0] * times, worked_s=CALM_SHARE_S * 0.99).count(True) == 1
