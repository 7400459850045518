"""How requests are counted at the door: spans and log records taken and refused, by source."""

from collector.intake import Batch, Refusal, Source
from exporters.metrics.prometheus import Metrics


def count_accepted(metrics: Metrics, batch: Batch) -> None:
    """Count a request that was taken, and the records in it that were not."""
    source = batch.source.value
    spans, logs = batch.span_count, sum(piece.log_count for piece in batch.pieces) + len(batch.said)
    if spans:
        metrics.inc("sidecheck_spans_accepted_total", spans, source=source)
    if logs:
        metrics.inc("sidecheck_logs_accepted_total", logs, source=source)
    for reason, records in batch.rejected.items():
        metrics.inc("sidecheck_spans_refused_total", records, source=source, reason=reason.value)


def count_refused(metrics: Metrics, source: Source, reason: Refusal, records: int) -> None:
    """Count a request that was refused as a whole."""
    metrics.inc("sidecheck_requests_refused_total", source=source.value, reason=reason.value)
    if records:
        metrics.inc("sidecheck_spans_refused_total", records, source=source.value, reason=reason.value)
