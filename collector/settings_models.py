"""The options, one class a section: names, types, defaults and what each is for. The one list of them all.

Everything is frozen and valid by construction. Where the values come from is the business of ``collector.settings``.
"""

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from checks.catalogue import DEFAULT_CHECKS
from collector.settings_units import (
    Address,
    Count,
    CountOrAuto,
    Duration,
    Listen,
    PositiveDuration,
    Size,
    broken_rule,
    format_duration,
)

_STORE_URL = re.compile(r"sqlite(\+pysqlite)?:///(?!:memory:).+|postgres(ql(\+psycopg)?)?://.+", re.DOTALL)
_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND
_MIB = 2**20


def _conflict(key: str, text: str) -> PydanticCustomError:
    """Two values that cannot be together. ``key``, below the section at hand, is the one to change first."""
    return PydanticCustomError("conflict", "{text}", {"key": key, "text": text})


def _checks(value: Any) -> dict[str, dict[str, Any]]:
    """A check without options may stand as an empty key."""
    if not isinstance(value, Mapping):
        raise broken_rule("must be a section with one key a check")
    for name, options in value.items():
        if not isinstance(name, str) or not (options is None or isinstance(options, Mapping)):
            raise _conflict(str(name), "must be a check's name with its options below (`latency: {}` for the defaults)")
    return {name: dict(options or {}) for name, options in value.items()}


def _directory(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise broken_rule("must be the path of a directory")
    return Path(value).expanduser()


def _optional_text(value: Any) -> Any:
    """``null`` and the empty text both mean that nothing is set, so that a variable can unset it too."""
    return None if isinstance(value, str) and value.strip().lower() in ("", "null") else value


def _trace_url(value: Any) -> str | None:
    url = _optional_text(value)
    if url is None or (isinstance(url, str) and url.startswith(("http://", "https://")) and "{trace_id}" in url):
        return url
    raise broken_rule("must be an http:// or https:// address that holds {trace_id}, or null")


def _store_url(value: Any) -> str | None:
    url = _optional_text(value)
    if url is None or (isinstance(url, str) and _STORE_URL.fullmatch(url)):
        return url
    raise broken_rule("must be a database URL such as sqlite:///traces.db or postgresql://user@host/name, or null")


def _mode(value: Any) -> Any:
    """YAML reads a bare ``off`` as false."""
    return "off" if value is False else value


_Text = {"type": ["string", "null"]}
Checks = Annotated[
    Mapping[str, Mapping[str, Any]],
    PlainValidator(_checks),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["object", "null"]}}),
]
Directory = Annotated[Path, PlainValidator(_directory), PlainSerializer(str), WithJsonSchema({"type": "string"})]
TraceUrl = Annotated[str | None, PlainValidator(_trace_url), WithJsonSchema({**_Text, "pattern": r"\{trace_id\}"})]
StoreUrl = Annotated[str | None, PlainValidator(_store_url), WithJsonSchema({**_Text, "pattern": "^(sqlite|postgres)"})]
Mode = Annotated[Literal["review", "auto", "off"], BeforeValidator(_mode)]


JournalSync = Annotated[Literal["normal", "full", "off"], BeforeValidator(_mode)]


class Section(BaseModel):
    """A frozen group of options. An unknown key is refused; a section within that is ``null`` has its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_sections(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if value is not None or not cls._is_section(key)}

    @classmethod
    def _is_section(cls, key: Any) -> bool:
        known = cls.model_fields.get(key) if isinstance(key, str) else None
        return known is not None and (isinstance(known.default, Section) or key == "checks")


class GrpcReceiver(Section):
    """OTLP over gRPC."""

    listen: Listen = Field(Address("127.0.0.1", 4317), description="where OTLP over gRPC is taken in")


class HttpReceiver(Section):
    """OTLP over HTTP."""

    listen: Listen = Field(
        Address("127.0.0.1", 4318),
        description="where OTLP over HTTP (protobuf and JSON) and `POST /v1/feedback` are taken in",
    )


class Otlp(Section):
    """The OTLP receivers."""

    grpc: GrpcReceiver = GrpcReceiver()
    http: HttpReceiver = HttpReceiver()


class Api(Section):
    """The JSON API."""

    listen: Listen = Field(Address("127.0.0.1", 8321), description="where the JSON API is served")
    trace_url: TraceUrl = Field(
        None, description="link to a trace in your tracing backend, with `{trace_id}` where the id goes"
    )


class MetricsSection(Section):
    """The metrics port."""

    listen: Listen = Field(
        Address("127.0.0.1", 9464), description="where `/metrics`, `/healthz` and `/readyz` are served"
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
                raise _conflict(longer, text)
        return self


class Limits(Section):
    """What is taken in at most."""

    memory: Size = Field(512 * _MIB, description="telemetry held in memory; beyond it senders are asked to wait")
    request: Size = Field(20 * _MIB, description="largest request, unpacked")
    spans_per_request: Count = Field(100_000, description="most spans in one request")
    attribute_value: Size = Field(_MIB, description="longest attribute value; a longer one is cut")


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
    size: Size = Field(2048 * _MIB, description="most bytes of traces that are kept; the oldest go first")
    flagged: PositiveDuration = Field(720 * _HOUR, description="how long a failing trace is kept that nobody reviewed")


class Store(Section):
    """Where evaluated traces and cases are kept."""

    url: StoreUrl = Field(None, description="database URL; `null` is an SQLite file in `data_dir`")
    retention: Retention = Retention()


class Promotion(Section):
    """How failing traces become cases."""

    mode: Mode = Field(
        "review", description="`review`: a person decides, `auto`: every failing trace is taken, `off`: none"
    )
    redact: bool = Field(default=True, description="replace personal data in cases by placeholders")
    per_cluster: Count = Field(5, description="most cases of one and the same failure")
    per_day: Count = Field(200, description="most new cases a day")


class Settings(Section):
    """The whole configuration. ``Settings()`` is the default one; durations are nanoseconds, sizes bytes."""

    otlp: Otlp = Otlp()
    api: Api = Api()
    metrics: MetricsSection = MetricsSection()
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
    promotion: Promotion = Promotion()

    @property
    def listeners(self) -> dict[str, Address]:
        """Every address that is listened on, by its key."""
        return {
            "otlp.grpc.listen": self.otlp.grpc.listen,
            "otlp.http.listen": self.otlp.http.listen,
            "api.listen": self.api.listen,
            "metrics.listen": self.metrics.listen,
        }

    def worker_count(self, cores: int) -> int:
        """How many worker processes to run on a machine with ``cores`` cores."""
        return self.workers if isinstance(self.workers, int) else max(1, cores)

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        for (key, address), (other_key, other) in combinations(self.listeners.items(), 2):
            if other.clashes_with(address):
                raise _conflict(
                    other_key, f"{other} is taken by {key}, which is {address}; give each a port of its own"
                )
        return self
