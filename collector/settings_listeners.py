"""The options of what is listened on: addresses, and who may come in there. One class a section."""

from typing import Self

from pydantic import Field, model_validator

from collector.settings_section import Section
from collector.settings_units import Address, Count, Listen
from collector.settings_values import OptionalFile, PublicUrl, TraceUrl, conflict


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
