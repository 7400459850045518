"""What is done to the store from time to time: its gauges are read; what was forgotten elsewhere goes here, too."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from collector.pipeline import quarantine
from exporters.dataset.case import CaseStatus
from exporters.metrics.prometheus import Metrics
from exporters.store import Store


def refresh_gauges(store: Store, metrics: Metrics) -> None:
    """Set the gauges of the store. Raises ``exporters.store.StoreError``."""
    counts = store.counts()
    for status in CaseStatus:
        metrics.set("sidecheck_cases", counts.cases.get(status, 0), status=status.value)
    metrics.set("sidecheck_store_bytes", counts.bytes)


async def retain(
    store: Store, age_ns: int, max_bytes: int, flagged_age_ns: int, wall_ns: Callable[[], int] = time.time_ns
) -> None:
    """Bring the store within its limits, however much there is to remove. Raises ``exporters.store.StoreError``.

    Call by call, so that a process that is to end waits for one of them only.
    """
    while (await asyncio.to_thread(store.retain, wall_ns(), age_ns, max_bytes, flagged_age_ns)).is_unfinished:
        pass


def tidy_quarantine(store: Store, folder: Path) -> None:
    """Remove the traces that were forgotten through another process. Raises ``exporters.store.StoreError``."""
    held = quarantine.trace_ids(folder)
    if held:
        quarantine.discard(folder, store.forgotten(sorted(held)))
