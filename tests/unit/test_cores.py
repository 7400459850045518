"""Programs that are measured beside each other get as much of each core."""

import os
import subprocess
import sys

import psutil
import pytest
from bench.cores import swapped
from servers import until

WITH_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
needs_two = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)


@pytest.fixture
def programs():
    command = [sys.executable, "-c", WITH_A_CHILD]
    made = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    until("each has its child", lambda: all(psutil.Process(program.pid).children() for program in made))
    yield [program.pid for program in made]
    for program in made:
        program.communicate(b"\n")


def cores_of(pid):
    family = (psutil.Process(pid), *psutil.Process(pid).children())
    return {core for each in family for core in os.sched_getaffinity(each.pid)}


@needs_two
def test_each_has_a_core_and_they_swap_them(programs):
    one, other = programs
    seen = set()

    def both_ways():
        seen.add((*cores_of(one), *cores_of(other)))
        return {(first, second), (second, first)} <= seen

    first, second = sorted(os.sched_getaffinity(0))[:2]
    with swapped(one, other, every_s=0.05):
        until("each was on each core", both_ways)
    assert cores_of(one) == cores_of(other) == os.sched_getaffinity(0)
