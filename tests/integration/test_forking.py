"""Worker processes at their end, whenever it comes."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FRONT = """
import asyncio, time
from pebble import CONSTS
from collector.pipeline.forking import Workers
from collector.pipeline.job import JudgeOptions

class TakesLong(JudgeOptions):
    def __reduce__(self):
        return after_a_while, ()

def after_a_while():
    time.sleep(0.5)
    return JudgeOptions({}, drafts_cases=False)

async def main():
    workers = Workers(1, TakesLong({}, drafts_cases=False), 1 << 30, finds_pii=False)
    CONSTS.term_timeout = 20  # so that it is not killed before it has all that was sent
    asyncio.ensure_future(workers.call(print, (), 20))
    while not workers.are_there:
        await asyncio.sleep(0.01)
    workers.end(0)

if __name__ == "__main__":
    asyncio.run(main())
"""


def test_workers_that_are_ended_while_they_begin_leave_no_stack_trace(tmp_path):
    """What they share with the pool has names, which they look up when they begin."""
    script = tmp_path / "front.py"
    script.write_text(FRONT)
    env = {**os.environ, "PYTHONPATH": str(TESTS.parent)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
