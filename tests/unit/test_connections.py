"""Who has to go where there are too many connections."""

import pytest

from collector.connections import RESERVE, ConnectionPool, Stage
from collector.receivers.limits import ConnectionLimits


class FakeConnection:
    """A connection that remembers whether it was told to go."""

    def __init__(self) -> None:
        self.gone = False

    def give_way(self) -> None:
        self.gone = True


@pytest.fixture
def pool() -> ConnectionPool:
    return ConnectionPool(ConnectionLimits(connections=2))


def opened(pool: ConnectionPool, count: int = 1, stage: Stage = Stage.NEW) -> list[FakeConnection]:
    """So many new connections, all at this stage."""
    made = []
    for _ in range(count):
        connection = FakeConnection()
        pool.opened(connection)
        pool.entered(connection, stage)
        made.append(connection)
    return made


def test_up_to_the_limit_everybody_stays(pool):
    assert not any(connection.gone for connection in opened(pool, 2))


@pytest.mark.parametrize("stage", [Stage.NEW, Stage.HEAD, Stage.REST, Stage.IDLE])
def test_one_more_takes_the_place_of_the_one_that_has_waited_longest(pool, stage):
    first, second = opened(pool, 2, stage)
    assert pool.opened(FakeConnection())
    assert (first.gone, second.gone, len(pool)) == (True, False, 2)


def test_a_connection_at_work_is_left_alone(pool):
    first, second = opened(pool, 2)
    pool.entered(first, Stage.WORK)
    assert pool.opened(FakeConnection())
    assert (first.gone, second.gone) == (False, True)


def test_where_all_are_at_work_one_more_is_not_served(pool):
    opened(pool, 2, Stage.WORK)
    assert not pool.opened(FakeConnection())
    assert not pool.is_overrun


def test_far_beyond_the_limit_nobody_is_even_told(pool):
    opened(pool, 2 + RESERVE + 1, Stage.WORK)
    assert pool.is_overrun


def test_a_connection_that_was_of_use_goes_back_to_the_end_of_the_line(pool):
    first, second = opened(pool, 2)
    for stage in (Stage.HEAD, Stage.WORK, Stage.IDLE):
        pool.entered(first, stage)
    opened(pool)
    assert (first.gone, second.gone) == (False, True)


def test_a_connection_that_dribbles_does_not(pool):
    first, second = opened(pool, 2)
    pool.entered(first, Stage.HEAD)
    opened(pool)
    assert (first.gone, second.gone) == (True, False)


def test_a_closed_connection_makes_room(pool):
    first, second = opened(pool, 2)
    pool.closed(first)
    opened(pool)
    assert (len(pool), second.gone) == (2, False)


def test_a_connection_that_had_to_go_does_not_come_back_by_what_it_still_does(pool):
    (first, *_) = opened(pool, 3)
    pool.entered(first, Stage.IDLE)
    assert len(pool) == 2
    opened(pool, 5)
    assert len(pool) == 2


def test_a_limit_that_is_changed_holds_for_the_next_connection(pool):
    first, _ = opened(pool, 2, Stage.IDLE)
    pool.limits.adopt(ConnectionLimits(connections=3))
    opened(pool)
    assert not first.gone
    pool.limits.adopt(ConnectionLimits(connections=1))
    assert not pool.opened(FakeConnection())
    assert first.gone
