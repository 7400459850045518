"""What is brought for the tests when one needs it: whether it must be there, and who brings it while others wait.

Loads nothing that a plain Python lacks, so that ``.ci/run`` builds programs before the test tools are there.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn


def is_required(name: str, env: Mapping[str, str] = os.environ) -> bool:
    """Whether ``SIDECHECK_REQUIRE`` names it."""
    return name in {part.strip() for part in env.get("SIDECHECK_REQUIRE", "").split(",")}


def missing(name: str, problem: str, env: Mapping[str, str] = os.environ) -> NoReturn:
    """Skip the test because of a server that is not there; fail it where that server is required.

    Without the test tools there is no test, and a program ends with the problem.
    """
    try:
        import pytest
    except ModuleNotFoundError:
        raise SystemExit(problem) from None
    if is_required(name, env):
        pytest.fail(f"{problem} (SIDECHECK_REQUIRE names it)")
    pytest.skip(problem)


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Wait until no other process holds this file or folder of the checkout, and hold it.

    One that no tool holds by itself: ``go`` would wait for its ``go.mod`` for ever.
    """
    held = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
