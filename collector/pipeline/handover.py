"""Giving up a partition: its open traces go without a trace of them here, as its next owner reads them again.

Owns what becomes of traces that came from it. When it is given up, and how far it was read, is its receiver's business.
"""

import asyncio
from collections.abc import Collection, Sequence

from collector.pipeline.buffer import TraceBuffer
from collector.pipeline.decided import Decided
from collector.progress import Position, Progress
from exporters.packed import Packed

POLL_S = 0.02


class HandOver:
    """Used on the event loop.

    A trace of which some piece came from elsewhere (pushed to this replica, or from a partition that stays) is judged
    here, with what is here; the next owner brings the rest to it through the store.
    """

    def __init__(self, buffer: TraceBuffer, decided: Decided) -> None:
        self._buffer = buffer
        self._decided = decided

    async def __call__(self, sources: Collection[Progress], within_s: float) -> int:
        """Let go of the open traces of these sources; returns how many these were.

        Those that are being judged have ``within_s`` seconds to be stored. After that nothing of these sources is
        written any more, so that the verdict of the next owner, who may know more, stands.
        """
        given = self._buffer.only_from(sources)
        for trace_id in given:
            self._buffer.discard(trace_id)
        wanted = set(sources)
        try:
            async with asyncio.timeout(within_s):
                while any(_is_of(wanted, positions) for positions in self._decided.under_way.values()):  # noqa: ASYNC110 - rare and short
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pass
        for source in sources:
            source.is_over = True
        return len(given)

    def still_ours(self, records: Sequence[Packed]) -> list[Packed]:
        """The records of which at least one piece is not another replica's by now."""
        return [record for record in records if not self._is_given_up(record.trace_id)]

    def _is_given_up(self, trace_id: str) -> bool:
        decided = self._decided
        return trace_id in decided.returning and all(source.is_over for source, _ in decided.under_way[trace_id])


def _is_of(sources: Collection[Progress], positions: Sequence[Position]) -> bool:
    return any(source in sources for source, _ in positions)
