"""The options of Kafka: what is read there, and what the relay writes. One class a section."""

from itertools import combinations
from typing import Self

from pydantic import Field, model_validator

from collector.settings_section import Section
from collector.settings_units import PositiveDuration
from collector.settings_values import (
    ClientOptions,
    Compression,
    Group,
    Headers,
    KafkaEncoding,
    OptionalFile,
    Servers,
    Topic,
    conflict,
)

_SECOND = 1_000_000_000


class KafkaTopics(Section):
    """The topics that are read."""

    traces: Topic = Field("otlp_spans", description="topic of OTLP traces; `null`: none is read")
    logs: Topic = Field("otlp_logs", description="topic of OTLP logs; `null`: none is read")
    feedback: Topic = Field(
        "sidecheck_feedback", description="topic of feedback, as `POST /v1/feedback` takes it; `null`: none is read"
    )

    @property
    def named(self) -> dict[str, str]:
        """The topics that are read, by what they hold."""
        found = (("traces", self.traces), ("logs", self.logs), ("feedback", self.feedback))
        return {kind: topic for kind, topic in found if topic is not None}

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for (kind, topic), (other_kind, other) in combinations(self.named.items(), 2):
            if topic == other:
                raise conflict(other_kind, f"{other!r} is the topic of {kind} already; give each a topic of its own")
        return self


class Kafka(Section):
    """Telemetry and feedback from Kafka, as a member of a consumer group."""

    bootstrap_servers: Servers = Field((), description="brokers to begin with, as `[host:port]`; none: no Kafka")
    group_id: Group = Field("sidecheck", description="the consumer group; its members share the partitions")
    topics: KafkaTopics = KafkaTopics()
    encoding: KafkaEncoding = Field(
        "auto", description="how OTLP is encoded: `otlp_proto`, `otlp_json`, or `auto`: each record tells"
    )
    headers: Headers = Field({}, description="record headers that become attributes of the resource: `name: attribute`")
    dead_letter_topic: Topic = Field(
        None, description="topic for records that cannot be judged; `null`: `dead-letters.jsonl` in `data_dir`"
    )
    password_file: OptionalFile = Field(None, description="file with the password of SASL PLAIN or SCRAM")
    token_file: OptionalFile = Field(None, description="file with the token of SASL OAUTHBEARER, read for each login")
    consumer: ClientOptions = Field(
        {},
        description="options of the client library: `security_protocol`, `sasl_mechanism`, `ssl_cafile` and the like",
    )

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.bootstrap_servers and not self.topics.named:
            raise conflict("topics", "names no topic; name one, or leave kafka.bootstrap_servers empty")
        if self.dead_letter_topic is not None and self.dead_letter_topic in self.topics.named.values():
            raise conflict("dead_letter_topic", "is a topic that is read: its records would come back for ever")
        return self


class RelaySection(Section):
    """What ``sidecheck relay`` writes."""

    compression: Compression = Field(
        "zstd", description="how messages are compressed: `zstd`, `gzip`, `lz4`, `snappy` or `null`"
    )
    acknowledged_within: PositiveDuration = Field(
        8 * _SECOND,
        description="how long a sender waits for the brokers until it is told to come again; OTLP exporters wait 10 s",
    )
