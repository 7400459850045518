"""A check that keeps killing its workers is left out for a while."""

import pytest
from pipeline_fakes import Clock

from collector.pipeline.suspects import LEFT_OUT_S, STRIKES, WITHIN_S, Suspects


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def suspects(clock):
    return Suspects(clock)


def accuse(suspects, times, check="mine"):
    for _ in range(times):
        suspects.accuse(check)


def test_a_check_is_run_again_after_it_killed_a_worker_now_and_then(suspects):
    accuse(suspects, STRIKES - 1)
    assert suspects.left_out() == {}
    assert suspects.problem is None


def test_a_check_that_kills_workers_again_and_again_is_left_out_and_told_of(suspects):
    accuse(suspects, STRIKES)
    accuse(suspects, 1, "other")
    assert "left out" in suspects.left_out()["mine"]
    assert set(suspects.left_out()) == {"mine"}
    assert suspects.problem.endswith(": mine")


def test_it_gets_another_chance(suspects, clock):
    accuse(suspects, STRIKES)
    clock.step(LEFT_OUT_S)
    assert suspects.left_out() == {}
    assert suspects.problem is None


def test_one_more_death_after_that_is_enough_to_leave_it_out_again(suspects, clock):
    accuse(suspects, STRIKES)
    clock.step(LEFT_OUT_S)
    accuse(suspects, 1)
    assert set(suspects.left_out()) == {"mine"}


def test_deaths_that_lie_far_apart_do_not_add_up(suspects, clock):
    for _ in range(STRIKES):
        accuse(suspects, 1)
        clock.step(WITHIN_S)
    assert suspects.left_out() == {}
