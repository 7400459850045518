"""One consumer at work: what is committed when, what waits, what is set aside. The client and the intake are fakes."""

import json

import pytest
from fakes import FakeSpans
from kafka.errors import KafkaTimeoutError
from kafka.structs import TopicPartition
from kafka_fakes import AT, FakeConsumer, FakeIntake, FakeRecord, on_loop
from otlp import a_log_record, a_logs_request, a_trace_request
from pipeline_fakes import Clock, span_bytes
from servers import total

from collector.intake import Refusal, Refused
from collector.receivers.kafka.consuming import Consuming
from collector.receivers.kafka.dead_letters import DeadLetters
from collector.receivers.kafka.options import Content, KafkaOptions
from collector.receivers.limits import ReceiverLimits
from exporters.metrics.prometheus import Metrics

S = 1_000_000_000
NOW_MS = 1_700_000_000_000
LOGS, SAID = TopicPartition("logs", 0), TopicPartition("said", 0)


class Bench:
    """A consumer that is turned by hand."""

    def __init__(self, folder) -> None:
        self.clock, self.intake, self.metrics, self.spans = Clock(), FakeIntake(), Metrics(1_000), FakeSpans()
        topics = {"traces": Content.TRACES, "logs": Content.LOGS, "said": Content.FEEDBACK}
        options = KafkaOptions(("kafka:9092",), "group", topics, folder)
        self.letters = folder / "dead-letters.jsonl"
        self.consuming = Consuming(
            FakeConsumer,
            options,
            ReceiverLimits(request_bytes=1_000),
            self.intake,
            on_loop,
            DeadLetters(options, self.metrics),
            self.metrics,
            lambda: self.clock.now_ns / S,
            self.spans,
        )
        self.kafka: FakeConsumer = self.consuming._consumer

    def turn(self, *records: FakeRecord, seconds: float = 2.0) -> None:
        """Poll these records, hand them on, and let the time come at which marks are committed."""
        found: dict[TopicPartition, list[FakeRecord]] = {}
        for record in records:
            found.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
        self.kafka.script.append(found)
        self.consuming.turn()
        self.clock.step(seconds)
        self.consuming.turn()

    def metric(self, name: str, **labels: str) -> float:
        return total(self.metrics.render()[0].decode(), name, labels)

    def dead(self) -> list[tuple[int, str]]:
        """Offset and error of the dead letters."""
        lines = self.letters.read_text().splitlines() if self.letters.exists() else []
        return [(letter["offset"], letter["error"]) for letter in map(json.loads, lines)]


@pytest.fixture
def bench(tmp_path) -> Bench:
    made = Bench(tmp_path)
    made.kafka.assign(AT)
    return made


def a_record(offset: int) -> FakeRecord:
    return FakeRecord(offset, span_bytes(offset + 1, 1))


def some(*offsets: int) -> list[FakeRecord]:
    return [a_record(offset) for offset in offsets]


def test_what_is_committed_is_the_smallest_offset_that_is_still_needed(bench):
    bench.turn(*some(0, 1, 2))
    assert bench.kafka.commits == [{AT: 0}]
    bench.intake.store(1)
    bench.turn()
    assert bench.kafka.commits == [{AT: 0}]
    bench.intake.store(0)
    bench.turn()
    assert bench.kafka.commits[1:] == [{AT: 2}]
    bench.intake.store(2)
    bench.turn()
    assert bench.kafka.commits[2:] == [{AT: 3}]
    bench.turn()
    assert len(bench.kafka.commits) == 3


def test_records_that_are_taken_in_together_are_one_span(bench):
    bench.turn(*some(0, 1, 2))
    bench.turn()
    assert [(span.name, span.attributes["messaging.batch.message_count"]) for span in bench.spans.told] == [
        ("process traces", 3)
    ]


def test_records_of_nothing_but_own_telemetry_are_no_span_and_are_passed(bench):
    request = a_trace_request()
    request.resource_spans[0].scope_spans[0].scope.name = "sidecheck.telemetry"
    bench.turn(FakeRecord(0, request.SerializeToString()))
    assert [span.is_left_out for span in bench.spans.told] == [True]
    assert [batch.rejected for batch in bench.intake.batches] == [{Refusal.OWN_TELEMETRY: 1}]


def test_a_partition_that_is_revoked_is_handed_over_and_its_mark_committed(bench):
    bench.turn(*some(0, 1))
    bench.intake.store(0)
    bench.kafka.revoke(AT)
    ((sources, within_s),) = bench.intake.handed_over
    assert [repr(source) for source in sources] == ["traces[0]"]
    assert within_s > 0
    assert bench.kafka.commits[-1] == {AT: 1}
    bench.turn()
    assert bench.kafka.commits[-1] == {AT: 1}


def test_a_partition_that_is_lost_is_handed_over_without_a_commit(bench):
    bench.turn(*some(0, 1))
    bench.intake.store(0)
    bench.kafka.listener.on_partitions_lost({AT})
    assert len(bench.intake.handed_over) == 1
    assert bench.kafka.commits == [{AT: 0}]


