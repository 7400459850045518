"""Memory that is set aside for a request while it is read and decoded."""

import pytest

from collector.intake import Refusal, Refused
from collector.pipeline.admission import Admission


@pytest.fixture
def admission() -> Admission:
    """A budget of 100 bytes, 20 of which are held."""
    return Admission(100, lambda: 20)


def refused(act, *args: int) -> Refusal:
    with pytest.raises(Refused) as caught:
        act(*args)
    return caught.value.reason


def test_what_is_set_aside_counts_until_the_request_is_over(admission):
    with admission.reserve(50) as room:
        room.grow(30)
        assert refused(admission.admit, 1) is Refusal.OVERLOADED
    admission.admit(80)


def test_it_is_given_back_when_the_request_fails(admission):
    with pytest.raises(ZeroDivisionError), admission.reserve(50):
        raise ZeroDivisionError
    assert admission.reserved_bytes == 0


def test_requests_share_one_budget(admission):
    with admission.reserve(50), admission.reserve(20) as room:
        assert refused(room.grow, 11) is Refusal.OVERLOADED
        room.grow(10)


def test_a_request_that_does_not_fit_now_is_refused_at_once(admission):
    assert refused(admission.reserve(81).__enter__) is Refusal.OVERLOADED
    assert admission.reserved_bytes == 0


def test_what_is_expected_is_asked_for_and_not_set_aside(admission):
    with admission.reserve() as room:
        room.expect(80)
        assert refused(room.expect, 81) is Refusal.OVERLOADED
        assert admission.reserved_bytes == 0


def test_a_request_that_never_fits_is_too_large_rather_than_to_be_sent_again(admission):
    with admission.reserve(60) as room:
        assert refused(room.expect, 41) is Refusal.TOO_LARGE
        assert refused(room.grow, 41) is Refusal.TOO_LARGE
    assert refused(admission.reserve(101).__enter__) is Refusal.TOO_LARGE


def test_a_thread_that_outlives_its_request_sets_nothing_aside_any_more(admission):
    with admission.reserve(10) as room:
        pass
    assert refused(room.grow, 1) is Refusal.OVERLOADED
    assert admission.reserved_bytes == 0
