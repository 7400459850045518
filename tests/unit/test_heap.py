"""Memory that is no longer needed goes back to the system."""

import platform
import subprocess
import sys
import weakref

import pytest

from collector.pipeline.heap import EBB_FROM_BYTES, Ebb, give_back

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


def test_after_a_burst_it_is_time_once_little_of_it_is_left():
    ebb = Ebb()
    assert not any(map(ebb.has_come, (10 * MIB, 80 * MIB, 79 * MIB, 21 * MIB)))
    assert ebb.has_come(20 * MIB)
    assert not ebb.has_come(20 * MIB)
    assert not ebb.has_come(19 * MIB)


def test_what_was_left_of_a_burst_counts_as_the_next_one():
    ebb = Ebb()
    assert not ebb.has_come(80 * MIB)
    assert ebb.has_come(20 * MIB)
    assert ebb.has_come(0)


def test_under_a_steady_load_it_is_never_time():
    ebb = Ebb()
    assert not any(ebb.has_come(held * MIB) for _ in range(100) for held in (40, 60, 30, 50))


def test_it_is_not_worth_it_for_little():
    ebb = Ebb()
    assert not any(ebb.has_come(held) for held in (EBB_FROM_BYTES - 1, 0))
