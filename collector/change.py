"""A change that is made whole or not at all: every part is prepared first, then all are put to use."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from collector.settings import Settings


async def _nothing() -> None:
    """There is nothing to let go of."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is ready and not in use. ``commit`` puts it to use and cannot fail, ``discard`` lets it go."""

    commit: Callable[[], None]
    discard: Callable[[], Awaitable[None]] = _nothing


NO_CHANGE = Change(lambda: None)

Prepare = Callable[[Settings], Awaitable[Change]]
"""Makes one part ready for other settings. Raises where it cannot be."""


async def put_to_use(settings: Settings, parts: Iterable[Prepare]) -> None:
    """Change all parts, or none: where one cannot be made ready, its exception is raised and nothing has changed."""
    ready: list[Change] = []
    async with AsyncExitStack() as undo:
        for prepare in parts:
            change = await prepare(settings)
            undo.push_async_callback(change.discard)
            ready.append(change)
        undo.pop_all()
    for change in ready:
        change.commit()
