"""The options, one class a section: names, types, defaults and what each is for. The one list of them all.

Everything is frozen and valid by construction. Where the values come from is the business of ``collector.settings``.
"""

from itertools import combinations
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from checks.catalogue import DEFAULT_CHECKS
from collector.settings_backends import ForwardSection, NotifySection, ResultsSection, TelemetrySection
from collector.settings_section import Section
from collector.settings_units import (
    Address,
    Count,
    CountOrAuto,
    Duration,
    Listen,
    PositiveDuration,
    Share,
    Size,
    format_duration,
)
from collector.settings_values import (
    Checks,
    ClientOptions,
    Compression,
    Directory,
    Group,
    Headers,
    JournalSync,
    KafkaEncoding,
    Mode,
    OptionalFile,
    Placeholders,
    Prices,
    PublicUrl,
    Servers,
    StoreUrl,
    Topic,
    TraceUrl,
    conflict,
)

_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND
_MIB = 2**20


class Tls(Section):
    """The files of a TLS server."""

    cert: OptionalFile = Field(None, description="the server's certificate and its chain (PEM); `null`: no TLS")
    key: OptionalFile = Field(None, description="the certificate's private key (PEM)")
    client_ca: OptionalFile = Field(None, description="roots of the certificates that clients must show (PEM)")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for missing, given in (("key", "cert"), ("cert", "key"), ("cert", "client_ca")):
            if getattr(self, missing) is None and getattr(self, given) is not None:
                raise conflict(missing, f"is missing, but {given} is given; TLS needs both cert and key")
        return self


class Listener(Section):
    """An address that is listened on, and who may come in there."""

    listen: Listen
    tls: Tls = Tls()
    token_file: OptionalFile = Field(None, description="bearer tokens that are let in, one a line; `null`: no token")

    @property
    def is_guarded(self) -> bool:
        """Whether whoever comes in must show something: a token or a certificate."""
        return self.token_file is not None or self.tls.client_ca is not None


class GrpcReceiver(Listener):
    """OTLP over gRPC."""

    listen: Listen = Field(Address("127.0.0.1", 4317), description="where OTLP over gRPC is taken in")


class HttpReceiver(Listener):
    """OTLP over HTTP."""

    listen: Listen = Field(
        Address("127.0.0.1", 4318),
        description="where OTLP over HTTP (protobuf and JSON) and `POST /v1/feedback` are taken in",
    )


class Otlp(Section):
    """The OTLP receivers."""

    grpc: GrpcReceiver = GrpcReceiver()
    http: HttpReceiver = HttpReceiver()


class Api(Listener):
    """The JSON API."""

    listen: Listen = Field(Address("127.0.0.1", 8321), description="where the pages and the JSON API are served")
    trace_url: TraceUrl = Field(
        None, description="link to a trace in your tracing backend, with `{trace_id}` where the id goes"
    )
    public_url: PublicUrl = Field(
        None, description="where people reach the pages, such as `https://sidecheck.example`: messages link there"
    )


class MetricsSection(Listener):
    """The metrics port."""

    listen: Listen = Field(
        Address("127.0.0.1", 9464),
        description="where `/metrics`, `/healthz` and `/readyz` are served; the last two are open to all, for probes",
    )
    max_series: Count = Field(
        20_000,
        description="most series with values that apps choose (service, model, ...); beyond it they become `other`",
    )


class Assembly(Section):
    """When a trace is taken to be complete."""

    settle: Duration = Field(2 * _SECOND, description="how long to wait for stragglers once the root span is there")
    idle: PositiveDuration = Field(30 * _SECOND, description="a trace that got nothing for this long is closed")
    max_age: PositiveDuration = Field(600 * _SECOND, description="a trace open for this long is closed, busy or not")
    max_spans: Count = Field(10_000, description="a trace with this many spans is closed")
    max_bytes: Size = Field(16 * _MIB, description="a trace with this much telemetry is closed")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for shorter, longer in (("settle", "idle"), ("idle", "max_age")):
            least, given = getattr(self, shorter), getattr(self, longer)
            if given < least:
                text = (
                    f"{format_duration(given)} must be at least assembly.{shorter}, which is {format_duration(least)}"
                )
                raise conflict(longer, text)
        return self


class Limits(Section):
    """What is taken in at most."""

    memory: Size = Field(
        512 * _MIB,
        description="telemetry held in memory; beyond it senders are asked to wait. At most half of the cgroup's limit",
    )
    request: Size = Field(20 * _MIB, description="largest request, unpacked")
    compression_ratio: Count = Field(
        200, description="how many times larger than it was sent a request may get when it is unpacked, beyond 1 MiB"
    )
    spans_per_request: Count = Field(100_000, description="most spans in one request")
    attribute_value: Size = Field(_MIB, description="longest attribute value; a longer one is cut")
    connections: Count = Field(1000, description="most connections to each port, and most gRPC calls at one time")
    header_timeout: PositiveDuration = Field(
        10 * _SECOND, description="how long a TLS handshake, and how long the head of an HTTP request may take"
    )
    body_timeout: PositiveDuration = Field(30 * _SECOND, description="how long the body of a request may take")
    idle_timeout: PositiveDuration = Field(
        120 * _SECOND, description="a connection without a request is closed after this long"
    )


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


