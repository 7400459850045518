"""OTLP backends of other people's: real servers that keep what they are sent and answer as they are told.

They have nothing of the receivers in them: what is compared with what was sent is what came over the wire.
"""

import gzip
import queue
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
from certificates import Identity
from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

METHODS = {"trace": "traces", "logs": "logs", "metrics": "metrics"}


@dataclass(frozen=True)
class Got:
    """One request: its signal, the message unpacked, its headers with names in lower case."""

    signal: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Backend:
    """What a backend has got, and how it answers: an HTTP status or gRPC code each, well where there is none left.

    ``gate`` is waited for by every request before it is answered.
    """

    address: str = ""
    got: list[Got] = field(default_factory=list)
    answers: deque[Any] = field(default_factory=deque)
    came: "queue.SimpleQueue[Got]" = field(default_factory=queue.SimpleQueue)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set as soon as anything was asked of it."""
    retry_after: str | None = None

    @property
    def bodies(self) -> list[bytes]:
        """The messages that were taken, in order."""
        return [got.body for got in self.got]

    def next(self, within_s: float = 20.0) -> Got:
        """Wait for the next request that is taken."""
        return self.came.get(timeout=within_s)

    def take(self, got: Got) -> Any:
        """Keep a request, unless it is to be answered otherwise; give that answer then."""
        self.asked.set()
        self.gate.wait(30)
        if self.answers:
            return self.answers.popleft()
        self.got.append(got)
        self.came.put(got)
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five by default: more at the same moment are reset


@contextmanager
def http_backend(port: int = 0, tls: Identity | None = None, backend: Backend | None = None) -> Iterator[Backend]:
    """Serve OTLP/HTTP."""
    kept = backend or Backend()
    kept.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            status = kept.take(Got(self.path.removeprefix("/v1/"), body, headers)) or 200
            self.send_response(status)
            if status != 200 and kept.retry_after is not None:
                self.send_header("Retry-After", kept.retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", port), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    kept.address = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.gate.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Status(NamedTuple):
    """What ``grpc.Status`` asks for."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: Any


def _delay(seconds: str) -> Any:
    """The trailing metadata of a status that says when to come again."""
    status, info = Status(), Any_()
    whole = int(float(seconds))
    info.Pack(RetryInfo(retry_delay=Duration(seconds=whole, nanos=int((float(seconds) - whole) * 1e9))))
    status.details.append(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)


@contextmanager
def grpc_backend(port: int = 0, tls: Identity | None = None, backend: Backend | None = None) -> Iterator[Backend]:
    """Serve OTLP/gRPC; messages are taken as bytes."""
    kept = backend or Backend()
    kept.gate.set()

    def service(name: str, signal: str) -> Any:
        def export(body: bytes, context: Any) -> bytes:
            code = kept.take(Got(signal, body, dict(context.invocation_metadata())))
            if code is not None and kept.retry_after is not None:
                context.abort_with_status(_Status(code, "not now", _delay(kept.retry_after)))
            if code is not None:
                context.abort(code, "not now")
            return b""

        return grpc.method_handlers_generic_handler(
            f"opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service",
            {"Export": grpc.unary_unary_rpc_method_handler(export)},
        )

    server = grpc.server(ThreadPoolExecutor(8), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers(tuple(service(name, signal) for name, signal in METHODS.items()))
    if tls is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        pair = (tls.key.read_bytes(), tls.cert.read_bytes())
        bound = server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    server.start()
    kept.address = f"http{'s' if tls else ''}://127.0.0.1:{bound}"
    try:
        yield kept
    finally:
        kept.gate.set()
        server.stop(None).wait(5)
