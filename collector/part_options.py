"""What the parts are told: the settings in each part's own terms."""

from typing import TYPE_CHECKING

import structlog

from collector import cgroup
from collector.pipeline.buffer import AssemblyLimits
from collector.pipeline.job import JudgeOptions
from collector.pipeline.options import FrontOptions
from collector.receivers.limits import ConnectionLimits, ReceiverLimits
from collector.settings import Settings
from exporters.dataset.case import CaseStatus
from exporters.store import CaseLimits

if TYPE_CHECKING:
    from collector.receivers.kafka.options import KafkaOptions

log = structlog.get_logger()


def front_options(settings: Settings) -> FrontOptions:
    """The pipeline's options, out of the settings."""
    assembly = settings.assembly
    return FrontOptions(
        assembly=AssemblyLimits(
            assembly.settle, assembly.idle, assembly.max_age, assembly.max_spans, assembly.max_bytes
        ),
        memory_bytes=memory_budget(settings),
        case_status=CaseStatus.PROMOTED if settings.promotion.mode == "auto" else CaseStatus.CANDIDATE,
        case_limits=CaseLimits(settings.promotion.per_cluster, settings.promotion.per_day),
        quarantine=settings.data_dir / "quarantine",
    )


def judge_options(settings: Settings) -> JudgeOptions:
    """The workers' options, out of the settings."""
    promotion = settings.promotion
    return JudgeOptions(
        settings.checks,
        drafts_cases=promotion.mode != "off",
        redacts=promotion.redact,
        fakes=promotion.placeholders == "fakes",
        typical_rate=promotion.typical_rate,
        prices=settings.prices,
        tells_results=settings.results.otlp is not None,
    )


def receiver_limits(settings: Settings) -> ReceiverLimits:
    """The receivers' limits, out of the settings."""
    limits = settings.limits
    return ReceiverLimits(limits.request, limits.spans_per_request, limits.attribute_value, limits.compression_ratio)


def kafka_options(settings: Settings) -> "KafkaOptions":
    """The Kafka receiver's options, out of the settings. Loads the client library."""
    from collector.receivers.kafka.options import Content, Encoding, KafkaOptions

    kafka = settings.kafka
    return KafkaOptions(
        kafka.bootstrap_servers,
        kafka.group_id,
        {topic: Content(kind) for kind, topic in kafka.topics.named.items()},
        settings.data_dir,
        Encoding(kafka.encoding),
        kafka.headers,
        kafka.dead_letter_topic,
        kafka.password_file,
        kafka.token_file,
        kafka.consumer,
    )


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The listeners' limits, out of the settings."""
    limits = settings.limits
    return ConnectionLimits(
        limits.connections,
        header_s=limits.header_timeout / 1e9,
        body_s=limits.body_timeout / 1e9,
        idle_s=limits.idle_timeout / 1e9,
    )


def memory_budget(settings: Settings) -> int:
    """``limits.memory``, or less where the container has not that much."""
    limit = cgroup.memory_limit()
    budget = cgroup.affordable(settings.limits.memory, limit)
    if budget < settings.limits.memory:
        log.warning("limits.memory is lowered to fit into this container", memory=budget, container=limit)
    return budget


def worker_memory(settings: Settings, workers: int, usual: int) -> int:
    """The memory that each worker may take beyond what it begins with; less than usual in a small container."""
    limit = cgroup.memory_limit()
    budget = cgroup.affordable(settings.limits.memory, limit)
    memory = cgroup.for_a_worker(usual, limit, budget, workers)
    if memory < usual:
        log.info("workers may take less memory than usual, to fit into this container", memory=memory, container=limit)
    return memory