class JournalSection(Section):
    """What an acknowledgement of pushed telemetry means."""

    sync: JournalSync = Field(
        "normal",
        description="`normal`: acknowledged telemetry survives the death of the process, `full`: a power cut too, "
        "`off`: there is no journal",
    )


class Retention(Section):
    """How long evaluated traces are kept."""

    age: PositiveDuration = Field(
        24 * _HOUR, description="how long an evaluated trace is kept, so that late feedback finds it"
    )
    size: Size = Field(2048 * _MIB, description="most bytes of traces that are kept, beside cases; the oldest go first")
    flagged: PositiveDuration = Field(
        720 * _HOUR, description="how long a failing trace that nobody reviewed is kept, and a case that nobody touched"
    )


class Store(Section):
    """Where evaluated traces and cases are kept."""

    url: StoreUrl = Field(None, description="database URL; `null` is an SQLite file in `data_dir`")
    retention: Retention = Retention()


class Promotion(Section):
    """How traces become cases."""

    mode: Mode = Field(
        "review", description="`review`: a person decides, `auto`: every failing trace is taken, `off`: none"
    )
    redact: bool = Field(
        default=True,
        description="replace personal data and secrets in cases, and let no case into the dataset that holds any",
    )
    placeholders: Placeholders = Field(
        "tags",
        description="what stands for them: `tags` such as `<EMAIL_ADDRESS_1>`, or `fakes` out of reserved ranges",
    )
    per_cluster: Count = Field(5, description="most cases of one and the same failure")
    per_day: Count = Field(200, description="most new cases a day; typical ones are at most half of them")
    typical_rate: Share = Field(0.0, description="share of the traces without a fault that make a typical case, 0 to 1")


class Settings(Section):
    """The whole configuration. ``Settings()`` is the default one; durations are nanoseconds, sizes bytes."""

    otlp: Otlp = Otlp()
    kafka: Kafka = Kafka()
    relay: RelaySection = RelaySection()
    api: Api = Api()
    metrics: MetricsSection = MetricsSection()
    allow_insecure: bool = Field(
        default=False, description="let other machines in without a token or a client certificate"
    )
    data_dir: Directory = Field(Path("sidecheck-data"), description="directory for everything that is kept on disk")
    assembly: Assembly = Assembly()
    limits: Limits = Limits()
    journal: JournalSection = JournalSection()
    store: Store = Store()
    workers: CountOrAuto = Field("auto", description="processes that run the checks; `auto` is one a core")
    checks: Checks = Field(
        {name: {} for name in DEFAULT_CHECKS},
        description="the checks that run, each with its options; what is not listed does not run",
    )
    prices: Prices = Field({}, description="prices beside those of the list, by model: dollars for a million tokens")
    promotion: Promotion = Promotion()
    forward: tuple[ForwardSection, ...] = Field(
        (), description="OTLP servers that get all that comes in over OTLP, as it came; see Forwarding"
    )

    results: ResultsSection = ResultsSection()
    telemetry: TelemetrySection = TelemetrySection()
    notify: tuple[NotifySection, ...] = Field(
        (), description="webhooks that are told of new kinds of failure and of pass rates that fall; see Notify"
    )

    @property
    def ports(self) -> dict[str, Listener]:
        """Everything that listens, by its section."""
        return {"otlp.grpc": self.otlp.grpc, "otlp.http": self.otlp.http, "api": self.api, "metrics": self.metrics}

    @property
    def listeners(self) -> dict[str, Address]:
        """Every address that is listened on, by its key."""
        return {f"{section}.listen": port.listen for section, port in self.ports.items()}

    def worker_count(self, cores: int) -> int:
        """How many worker processes to run on a machine with ``cores`` cores."""
        return self.workers if isinstance(self.workers, int) else max(1, cores)

    @model_validator(mode="after")
    def _names_apart(self) -> Self:
        for key, sections in (("forward", self.forward), ("notify", self.notify)):
            names = [section.label for section in sections]
            for index, name in enumerate(names):
                if name in names[:index]:
                    raise conflict(f"{key}.{index}.name", f"{name!r} is the name of another one; give each its own")
        return self

    @model_validator(mode="after")
    def _watches_what_runs(self) -> Self:
        for index, hook in enumerate(self.notify):
            for place, threshold in enumerate(hook.thresholds):
                if threshold.check not in self.checks:
                    key = f"notify.{index}.thresholds.{place}.check"
                    raise conflict(key, f"{threshold.check!r} is no check that runs; checks names those that do")
        return self

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        for (key, address), (other_key, other) in combinations(self.listeners.items(), 2):
            if other.clashes_with(address):
                raise conflict(other_key, f"{other} is taken by {key}, which is {address}; give each a port of its own")
        return self
