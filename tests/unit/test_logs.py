"""Lines of the log: one that cannot be written breaks nothing, and is told of once others can be."""

import io

import structlog

from collector.logs import Forgiving


class Full(io.StringIO):
    """A stream on a disk that is full for a while."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_of_the_log_and_nothing_else():
    stream = Full()
    log = structlog.PrintLogger(Forgiving(stream))
    log.msg("first")
    log.msg("second")
    stream.is_full = False
    log.msg("third")
    assert stream.getvalue().splitlines() == ["third", "(2 lines could not be written before this one)"]


def test_a_stream_that_is_closed_breaks_nothing():
    stream = io.StringIO()
    stream.close()
    structlog.PrintLogger(Forgiving(stream)).msg("said to nobody")
