"""The options of what is sent out: the OTLP servers that telemetry goes on to."""

from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from collector.settings_section import Section
from collector.settings_units import PositiveDuration, Size
from collector.settings_values import Endpoint, Label, OptionalFile, PackedWith, SentHeaders, Signals, conflict

_SECOND = 1_000_000_000
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


class ResultsBackend(Backend):
    """Where verdicts are told of."""

    headers_file: OptionalFile = Field(None, description="file with more of them, one `name: value` a line")


class ResultsSection(Section):
    """Verdicts as telemetry."""

    otlp: ResultsBackend | None = Field(
        None, description="an OTLP server that is told of every verdict; the options of a destination, see Results"
    )


def hidden(written: dict[str, Any]) -> dict[str, Any]:
    """A written backend with ``***`` for the values of its headers, which may be secrets."""
    return {**written, "headers": dict.fromkeys(written["headers"], "***")}
