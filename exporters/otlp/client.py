"""One request to an OTLP server, and what its answer means.

Source: https://opentelemetry.io/docs/specs/otlp/ (sections "Failures" and "Throttling", for gRPC and for HTTP): which
answers are worth another try, and when. Owns no queue and no patience.
"""

import asyncio
import gzip
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from exporters.otlp.destination import Signal, Target
from exporters.otlp.headers import Headers
from exporters.otlp.hops import HEADER

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LONGEST_ANSWER = 64 * 1024
"""Bytes of an HTTP answer that are read; no more is of interest."""

_OK = range(200, 300)
_HTTP_RETRYABLE = frozenset({429, 502, 503, 504})
_GRPC_RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""``RESOURCE_EXHAUSTED`` as well, where the server says when to come again."""
_METHODS = {
    Signal.TRACES: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    Signal.LOGS: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    Signal.METRICS: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}


class NotNow(Exception):
    """The server does not take it now. The text is a status or a kind of fault, never what the server wrote."""

    def __init__(self, problem: str, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s


class Never(Exception):
    """The server will not take it. The text is a status, never what the server wrote."""


class Client(ABC):
    """A connection to one server, for all signals."""

    @abstractmethod
    async def send(self, signal: Signal, body: bytes, *, is_json: bool, forwarded_by: str = "") -> None:
        """Send one request's message, with the value of ``hops.HEADER``. Raises ``NotNow`` or ``Never``."""

    @abstractmethod
    async def close(self) -> None:
        """Give up what is under way."""


def connect(target: Target, wall_s: Callable[[], float] = time.time) -> Client:
    """Return a client; nothing is sent yet. Raises ``OSError`` or ``ssl.SSLError`` for files that cannot be used."""
    return GrpcClient(target) if target.is_grpc else HttpClient(target, wall_s)


class HttpClient(Client):
    """OTLP over HTTP. Redirects are not followed: what is sent goes where the configuration says, or nowhere."""

    def __init__(self, target: Target, wall_s: Callable[[], float] = time.time) -> None:
        self._target = target
        self._wall_s = wall_s
        self._headers = Headers(target.headers, target.headers_file)
        self._http = httpx.AsyncClient(
            verify=tls_context(target),
            timeout=target.timeout_s,
            follow_redirects=False,
            headers={"User-Agent": "sidecheck"},
        )

    async def send(self, signal: Signal, body: bytes, *, is_json: bool, forwarded_by: str = "") -> None:
        """See ``Client.send``."""
        headers = {**self._headers.now(), **_named(forwarded_by), "Content-Type": JSON if is_json else PROTOBUF}
        if self._target.gzip:
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(gzip.compress, body, 1)
        try:
            async with asyncio.timeout(self._target.timeout_s):
                status, retry_after = await self._post(self._target.url(signal), body, headers)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise NotNow(type(error).__name__) from None
        if status in _HTTP_RETRYABLE:
            raise NotNow(f"HTTP {status}", seconds_of(retry_after, self._wall_s()))
        if status not in _OK:
            raise Never(f"HTTP {status}")

    async def close(self) -> None:
        """See ``Client.close``."""
        await self._http.aclose()

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str | None]:
        async with self._http.stream("POST", url, content=body, headers=headers) as response:
            size = 0
            async for chunk in response.aiter_raw():  # else the connection cannot be used again
                size += len(chunk)
                if size > LONGEST_ANSWER:
                    break
            return response.status_code, response.headers.get("retry-after")


class GrpcClient(Client):
    """OTLP over gRPC, bytes as they are."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._headers = Headers(target.headers, target.headers_file)
        options = (("grpc.max_send_message_length", -1),)
        compression = grpc.Compression.Gzip if target.gzip else grpc.Compression.NoCompression
        self._channel: Any = (
            grpc.aio.secure_channel(target.address, credentials_of(target), options, compression)
            if target.is_tls
            else grpc.aio.insecure_channel(target.address, options, compression)
        )
        self._calls = {signal: self._channel.unary_unary(method) for signal, method in _METHODS.items()}

    async def send(self, signal: Signal, body: bytes, *, is_json: bool, forwarded_by: str = "") -> None:
        """See ``Client.send``."""
        if is_json:
            raise Never("OTLP/JSON cannot be sent over gRPC")
        metadata = tuple({**self._headers.now(), **_named(forwarded_by)}.items())
        try:
            await self._calls[signal](body, timeout=self._target.timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            after_s = _retry_delay_s(error)
            if error.code() in _GRPC_RETRYABLE or after_s is not None:
                raise NotNow(error.code().name, after_s) from None
            raise Never(error.code().name) from None

    async def close(self) -> None:
        """See ``Client.close``."""
        await self._channel.close()


def _named(forwarded_by: str) -> dict[str, str]:
    return {HEADER: forwarded_by} if forwarded_by else {}


def tls_context(target: Target) -> ssl.SSLContext:
    """What a server's certificate is checked against and what it is shown. Raises ``OSError``, ``ssl.SSLError``."""
    context = ssl.create_default_context(cafile=None if target.ca is None else str(target.ca))
    if target.cert is not None:
        context.load_cert_chain(str(target.cert), None if target.key is None else str(target.key))
    return context


def credentials_of(target: Target) -> grpc.ChannelCredentials:
    """As ``tls_context``, for gRPC."""
    tls_context(target)  # gRPC would say nothing of a file that it cannot use
    ca, key, cert = map(_content, (target.ca, target.key, target.cert))
    return grpc.ssl_channel_credentials(ca, key, cert)


def _content(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def seconds_of(retry_after: str | None, now_s: float) -> float | None:
    """The seconds that a ``Retry-After`` header asks for: a number, or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError):
        return None


def _retry_delay_s(error: grpc.aio.AioRpcError) -> float | None:
    """The delay of the ``RetryInfo`` among a status's details, if it has one."""
    trailing: Any = error.trailing_metadata() or ()
    for name, value in trailing:
        if name != "grpc-status-details-bin":
            continue
        try:
            details = Status.FromString(value).details
            info = RetryInfo()
            if any(detail.Unpack(info) for detail in details):
                return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
        except Exception:  # noqa: BLE001 - protobuf raises what it likes; a broken detail says nothing
            return None
    return None
