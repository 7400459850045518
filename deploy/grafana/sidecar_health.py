"""The board *Sidecar health*: whether the sidecar keeps up and loses nothing."""

from expressions import OR_ZERO, quantile, rate, steps
from frame import board, values
from panels import BYTES, GREEN, NONE_IS_GOOD, RATE, RED, SECONDS, Query, Steps, graph, listing, number

_HERE = 'instance=~"$instance"'
ACCEPTED = f"sum(sidecheck_traces_accepted_total{{{_HERE}}})"
EVALUATED = f"sum(sidecheck_traces_evaluated_total{{{_HERE}}})"
OPEN = f"sum(sidecheck_traces_open{{{_HERE}}})"
DROPPED = f'sum(sidecheck_dropped_total{{{_HERE},what="trace"}}){OR_ZERO}'
DELAY = f"sidecheck_evaluation_delay_seconds_bucket{{{_HERE}}}"

ACCOUNT = (
    number("Accepted", "Traces begun since each sidecar started.", ACCEPTED),
    number("Evaluated", "Traces judged since each sidecar started.", EVALUATED),
    number("Open", "Traces begun that are not judged yet.", OPEN),
    number("Dropped", "Traces lost since each sidecar started.", DROPPED, steps=NONE_IS_GOOD),
    number(
        "Unaccounted for",
        "Accepted less evaluated, open and dropped: always 0.",
        f"{ACCEPTED} - {EVALUATED} - {OPEN} - ({DROPPED})",
        steps=Steps(RED, ((0, GREEN), (1e-9, RED))),
    ),
    number("Up", "Sidecars that answer.", f'sum(up{{job="sidecheck",{_HERE}}})', steps=Steps(RED, ((1, GREEN),))),
)
WAY_IN = (
    graph(
        "Spans taken in",
        "A second, by where they came in.",
        Query(rate(f"sidecheck_spans_accepted_total{{{_HERE}}}", "source"), "{{source}}"),
        unit=RATE,
        stacked=True,
    ),
    graph(
        "Refused",
        "Requests and records a second, by reason. overloaded and storage lose nothing: senders come again.",
        Query(
            rate(f"sidecheck_requests_refused_total{{{_HERE}}}", "source", "reason") + OR_ZERO,
            "requests {{source}} {{reason}}",
        ),
        Query(
            rate(f"sidecheck_spans_refused_total{{{_HERE}}}", "source", "reason") + OR_ZERO,
            "records {{source}} {{reason}}",
        ),
        unit=RATE,
    ),
    graph(
        "Lost",
        "What was taken in and dropped, by what and why. Zero on a good day.",
        Query(steps(f"sidecheck_dropped_total{{{_HERE}}}", "what", "reason") + OR_ZERO, "{{what}} {{reason}}"),
        steps=NONE_IS_GOOD,
    ),
    graph(
        "Beside spans",
        "Log records, feedback, and spans that came after their trace was judged, a second.",
        Query(rate(f"sidecheck_logs_accepted_total{{{_HERE}}}") + OR_ZERO, "log records"),
        Query(rate(f"sidecheck_feedback_accepted_total{{{_HERE}}}") + OR_ZERO, "feedback"),
        Query(rate(f"sidecheck_late_spans_total{{{_HERE}}}"), "late spans"),
        unit=RATE,
    ),
    graph(
        "Why traces were closed",
        "root_seen is whole. idle and max_age: the root span did not come, or not in time.",
        Query(rate(f"sidecheck_traces_evaluated_total{{{_HERE}}}", "closed_by"), "{{closed_by}}"),
        unit=RATE,
        stacked=True,
    ),
    graph(
        "Traces that no convention could read",
        "By the library that wrote them. Checks of the answer do not apply to these.",
        Query(rate(f"sidecheck_unread_traces_total{{{_HERE}}}", "scope") + OR_ZERO, "{{scope}}"),
        unit=RATE,
    ),
)
WORK = (
    graph(
        "From a trace's end to its verdict",
        "Half, nine tenths and 99 of a hundred were faster. assembly.settle is part of it.",
        Query(quantile(0.5, DELAY), "p50"),
        Query(quantile(0.9, DELAY), "p90"),
        Query(quantile(0.99, DELAY), "p99", exemplar=True),
        unit=SECONDS,
        steps=Steps(GREEN, ((60, RED),)),
    ),
    graph(
        "Waiting",
        "Open traces, batches that wait for a worker (inspection), records that wait for the store.",
        Query(f"sum by (instance) (sidecheck_traces_open{{{_HERE}}})", "open {{instance}}"),
        Query(f"sum by (instance, queue) (sidecheck_queue_length{{{_HERE}}})", "{{queue}} {{instance}}"),
    ),
    graph(
        "Workers that died",
        "And were replaced.",
        Query(steps(f"sidecheck_worker_restarts_total{{{_HERE}}}", "instance"), "{{instance}}"),
        steps=NONE_IS_GOOD,
    ),
    graph(
        "On disk",
        "The journal holds what is not stored yet, and should stay small.",
        Query(f"sum by (instance) (sidecheck_journal_bytes{{{_HERE}}})", "journal {{instance}}"),
        Query(f"sum by (instance) (sidecheck_store_bytes{{{_HERE}}})", "store {{instance}}"),
        unit=BYTES,
    ),
    graph(
        "Memory of the front process",
        "What is held of open traces is within it, bounded by limits.memory.",
        Query(f'process_resident_memory_bytes{{job="sidecheck",{_HERE}}}', "{{instance}}"),
        unit=BYTES,
    ),
    graph(
        "Cores of the front process",
        "One is all that it can use; the checks run in workers beside it.",
        Query(rate(f'process_cpu_seconds_total{{job="sidecheck",{_HERE}}}', "instance"), "{{instance}}"),
    ),
    graph(
        "Counted under other",
        "Updates of series beyond metrics.max_series, by metric.",
        Query(steps(f"sidecheck_series_folded_total{{{_HERE}}}", "metric") + OR_ZERO, "{{metric}}"),
        steps=NONE_IS_GOOD,
    ),
    listing("Versions", "What runs where.", f"count by (instance, version) (sidecheck_build_info{{{_HERE}}})"),
)
ONWARD = (
    graph(
        "Forwarded",
        "Requests a second that the destinations of forward took.",
        Query(
            rate(f"sidecheck_forwarded_requests_total{{{_HERE}}}", "destination", "signal") + OR_ZERO,
            "{{destination}} {{signal}}",
        ),
        unit=RATE,
    ),
    graph(
        "Waiting to be forwarded",
        "On disk, by destination. What finds no room is dropped, the oldest first.",
        Query(f"sum by (destination) (sidecheck_forward_queue_bytes{{{_HERE}}}){OR_ZERO}", "{{destination}}"),
        unit=BYTES,
    ),
    graph(
        "Told by webhooks",
        "Messages a second that the webhooks of notify took.",
        Query(rate(f"sidecheck_notifications_sent_total{{{_HERE}}}", "hook") + OR_ZERO, "{{hook}}"),
        unit=RATE,
    ),
)
KAFKA = (
    graph(
        "Lag",
        "Records that are not judged and stored yet, by topic.",
        Query(f"sum by (topic) (sidecheck_kafka_lag{{{_HERE}}})", "{{topic}}"),
    ),
    graph(
        "Behind, in time",
        "How long the group needs for what waits, at its present pace. Beyond the line it is told.",
        Query("topic:sidecheck_kafka_behind:seconds", "{{topic}}"),
        unit=SECONDS,
        steps=Steps(GREEN, ((300, RED),)),
    ),
    graph(
        "Records read, and written by the relay",
        "A second, by topic.",
        Query(rate(f"sidecheck_kafka_records_total{{{_HERE}}}", "topic"), "{{topic}}"),
        Query(rate(f"sidecheck_kafka_produced_total{{{_HERE}}}", "topic"), "relay {{topic}}"),
        unit=RATE,
    ),
    graph(
        "Set aside, deleted unread, paused",
        "Records that cannot be judged, records that Kafka deleted first, sidecars without room for more.",
        Query(steps(f"sidecheck_kafka_dead_letters_total{{{_HERE}}}", "topic", "reason"), "{{topic}} {{reason}}"),
        Query(steps(f"sidecheck_kafka_lost_records_total{{{_HERE}}}", "topic"), "{{topic}} deleted"),
        Query(f"sum(sidecheck_kafka_paused{{{_HERE}}})", "paused"),
        steps=NONE_IS_GOOD,
    ),
)

BOARD = board(
    "sidecar-health",
    "Sidecar health",
    "Whether the sidecar keeps up and loses nothing.",
    (
        ("The account: accepted = evaluated + open + dropped", ACCOUNT),
        ("The way in", WAY_IN),
        ("The work", WORK),
        ("Onward", ONWARD),
        ("Kafka", KAFKA),
    ),
    values("instance", "Sidecar", "label_values(sidecheck_build_info, instance)"),
)
