"""A process that sends a load; a program of its own, so that its CPU is not ours.

``python sender.py ADDRESS LOAD``, the load as JSON. Prints, as JSON, how many ``traces`` and ``spans`` in how many
``bytes`` it sent, ``began_ns`` (since the epoch) when it had made them, its own ``cpu_s`` since then, and ``due``, if
there was a rate: for each request when it was due, in nanoseconds since the epoch, and how many traces were due by
then. A request that the sidecar cannot take at the moment is sent again until it is taken.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import grpc

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])  # this file's own folder would hide the package `checks`

from bench.load import Load, Sent, sent, templates

LANES = 4
PATIENCE_S = 60.0
ANSWER_WITHIN_S = 30.0
AGAIN_S = 0.05
METHOD = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"

Send = Callable[[str, bytes], bool]
"""Sends a body of ``traces`` or ``logs``; whether it was taken."""


class Sending:
    """The load on its way, shared by the lanes."""

    def __init__(self, load: Load) -> None:
        templates(load.content, load.traces, load.per_request)  # not a part of the time
        self._requests: Iterator[Sent] = sent(load)
        self._lock = Lock()
        self.totals = {"traces": 0, "spans": 0, "bytes": 0}
        self.due: list[tuple[int, int]] = []
        self.began_ns = time.time_ns()

    def lane(self, connect: Callable[[], Send]) -> None:
        """Send what is next until nothing is left."""
        send = connect()
        while (request := self._next()) is not None:
            for signal, body in (("logs", request.logs), ("traces", request.traces)):
                if body:
                    _until_taken(send, signal, body)

    def _next(self) -> Sent | None:
        with self._lock:
            request = next(self._requests, None)
            if request is None:
                return None
            due_ns = self.began_ns + int(request.due_s * 1e9)
            time.sleep(max(0.0, (due_ns - time.time_ns()) / 1e9))
            self.totals["traces"] += request.trace_count
            self.totals["spans"] += request.span_count
            self.totals["bytes"] += len(request.traces) + len(request.logs)
            self.due.append((due_ns, self.totals["traces"]))
            return request


def main(address: str, told: str) -> dict[str, Any]:
    """Send a load that was told as JSON."""
    load = Load(**json.loads(told))
    sending = Sending(load)
    connect = _grpc(address) if load.transport == "grpc" else _http(address)
    used_s = time.process_time()
    with ThreadPoolExecutor(LANES) as pool:
        for lane in [pool.submit(sending.lane, connect) for _ in range(LANES)]:
            lane.result()
    own = {"began_ns": sending.began_ns, "cpu_s": time.process_time() - used_s}
    return {**sending.totals, **own, "due": sending.due if load.rate else []}


def _until_taken(send: Send, signal: str, body: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not send(signal, body):
        if time.monotonic() > deadline:
            raise TimeoutError("the sidecar did not take a request within a minute")
        time.sleep(AGAIN_S)


def _grpc(address: str) -> Callable[[], Send]:
    channel = grpc.insecure_channel(address)
    services = {"traces": ("trace", "Trace"), "logs": ("logs", "Logs")}
    calls = {signal: channel.unary_unary(METHOD.format(*names)) for signal, names in services.items()}

    def send(signal: str, body: bytes) -> bool:
        try:
            calls[signal](body, timeout=ANSWER_WITHIN_S)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise
            return False
        return True

    return lambda: send


def _http(address: str) -> Callable[[], Send]:
    def connect() -> Send:
        connection = http.client.HTTPConnection(address, timeout=ANSWER_WITHIN_S)

        def send(signal: str, body: bytes) -> bool:
            connection.request("POST", f"/v1/{signal}", body, {"Content-Type": "application/x-protobuf"})
            response = connection.getresponse()
            response.read()
            if response.status not in (200, 429, 503):
                raise ConnectionError(f"the sidecar answered {response.status}")
            return response.status == 200

        return send

    return connect


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
