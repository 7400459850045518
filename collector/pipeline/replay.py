"""What the last run left in the journal, decoded again entry by entry."""

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog

from collector.intake import Batch
from collector.logs import place_of
from collector.pipeline.journal import Entry, Journal
from collector.pipeline.losses import Losses

log = structlog.get_logger()


async def replayed(
    journal: Journal, decode: Callable[[Entry], Batch], losses: Losses
) -> AsyncIterator[tuple[int, Batch]]:
    """Give each entry's position and what it holds; read and decoded in threads.

    An entry that cannot be decoded is dropped and counted.
    """
    pages = journal.replay()
    while page := await asyncio.to_thread(next, pages, ()):
        for entry in page:
            try:
                batch = await asyncio.to_thread(decode, entry)
            except Exception as error:  # noqa: BLE001 - one entry must not keep the others from being judged
                log.error("an entry of the journal cannot be read", error=place_of(error))
                losses.dropped("request", "unreadable", count=1)
                journal.forget([entry.position])
            else:
                yield entry.position, batch