def test_a_partition_that_comes_back_is_another_source_and_what_was_left_of_the_first_does_not_count(bench):
    bench.turn(*some(0, 1))
    bench.kafka.revoke(AT)
    bench.kafka.group[AT] = 0
    bench.kafka.assign(AT)
    bench.turn(*some(0, 1))
    first, second = bench.intake.batches[0].position.source, bench.intake.batches[2].position.source
    first.ended([0])
    assert (first.mark, second.mark) == (1, 0)


def test_while_there_is_no_room_nothing_is_taken_or_polled_and_then_all_of_it(bench):
    bench.intake.has_room = False
    bench.turn(*some(0, 1))
    assert bench.intake.taken == []
    assert bench.kafka.paused() == {AT}
    assert bench.metric("sidecheck_kafka_paused") == 1
    bench.intake.has_room = True
    bench.turn()
    assert bench.intake.taken == [0, 1]
    assert bench.kafka.paused() == set()
    assert bench.metric("sidecheck_kafka_paused") == 0


def test_a_partition_that_is_assigned_while_there_is_no_room_is_paused_too(bench):
    bench.intake.has_room = False
    bench.turn(*some(0))
    other = TopicPartition("traces", 1)
    bench.kafka.assign(other)
    bench.turn()
    assert bench.kafka.paused() == {AT, other}


def test_a_record_for_whose_decoding_there_is_no_memory_waits(bench):
    bench.intake.no_memory = True
    bench.turn(*some(0))
    assert bench.intake.taken == []
    assert bench.kafka.paused() == {AT}
    bench.intake.no_memory = False
    bench.turn()
    assert bench.intake.taken == [0]


def test_records_in_hand_go_with_their_partition(bench):
    bench.intake.has_room = False
    bench.turn(*some(0, 1))
    bench.kafka.revoke(AT)
    bench.turn()
    bench.intake.has_room = True
    bench.turn()
    assert bench.intake.taken == []
    assert bench.kafka.commits == []


def test_what_cannot_be_judged_is_set_aside_once_and_its_neighbours_are_taken(bench):
    poison = [FakeRecord(1, b"\x0a\xff"), FakeRecord(2, None), FakeRecord(3, b"\x0a" * 2_000)]
    bench.turn(a_record(0), *poison, a_record(4))
    assert bench.intake.taken == [0, 4]
    assert bench.dead() == [(1, "malformed"), (2, "null"), (3, "too_large")]
    bench.intake.store(0, 4)
    bench.turn()
    assert bench.kafka.commits[-1] == {AT: 5}
    assert bench.metric("sidecheck_kafka_dead_letters_total") == 3


def test_a_dead_letter_is_not_written_again_when_its_record_has_to_wait(bench):
    bench.intake.errors.extend([Refused(Refusal.OVERLOADED, "later")] * 2)
    bench.turn(a_record(0), FakeRecord(1, b"\x0a\xff"))
    bench.turn()
    assert bench.intake.taken == [0]
    assert bench.dead() == [(1, "malformed")]


def test_a_record_that_breaks_the_intake_is_set_aside_and_the_next_one_taken(bench):
    bench.intake.errors.append(ZeroDivisionError())
    bench.turn(*some(0, 1))
    assert bench.intake.taken == [1]
    assert bench.dead() == [(0, "internal_error")]


def test_feedback_that_cannot_be_kept_now_is_given_again_and_only_then_passed(bench):
    bench.kafka.assign(SAID)
    bench.intake.errors.append(Refused(Refusal.STORAGE, "the store is away"))
    body = b'{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "thumbs_up": true}'
    bench.kafka.script.append({SAID: [FakeRecord(7, body, topic="said")]})
    bench.consuming.turn()
    bench.consuming.turn()
    assert bench.intake.feedback == []
    bench.turn()
    ((target, said),) = bench.intake.feedback
    assert target.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert said.time_ns == 1_700_000_000 * S
    assert bench.kafka.commits[-1] == {SAID: 8}


def test_records_that_were_deleted_before_they_were_read_are_counted(bench):
    bench.kafka.revoke(AT)
    bench.kafka.group[AT], bench.kafka.begins[AT] = 10, 25
    bench.kafka.assign(AT)
    bench.turn(*some(25, 26))
    assert bench.metric("sidecheck_kafka_lost_records_total") == 15
    assert bench.intake.taken == [25, 26]


def test_a_gap_of_a_transaction_is_nothing_lost(bench):
    bench.turn(*some(0, 1))
    bench.turn(*some(3))
    assert bench.metric("sidecheck_kafka_lost_records_total") == 0


def test_offsets_that_go_back_begin_a_new_count(bench):
    bench.turn(*some(50))
    bench.turn(*some(0))
    bench.intake.store(0)
    bench.turn()
    assert bench.kafka.commits[-1] == {AT: 1}


def test_the_lag_is_what_is_not_stored_and_goes_with_the_partition(bench):
    bench.kafka.ends[AT] = 5
    bench.turn(*some(0, 1))
    assert bench.metric("sidecheck_kafka_lag", topic="traces", partition="0") == 5
    bench.intake.store(0, 1)
    bench.turn()
    assert bench.metric("sidecheck_kafka_lag") == 3
    bench.kafka.revoke(AT)
    assert "sidecheck_kafka_lag{" not in bench.metrics.render()[0].decode()


