"""The memory budget at the door."""

import pytest

from collector.intake import Refusal, Refused
from collector.pipeline.admission import RETRY_AFTER_S, Admission


def test_what_fits_is_admitted_up_to_the_last_byte():
    Admission(100, lambda: 60).admit(40)


def test_what_does_not_fit_is_refused_for_now_and_told_when_to_come_again():
    with pytest.raises(Refused) as caught:
        Admission(100, lambda: 60).admit(41)
    assert (caught.value.reason, caught.value.retry_after_s) == (Refusal.OVERLOADED, RETRY_AFTER_S)
    assert caught.value.is_retryable
    assert "limits.memory" in str(caught.value)


def test_what_is_held_is_asked_for_at_every_request():
    held = [100]
    admission = Admission(100, lambda: held[0])
    with pytest.raises(Refused):
        admission.admit(1)
    held[0] = 99
    admission.admit(1)


def test_open_traces_may_hold_a_part_of_the_budget_only():
    assert 0 < Admission(100, lambda: 0).buffer_bytes < 100
