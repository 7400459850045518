"""The demo's recordings are moved in time, all by the same."""

from otlp import a_log_record, a_logs_request, a_proto_span, a_trace_request

from collector.demo.recency import moved
from collector.demo.run import of_now, recordings


def test_the_last_end_is_now_and_everything_keeps_its_distance():
    span = a_proto_span(start_time_unix_nano=1_000, end_time_unix_nano=5_000)
    span.events.add(time_unix_nano=2_000)
    traces = a_trace_request(span)
    logs = a_logs_request(a_log_record(observed_time_unix_nano=3_000))
    bodies = [("traces", traces.SerializeToString()), ("logs", logs.SerializeToString())]
    spans, records = moved(bodies, 1_000_000)
    (changed,) = type(traces).FromString(spans).resource_spans[0].scope_spans[0].spans
    assert (changed.start_time_unix_nano, changed.end_time_unix_nano) == (996_000, 1_000_000)
    assert changed.events[0].time_unix_nano == 997_000
    (record,) = type(logs).FromString(records).resource_logs[0].scope_logs[0].log_records
    assert (record.observed_time_unix_nano, record.time_unix_nano) == (998_000, 0)


def test_the_recordings_keep_their_names_and_traces():
    before, after = recordings(), of_now(recordings(), 2_000_000_000_000_000_000)
    assert [(r.name, r.trace_ids) for r in after] == [(r.name, r.trace_ids) for r in before]
