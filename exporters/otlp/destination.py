"""Where telemetry is sent: plain data, as the configuration says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"grpc": 4317, "http/protobuf": 4318}
"""The ports of OTLP, where an address names none."""


class Signal(StrEnum):
    """A kind of telemetry. A label on ``/metrics``."""

    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Target:
    """One OTLP server and how to talk to it.

    ``endpoint`` is ``http://host:port`` (plain) or ``https://host:port`` (TLS); over HTTP it may have a path, below
    which ``/v1/traces`` and the like are. ``headers_file`` holds ``name: value`` lines and is read again when it
    changes. ``ca`` are the roots that the server's certificate is checked against (``None``: the system's), ``cert``
    and ``key`` what is shown to it.
    """

    name: str
    endpoint: str
    protocol: str = "http/protobuf"
    headers: Mapping[str, str] = field(default_factory=dict)
    headers_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    gzip: bool = False
    timeout_s: float = 10.0

    @property
    def is_grpc(self) -> bool:
        """Whether it is spoken to by gRPC, else by HTTP."""
        return self.protocol == "grpc"

    @property
    def is_tls(self) -> bool:
        """Whether what is sent is encrypted on the way."""
        return urlsplit(self.endpoint).scheme == "https"

    @property
    def host_port(self) -> tuple[str, int]:
        """Where it is: a host without brackets, and a port."""
        parts = urlsplit(self.endpoint)
        return parts.hostname or "", parts.port or PORTS[self.protocol]

    @property
    def address(self) -> str:
        """``host:port``, an IPv6 address in brackets."""
        host, port = self.host_port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def url(self, signal: Signal) -> str:
        """The address that requests of a signal are posted to."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{self.address}{parts.path.rstrip('/')}/v1/{signal.value}"


@dataclass(frozen=True, slots=True)
class Destination:
    """A server that what came in goes on to: which signals, and how much may wait for how long."""

    target: Target
    signals: frozenset[Signal]
    queue_bytes: int = 256 * 2**20
    queue_age_ns: int = 24 * 3600 * 1_000_000_000

    @property
    def name(self) -> str:
        """What it is called in the configuration. A label on ``/metrics``."""
        return self.target.name
