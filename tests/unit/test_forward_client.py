"""What an OTLP server's answer means: done, once more and when, or never."""

import asyncio

import grpc
import pytest
from otlp_backends import grpc_backend, http_backend

from exporters.otlp.client import Never, NotNow, connect, seconds_of
from exporters.otlp.destination import Signal, Target

NOW_S = 1_700_000_000.0
BUSY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "OUT_OF_RANGE", "DATA_LOSS")
FOR_GOOD = ("INVALID_ARGUMENT", "UNIMPLEMENTED", "UNAUTHENTICATED", "INTERNAL", "RESOURCE_EXHAUSTED")


@pytest.fixture
async def client_of():
    """Makes clients that are closed in the end."""
    clients = []

    def make(backend, **parts):
        target = Target("tempo", backend.address, timeout_s=parts.pop("timeout_s", 10.0), **parts)
        clients.append(connect(target, lambda: NOW_S))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


async def send(client, body=b"\x0a\x00", signal=Signal.TRACES, *, is_json=False):
    await client.send(signal, body, is_json=is_json)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("gzip", [True, False])
async def test_bytes_arrive_over_http_as_they_are(client_of, signal, gzip):
    with http_backend() as backend:
        await send(client_of(backend, gzip=gzip, headers={"X-Tenant": "shop"}), b"\x00\xff" * 5000, signal)
    (got,) = backend.got
    assert (got.signal, got.body, got.headers["x-tenant"]) == (signal.value, b"\x00\xff" * 5000, "shop")
    assert got.headers["content-type"] == "application/x-protobuf"
    assert got.headers.get("content-encoding") == ("gzip" if gzip else None)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("gzip", [True, False])
async def test_bytes_arrive_over_grpc_as_they_are(client_of, signal, gzip):
    with grpc_backend() as backend:
        await send(
            client_of(backend, protocol="grpc", gzip=gzip, headers={"X-Tenant": "shop"}), b"\xff\x00" * 9, signal
        )
    (got,) = backend.got
    assert (got.signal, got.body, got.headers["x-tenant"]) == (signal.value, b"\xff\x00" * 9, "shop")


async def test_json_stays_json_over_http_and_cannot_go_over_grpc(client_of):
    with http_backend() as http, grpc_backend() as over_grpc:
        await send(client_of(http), b"{}", is_json=True)
        with pytest.raises(Never):
            await send(client_of(over_grpc, protocol="grpc"), b"{}", is_json=True)
    assert http.got[0].headers["content-type"] == "application/json"
    assert over_grpc.got == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize(
    ("header", "expected"), [(None, None), ("7", 7.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("soon", None)]
)
async def test_an_http_server_that_is_busy_is_asked_again_when_it_says(client_of, status, header, expected):
    with http_backend() as backend:
        backend.answers.append(status)
        backend.retry_after = header
        with pytest.raises(NotNow, match=f"HTTP {status}") as raised:
            await send(client_of(backend))
    assert raised.value.after_s == expected


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 500, 501])
async def test_an_http_server_that_says_no_is_not_asked_again_nor_followed(client_of, status):
    with http_backend() as backend:
        backend.answers.append(status)
        with pytest.raises(Never, match=f"HTTP {status}"):
            await send(client_of(backend))
    assert backend.got == []


@pytest.mark.parametrize(
    "code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "OUT_OF_RANGE", "DATA_LOSS"]
)
async def test_a_grpc_server_that_is_busy_is_asked_again(client_of, code):
    with grpc_backend() as backend:
        backend.answers.append(grpc.StatusCode[code])
        with pytest.raises(NotNow, match=code):
            await send(client_of(backend, protocol="grpc"))


@pytest.mark.parametrize(
    "code", ["INVALID_ARGUMENT", "UNIMPLEMENTED", "UNAUTHENTICATED", "INTERNAL", "RESOURCE_EXHAUSTED"]
)
async def test_a_grpc_server_that_says_no_is_not_asked_again(client_of, code):
    with grpc_backend() as backend:
        backend.answers.append(grpc.StatusCode[code])
        with pytest.raises(Never, match=code):
            await send(client_of(backend, protocol="grpc"))


async def test_an_exhausted_grpc_server_that_says_when_is_asked_again_then(client_of):
    with grpc_backend() as backend:
        backend.answers.append(grpc.StatusCode.RESOURCE_EXHAUSTED)
        backend.retry_after = "2.5"
        with pytest.raises(NotNow) as raised:
            await send(client_of(backend, protocol="grpc"))
    assert raised.value.after_s == 2.5


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_nobody_there_means_once_more(client_of, protocol):
    with http_backend() as backend:
        pass
    with pytest.raises(NotNow):
        await send(client_of(backend, protocol=protocol))


@pytest.mark.parametrize(("protocol", "serve"), [("grpc", grpc_backend), ("http/protobuf", http_backend)])
async def test_a_server_that_hangs_is_given_up_in_time_and_asked_once_more(client_of, protocol, serve):
    with serve() as backend:
        backend.gate.clear()
        with pytest.raises(NotNow):
            await send(client_of(backend, protocol=protocol, timeout_s=0.2))


async def test_headers_of_a_file_are_read_again_when_it_changes_and_stay_when_it_breaks(client_of, tmp_path):
    path = tmp_path / "headers"
    path.write_text("# of the day\nAuthorization: Bearer one\n")
    with http_backend() as backend:
        client = client_of(backend, headers={"authorization": "none", "x-tenant": "shop"}, headers_file=path)
        await send(client)
        path.write_text("authorization: Bearer second\n")
        await send(client)
        path.write_text("no header")
        await send(client)
        path.unlink()
        await send(client)
    sent = [got.headers["authorization"] for got in backend.got]
    assert sent == ["Bearer one", "Bearer second", "Bearer second", "Bearer second"]
    assert {got.headers["x-tenant"] for got in backend.got} == {"shop"}


def test_a_retry_after_that_is_over_means_now():
    assert seconds_of("Tue, 14 Nov 2000 22:13:50 GMT", NOW_S) == 0.0
    assert seconds_of(None, NOW_S) is None


async def test_several_requests_share_a_client(client_of):
    with http_backend() as backend:
        client = client_of(backend)
        await asyncio.gather(*(send(client, b"%d" % number) for number in range(20)))
    assert sorted(backend.bodies, key=int) == [b"%d" % number for number in range(20)]
