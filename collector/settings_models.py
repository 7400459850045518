"""The options, one class a section: names, types, defaults and what each is for. ``Settings`` is the one list of them.

Everything is frozen and valid by construction. Where the values come from is the business of ``collector.settings``.
"""

from itertools import combinations
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from checks.catalogue import DEFAULT_CHECKS
from collector.settings_backends import Backend, ForwardSection, NotifySection, ResultsSection, TelemetrySection
from collector.settings_kafka import Kafka, RelaySection
from collector.settings_listeners import Api, Listener, MetricsSection, Otlp
from collector.settings_money import Budgets, Prices
from collector.settings_section import Section
from collector.settings_units import (
    Address,
    Count,
    CountOrAuto,
    Duration,
    PositiveDuration,
    Share,
    Size,
    format_duration,
)
from collector.settings_values import (
    Checks,
    Directory,
    JournalSync,
    Mode,
    OptionalFile,
    Placeholders,
    StoreUrl,
    conflict,
    has_password,
)

_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND
_MIB = 2**20


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
    password_file: OptionalFile = Field(
        None, description="file with the password of PostgreSQL's user, read for each connection"
    )
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if self.password_file is None:
            return self
        if self.url is None or not self.url.startswith("postgres"):
            raise conflict("password_file", "is for PostgreSQL, and store.url names none; leave one of them out")
        if has_password(self.url):
            raise conflict("url", "has a password, and so has store.password_file; take it out of the address")
        return self


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
    budgets: Budgets = Field({}, description="what services may cost: dollars a UTC day, see Cost")
    promotion: Promotion = Promotion()
    forward: tuple[ForwardSection, ...] = Field(
        (), description="OTLP servers that get all that comes in over OTLP, as it came; see Forwarding"
    )

    results: ResultsSection = ResultsSection()
    telemetry: TelemetrySection = TelemetrySection()
    notify: tuple[NotifySection, ...] = Field(
        (), description="webhooks that are told of new kinds of failure, pass rates that fall, and budgets; see Notify"
    )

    @property
    def ports(self) -> dict[str, Listener]:
        """Everything that listens, by its section."""
        return {"otlp.grpc": self.otlp.grpc, "otlp.http": self.otlp.http, "api": self.api, "metrics": self.metrics}

    @property
    def backends(self) -> dict[str, Backend]:
        """Every OTLP server that something is sent to, by its section."""
        found: dict[str, Backend | None] = {f"forward.{index}": section for index, section in enumerate(self.forward)}
        found |= {"results.otlp": self.results.otlp, "telemetry.otlp": self.telemetry.otlp}
        return {key: backend for key, backend in found.items() if backend is not None}

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
    def _tells_of_budgets_that_are(self) -> Self:
        for index, hook in enumerate(self.notify):
            if "budget" in hook.events and not self.budgets:
                raise conflict(f"notify.{index}.events", "has `budget`, and there is none; give services budgets")
        return self

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        for (key, address), (other_key, other) in combinations(self.listeners.items(), 2):
            if other.clashes_with(address):
                raise conflict(other_key, f"{other} is taken by {key}, which is {address}; give each a port of its own")
        return self
