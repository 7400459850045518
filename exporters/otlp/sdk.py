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
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from exporters.otlp.client import credentials_of
from exporters.otlp.destination import Signal, Target
from exporters.otlp.headers import read_headers


def log_exporter(target: Target) -> LogRecordExporter:
    """What sends log records to a target.

    Raises ``OSError``, ``ssl.SSLError`` or ``ValueError`` for a file of the target that cannot be used.
    """
    if target.is_grpc:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

        return OTLPLogExporter(**_over_grpc(target))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter

    return HttpLogExporter(**_over_http(target, Signal.LOGS))


def span_exporter(target: Target) -> SpanExporter:
    """What sends spans to a target. Raises as ``log_exporter``."""
    if target.is_grpc:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(**_over_grpc(target))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter

    return HttpSpanExporter(**_over_http(target, Signal.TRACES))


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


def _headers(target: Target) -> dict[str, str]:
    headers = {name.lower(): value for name, value in target.headers.items()}
    if target.headers_file is not None:
        headers |= read_headers(target.headers_file)
    return headers


def _over_grpc(target: Target) -> dict[str, Any]:
    return {
        "endpoint": target.address,
        "insecure": not target.is_tls,
        "credentials": credentials_of(target) if target.is_tls else None,
        "headers": tuple(_headers(target).items()),
        "timeout": target.timeout_s,
        "compression": grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression,
    }


def _over_http(target: Target, signal: Signal) -> dict[str, Any]:
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
        "headers": _headers(target),
        "timeout": target.timeout_s,
        "compression": Compression.Gzip if target.gzip else Compression.NoCompression,
        "session": session,
    }