def test_a_broker_that_does_not_answer_is_a_problem_until_it_does(bench):
    bench.kafka.error = KafkaTimeoutError()
    bench.turn()
    assert isinstance(bench.consuming.trouble, KafkaTimeoutError)
    bench.kafka.error = None
    bench.turn()
    assert bench.consuming.trouble is None


def test_after_a_round_that_failed_only_an_answer_of_the_broker_tells_that_all_is_well(bench):
    bench.turn()
    bench.kafka.script.append(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        bench.consuming.turn()
    bench.kafka.error = KafkaTimeoutError()  # a poll without an error, long before the next look is due
    bench.consuming.turn()
    assert isinstance(bench.consuming.trouble, KafkaTimeoutError)
    bench.kafka.error = None


def test_records_that_were_polled_are_not_lost_by_an_error_that_comes_after(bench):
    class Once(dict):
        def get(self, _at):
            bench.kafka.group = {}
            raise KafkaTimeoutError

    bench.kafka.revoke(AT)
    bench.kafka.assign(AT)
    bench.kafka.group = Once()
    with pytest.raises(KafkaTimeoutError):
        bench.turn(*some(0, 1))
    bench.turn()
    assert bench.intake.taken == [0, 1]


def test_an_offset_beyond_the_end_is_told_and_nothing_of_it_counted_as_lost(bench):
    bench.kafka.revoke(AT)
    bench.kafka.group[AT] = 99
    bench.kafka.assign(AT)
    bench.turn(*some(0))
    assert bench.intake.taken == [0]
    assert bench.metric("sidecheck_kafka_lost_records_total") == 0


def test_an_error_of_the_client_is_the_supervisors(bench):
    bench.kafka.script.append(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        bench.consuming.turn()


def test_closing_hands_over_what_is_left_even_where_the_client_cannot(bench):
    bench.turn(*some(0))
    bench.kafka.assigned.clear()  # the client thinks that it has nothing
    bench.consuming.close(1)
    assert bench.kafka.closed
    assert len(bench.intake.handed_over) == 1


def a_log(offset: int, at_s: int, partition: int = 0) -> FakeRecord:
    value = a_logs_request(a_log_record(trace_id=(offset + 1).to_bytes(16, "big"))).SerializeToString()
    return FakeRecord(offset, value, topic="logs", partition=partition, timestamp=NOW_MS + 1_000 * at_s)


def a_span_record(offset: int, at_s: int) -> FakeRecord:
    return FakeRecord(offset, span_bytes(offset + 1, 1), timestamp=NOW_MS + 1_000 * at_s)


def logs_taken(bench) -> list[int]:
    bench.turn()  # what is known about the partitions by now is heeded by the next poll, and given on after it
    bench.turn()
    return [b.position.number for b in bench.intake.batches if b.position.source.content is Content.LOGS]


def test_logs_wait_for_spans_of_their_time_that_are_still_to_be_read_and_are_read_no_further(bench):
    bench.kafka.assign(LOGS)
    bench.kafka.ends = {AT: 3, LOGS: 2}
    bench.turn(a_span_record(0, 0), a_log(0, 1), a_log(1, 60))
    assert logs_taken(bench) == [0]
    assert bench.kafka.paused() == {LOGS}
    bench.turn(a_span_record(1, 59))
    assert logs_taken(bench) == [0, 1]
    bench.turn()
    assert bench.kafka.paused() == set()


def test_logs_do_not_wait_where_all_spans_were_read(bench):
    bench.kafka.assign(LOGS)
    bench.kafka.ends = {AT: 1, LOGS: 2}
    bench.turn(a_span_record(0, 0), a_log(0, 60), a_log(1, 120))
    assert logs_taken(bench) == [0, 1]


def test_logs_do_not_wait_for_spans_of_another_number_or_where_no_spans_are_read_here(bench):
    bench.kafka.revoke(AT)
    bench.kafka.assign(LOGS, TopicPartition("traces", 1))
    bench.kafka.ends = {TopicPartition("traces", 1): 9}
    bench.turn(a_log(0, 60))
    assert logs_taken(bench) == [0]


def test_logs_wait_until_it_is_known_how_far_the_spans_go(bench):
    bench.kafka.assign(LOGS)
    bench.kafka.error = KafkaTimeoutError()
    bench.turn(a_log(0, 60))
    assert logs_taken(bench) == []
    bench.kafka.error = None
    bench.turn()
    assert logs_taken(bench) == [0]


def test_logs_that_wait_are_let_go_of_with_their_partition_and_never_committed(bench):
    bench.kafka.assign(LOGS)
    bench.kafka.ends = {AT: 5, LOGS: 1}
    bench.turn(a_span_record(0, 0), a_log(0, 60))
    bench.kafka.revoke(LOGS)
    bench.turn(a_span_record(1, 59))
    assert logs_taken(bench) == []
    assert all(LOGS not in marks for marks in bench.kafka.commits)
