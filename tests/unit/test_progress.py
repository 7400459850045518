"""Which positions are still needed."""

from collector.progress import Progress


def test_a_position_is_free_when_every_trace_with_a_piece_there_has_ended():
    progress = Progress()
    progress.began(7, 2)
    assert progress.ended([7]) == []
    assert progress.ended([7]) == [7]
    assert len(progress) == 0


def test_a_trace_that_stands_at_several_positions_frees_those_that_no_other_needs():
    progress = Progress()
    progress.began(1, 1)
    progress.began(2, 2)
    progress.began(3, 1)
    assert progress.ended([1, 2, 3]) == [1, 3]
    assert len(progress) == 1


def test_a_trace_with_two_pieces_at_one_position_ends_both():
    progress = Progress()
    progress.began(5, 2)
    assert progress.ended([5, 5]) == [5]


def test_a_position_at_which_nothing_was_kept_is_free_at_once():
    progress = Progress()
    progress.began(4, 0)
    assert progress.ended([4]) == [4]
    assert len(progress) == 0


def test_ending_what_never_began_frees_it_and_leaves_nothing_behind():
    progress = Progress()
    assert progress.ended([9]) == [9]
    assert len(progress) == 0
