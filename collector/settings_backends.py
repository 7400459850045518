"""The options of what is sent out: the OTLP servers that telemetry goes on to."""

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from collector.settings_section import Section
from collector.settings_units import Count, PositiveDuration, Share, Size
from collector.settings_values import (
    Endpoint,
    Kinds,
    Label,
    OptionalFile,
    PackedWith,
    SentHeaders,
    Signals,
    Template,
    Text,
    WebhookUrl,
    conflict,
)

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_HOUR = 3600 * _SECOND
_MIB = 2**20


class ClientTls(Section):
    """The files of a TLS client."""

    ca: OptionalFile = Field(
        None, description="roots that the server's certificate is checked against (PEM); `null`: the system's"
    )
    cert: OptionalFile = Field(None, description="the certificate that is shown to the server (PEM)")
    key: OptionalFile = Field(None, description="its private key (PEM)")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for missing, given in (("key", "cert"), ("cert", "key")):
            if getattr(self, missing) is None and getattr(self, given) is not None:
                raise conflict(missing, f"is missing, but {given} is given; a client shows both or none")
        return self


class Backend(Section):
    """An OTLP server, and how to talk to it."""

    endpoint: Endpoint = Field(
        description="`http://host:port`, or `https://host:port` for TLS; over HTTP a path may follow, below which "
        "`/v1/traces` and the like are"
    )
    protocol: Literal["http/protobuf", "grpc"] = Field("http/protobuf", description="`http/protobuf` or `grpc`")
    headers: SentHeaders = Field({}, description="headers of each request, such as `{x-scope-orgid: shop}`")
    headers_file: OptionalFile = Field(
        None, description="file with more of them, one `name: value` a line; read again when it changes"
    )
    tls: ClientTls = ClientTls()
    compression: PackedWith = Field("gzip", description="`gzip` or `none`")
    timeout: PositiveDuration = Field(10 * _SECOND, description="how long a request may take")

    @property
    def label(self) -> str:
        """What it is called in logs and on ``/metrics``."""
        return urlsplit(self.endpoint).netloc

    @model_validator(mode="after")
    def _fits(self) -> Self:
        parts = urlsplit(self.endpoint)
        if parts.scheme != "https" and (self.tls.ca or self.tls.cert):
            raise conflict("tls", "has files, but the endpoint is http://, which sends in the clear; write https://")
        if self.protocol == "grpc" and parts.path.strip("/"):
            raise conflict("endpoint", "has a path, which gRPC has no use for; leave it out")
        return self


class ForwardQueueSection(Section):
    """What waits for a destination, on disk."""

    size: Size = Field(256 * _MIB, description="most bytes that wait for this destination; the oldest go first")
    age: PositiveDuration = Field(24 * _HOUR, description="how long a request may wait before it is dropped")


class ForwardSection(Backend):
    """A destination of what came in."""

    name: Label = Field(None, description="what it is called on `/metrics`; `null`: its host and port")
    signals: Signals = Field(("traces", "logs", "metrics"), description="what goes there: `traces`, `logs`, `metrics`")
    queue: ForwardQueueSection = ForwardQueueSection()

    @property
    def label(self) -> str:
        """See ``Backend``."""
        return self.name or super().label


class ResultsSection(Section):
    """Verdicts as telemetry."""

    otlp: Backend | None = Field(
        None, description="an OTLP server that is told of every verdict; the options of a destination, see Results"
    )


class TelemetrySection(Section):
    """What sidecheck tells of itself."""

    otlp: Backend | None = Field(
        None,
        description="an OTLP server that gets sidecheck's own traces and log lines; the options of a destination, see "
        "Its own telemetry",
    )
    traces: bool = Field(default=True, description="send spans of its own work: requests, batches, writes")
    logs: bool = Field(default=True, description="send the lines of its own log")
    sample: Share = Field(
        0.01, description="share of its own traces that are sent, 0 to 1; start, stop and reload always are"
    )

    @model_validator(mode="after")
    def _sends_something(self) -> Self:
        if self.otlp is not None and not (self.traces or self.logs):
            raise conflict("otlp", "gets nothing: both traces and logs are off; turn one on, or leave otlp out")
        return self


class ThresholdSection(Section):
    """A pass rate that is too low."""

    check: Text = Field(description="the check whose pass rate is watched, in each service")
    below: Share = Field(description="told of when the share of passed results falls below this, 0 to 1")
    over: PositiveDuration = Field(10 * _MINUTE, description="how far back results count")
    at_least: Count = Field(20, description="how many results there must be")


class NotifySection(Section):
    """A webhook."""

    url: WebhookUrl = Field(None, description="where messages are posted to; `null`: `url_file` says so")
    url_file: OptionalFile = Field(
        None, description="file with that address, where it is a secret; read again when it changes, and needs a `name`"
    )
    name: Label = Field(None, description="what it is called on `/metrics`; `null`: the host")
    secret_file: OptionalFile = Field(
        None,
        description="file with the secret that messages are signed with, `whsec_...` or at least 24 characters; "
        "read again when it changes",
    )
    events: Kinds = Field(("new_cluster",), description="what is told of: `new_cluster`, `threshold`, `budget`")
    thresholds: tuple[ThresholdSection, ...] = Field(
        (), description="pass rates, each with `check`, `below`, `over` (10m) and `at_least` (20)"
    )
    template: Template = Field(None, description="jinja2 template of the JSON body; `null`: one that Slack shows")

    @property
    def label(self) -> str:
        """What it is called in logs and on ``/metrics``."""
        return self.name or urlsplit(self.url or "").netloc.rpartition("@")[2]

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.url is None) == (self.url_file is None):
            raise conflict("url", "and `url_file` are two ways to say where messages go; give one of them")
        if self.url is None and self.name is None:
            raise conflict("name", "is missing; what stands in `url_file` is told nowhere, so the webhook needs a name")
        return self

    @model_validator(mode="after")
    def _has_thresholds(self) -> Self:
        if ("threshold" in self.events) != bool(self.thresholds):
            raise conflict("thresholds", "and `threshold` in `events` go together; give both or none")
        return self


def hidden(written: dict[str, Any]) -> dict[str, Any]:
    """A written backend with ``***`` for the values of its headers, which may be secrets."""
    return {**written, "headers": dict.fromkeys(written["headers"], "***")}
