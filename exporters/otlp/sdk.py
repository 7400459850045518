"""The SDK's OTLP exporters for a target: they send, and try again as OTLP prescribes, within the target's timeout.

Owns what they are told of a target. What is sent, and what becomes of what is not taken, is for others.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import grpc
import structlog
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from exporters.otlp.client import credentials_of
from exporters.otlp.destination import Signal, Target
from exporters.otlp.headers import Headers, read_headers

log = structlog.get_logger()


class Renewed:
    """An exporter that is made anew when the headers of its target change: the SDK's takes them once. For one thread.

    Raises ``OSError``, ``ssl.SSLError`` or ``ValueError`` for a file of the target that cannot be used.
    """

    def __init__(self, target: Target, make: Callable[[Target, Mapping[str, str]], Any]) -> None:
        if target.headers_file is not None:
            read_headers(target.headers_file)  # it may break once it is in use, and not at the start
        self._target = target
        self._make = make
        self._headers = Headers(target.headers, target.headers_file)
        self._sent = self._headers.now()
        self._exporter = make(target, self._sent)

    def export(self, batch: Sequence[Any]) -> Any:
        """Send a batch, with the headers of now."""
        headers = self._headers.now()
        if headers != self._sent:
            self._sent = headers
            self._renew()
        return self._exporter.export(batch)

    def force_flush(self, timeout_millis: int = 10_000) -> bool:
        """Nothing waits here."""
        return bool(self._exporter.force_flush(timeout_millis))

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()

    def _renew(self) -> None:
        try:
            made = self._make(self._target, self._sent)
        except (OSError, ValueError) as error:  # a file of TLS, read once more
            log.warning("other headers cannot be put to use", backend=self._target.name, error=type(error).__name__)
            return
        old, self._exporter = self._exporter, made
        old.shutdown()


def log_exporter(target: Target) -> Renewed:
    """What sends log records to a target. Raises as ``Renewed``."""
    return Renewed(target, _log_exporter)


def span_exporter(target: Target) -> Renewed:
    """What sends spans to a target. Raises as ``Renewed``."""
    return Renewed(target, _span_exporter)


def _log_exporter(target: Target, headers: Mapping[str, str]) -> LogRecordExporter:
    if target.is_grpc:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

        return OTLPLogExporter(**_over_grpc(target, headers))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter

    return HttpLogExporter(**_over_http(target, headers, Signal.LOGS))


def _span_exporter(target: Target, headers: Mapping[str, str]) -> SpanExporter:
    if target.is_grpc:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(**_over_grpc(target, headers))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter

    return HttpSpanExporter(**_over_http(target, headers, Signal.TRACES))


def quieten() -> None:
    """Keep the exporters from logging what a server answers, again and again; what there is to say is said here."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


def resource(more: Mapping[str, str] | None = None) -> Resource:
    """Who sends: sidecheck itself, whatever the environment says of the app beside it."""
    return Resource({"service.name": "sidecheck", "service.version": version("sidecheck"), **(more or {})})


def end(shutdowns: Sequence[Callable[[], object]], within_s: float) -> None:
    """Have providers send what waits, and end; those that are not done by then go on alone. Blocks."""
    ending = [threading.Thread(target=shutdown, name="otlp-end", daemon=True) for shutdown in shutdowns]
    for thread in ending:
        thread.start()
    until = time.monotonic() + within_s
    for thread in ending:
        thread.join(max(0.0, until - time.monotonic()))


def _over_grpc(target: Target, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "endpoint": target.address,
        "insecure": not target.is_tls,
        "credentials": credentials_of(target) if target.is_tls else None,
        "headers": tuple(headers.items()),
        "timeout": target.timeout_s,
        "compression": grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression,
    }


def _over_http(target: Target, headers: Mapping[str, str], signal: Signal) -> dict[str, Any]:
    import requests
    from opentelemetry.exporter.otlp.proto.http import Compression

    files = (target.ca, target.key, target.cert)
    ca, key, cert = (None if path is None else str(path) for path in files)
    session = requests.Session()
    session.trust_env = ca is None  # else REQUESTS_CA_BUNDLE, where it is set, would go before the configuration
    return {
        "endpoint": target.url(signal),
        "certificate_file": ca,
        "client_key_file": key,
        "client_certificate_file": cert,
        "headers": dict(headers),
        "timeout": target.timeout_s,
        "compression": Compression.Gzip if target.gzip else Compression.NoCompression,
        "session": session,
    }
