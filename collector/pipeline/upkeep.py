"""What is done to the store from time to time: its gauges are read; what was forgotten elsewhere goes here, too."""

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


def tidy_quarantine(store: Store, folder: Path) -> None:
    """Remove the traces that were forgotten through another process. Raises ``exporters.store.StoreError``."""
    held = quarantine.trace_ids(folder)
    if held:
        quarantine.discard(folder, store.forgotten(sorted(held)))
