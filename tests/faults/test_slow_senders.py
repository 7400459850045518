"""Slowloris, and a thousand connections that say nothing, at every port: usual traffic goes on all the same."""

import threading

import pytest
from faults.kit.canaries import WITHIN_S, canaries, delays
from faults.kit.oracle import Watch
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.slow import HEAD, PREFACE, Crowd, SlowSenders
from servers import until

SECONDS = short_or_long(6.0, 60.0)
IDLE = 1000
"""As many as limits.connections lets in."""
SETTLES_WITHIN_S = 60.0
SETTINGS = {
    **LIGHT,
    "SIDECHECK_LIMITS__HEADER_TIMEOUT": "2s",
    "SIDECHECK_LIMITS__BODY_TIMEOUT": "2s",
    "SIDECHECK_LIMITS__IDLE_TIMEOUT": "4s",
}
"""Short times, so that the short form sees them end; the long form has the defaults."""


def crowds(sidecar: Sidecar) -> list[Crowd]:
    """Those who press on each port."""
    where = sidecar.addresses
    return [
        Crowd("idle", where["otlp_http"], IDLE),
        Crowd("slow heads", where["otlp_http"], 100, HEAD, b"X-Slow: 1\r\n"),
        Crowd("slow bodies", where["otlp_http"], 100, HEAD + b"Content-Length: 1000000\r\n\r\n", b"\n"),
        Crowd("idle at gRPC", where["otlp_grpc"], 200),
        Crowd("slow prefaces", where["otlp_grpc"], 100, PREFACE),
        Crowd("idle at the API", where["api"], 100),
        Crowd("slow heads at the metrics", where["metrics"], 100, b"GET /metrics HTTP/1.1\r\n", b"X-Slow: 1\r\n"),
    ]


@pytest.mark.timeout(SECONDS + 240)
def test_slow_and_idle_connections_hold_nobody_up(tmp_path, table):
    with Sidecar(tmp_path / "data", **(LIGHT if is_long() else SETTINGS)) as sidecar, Watch(sidecar) as seen:
        pressing = crowds(sidecar)
        with canaries(sidecar, SETTLES_WITHIN_S, ("otlp_grpc", "otlp_http")) as found, SlowSenders(pressing):
            until("they were all there", lambda: all(len(crowd.sockets) == crowd.count for crowd in pressing), 60)
            threading.Event().wait(SECONDS)
            assert [crowd.name for crowd in pressing if not crowd.hung_up] == []
            assert sidecar.get("/api/traces", port="api").is_success
        assert max(delays(sidecar)) < WITHIN_S
    table.add("slow senders, idle connections", 1, found[0], seen)
    found[0].assert_kept()
    seen.assert_sound()
    seen.assert_quick()
