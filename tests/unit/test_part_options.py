"""Each option of the configuration reaches the part that heeds it."""

from collector.part_options import receiver_limits
from collector.receivers.limits import ReceiverLimits
from collector.settings import Settings


def test_every_limit_of_a_request_is_an_option():
    limits = {"request": 1, "spans_per_request": 2, "attribute_value": 3, "compression_ratio": 4}
    given = receiver_limits(Settings.model_validate({"limits": limits}))
    assert given == ReceiverLimits(request_bytes=1, spans_per_request=2, attribute_bytes=3, compression_ratio=4)
    assert receiver_limits(Settings()) == ReceiverLimits()
