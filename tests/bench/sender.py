"""A process that sends generated requests as fast as they are taken; a program of its own, so that its CPU is not ours.

``python sender.py grpc|http ADDRESS TRACES SIZE FIRST RATE``; RATE is traces a second, 0 for no limit. Prints the
wall-clock times (nanoseconds since the epoch) at which it began and ended.
"""

import http.client
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parents[1]))
from bench.workload import Mix, requests

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PER_REQUEST = 20
CONNECTIONS = 4
PATIENCE_S = 60.0


def main() -> None:
    """Send, and print when."""
    transport, address, traces, size, first, rate = sys.argv[1:]
    bodies = list(requests(int(traces), Mix(size=int(size)), PER_REQUEST, first=int(first)))
    send = _grpc(address) if transport == "grpc" else _http(address)
    began = time.time_ns()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number, done in enumerate(_paced(bodies, float(rate) / PER_REQUEST)):
            pool.submit(_until_taken, send, done)
            while number % CONNECTIONS == 0 and pool._work_queue.qsize() > 2 * CONNECTIONS:
                time.sleep(0.001)
    print(began, time.time_ns())


def _paced(bodies: list[bytes], per_second: float):
    began = time.monotonic()
    for number, body in enumerate(bodies):
        if per_second:
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        yield body


def _until_taken(send: Callable[[bytes], bool], body: bytes) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not send(body):
        if time.monotonic() > deadline:
            sys.exit("the sidecar did not take a request within a minute")
        time.sleep(0.05)


def _grpc(address: str) -> Callable[[bytes], bool]:
    call = grpc.insecure_channel(address).unary_unary(METHOD)

    def send(body: bytes) -> bool:
        try:
            call(body, timeout=30)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED):
                raise
            return False
        return True

    return send


def _http(address: str) -> Callable[[bytes], bool]:
    import threading

    local = threading.local()

    def send(body: bytes) -> bool:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(address, timeout=30)
        local.connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = local.connection.getresponse()
        response.read()
        if response.status not in (200, 429, 503):
            sys.exit(f"the sidecar answered {response.status}")
        return response.status == 200

    return send


if __name__ == "__main__":
    main()
