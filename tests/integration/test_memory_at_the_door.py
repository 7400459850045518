"""Requests for which there is no memory, over HTTP and gRPC, by calls to real servers."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Callable

import grpc
import httpx
import pytest
from fakes import FakeIntake
from otlp import a_proto_span, a_trace_request, as_otlp_json
from otlp_servers import otlp_grpc, otlp_http

from collector.intake import Refusal, Source
from collector.receivers.limits import MIB, ReceiverLimits
from collector.receivers.reception import JSON_COST, PROTOBUF_COST

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
LIMITS = ReceiverLimits(request_bytes=64 * MIB)


def a_request_of(size: int) -> bytes:
    """An encoded request of about this size."""
    text = random.Random(0).randbytes(size // 2).hex()  # does not shrink to less than a half
    return a_trace_request(a_proto_span(name=text)).SerializeToString()


@pytest.fixture
def intake() -> FakeIntake:
    """An intake with a budget of 8 MiB."""
    return FakeIntake(memory_bytes=8 * MIB)


@pytest.fixture
async def http(intake) -> AsyncIterator[httpx.AsyncClient]:
    async with otlp_http(intake, LIMITS) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
async def channel(intake) -> AsyncIterator[grpc.aio.Channel]:
    async with otlp_grpc(intake, LIMITS) as target, grpc.aio.insecure_channel(target) as channel:
        yield channel


async def post(http: httpx.AsyncClient, body: object, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.post("/v1/traces", content=body, headers={**PROTOBUF, **named})


async def test_a_body_for_which_there_is_no_room_is_refused_before_it_is_sent(http, intake):
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    with intake.admission.reserve(7 * MIB):
        writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % (3 * MIB))
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in head.lower()
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.OVERLOADED): 1}


async def test_a_body_of_unknown_length_is_refused_as_soon_as_there_is_no_room(http, intake):
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(MIB)

    with intake.admission.reserve(7 * MIB):
        assert (await post(http, body())).status_code == 503
    assert intake.admission.reserved_bytes == 0


async def test_what_is_only_announced_takes_no_room_from_others(http):
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"\n"
        begun.set()
        await asyncio.Event().wait()

    announcing = asyncio.create_task(post(http, slow(), Content_Length=str(7 * MIB)))
    await begun.wait()
    assert (await post(http, a_request_of(2 * MIB))).status_code == 200
    announcing.cancel()


PACKED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "identity": lambda body: body}


@pytest.mark.parametrize("encoding", PACKED)
async def test_the_memory_of_decoding_is_counted_by_the_unpacked_size(http, intake, encoding):
    fits, does_not = a_request_of(1 * MIB), a_request_of(7 * MIB // PROTOBUF_COST)
    with intake.admission.reserve(3 * MIB):
        assert (await post(http, PACKED[encoding](fits), Content_Encoding=encoding)).status_code == 200
        response = await post(http, PACKED[encoding](does_not), Content_Encoding=encoding)
    assert response.status_code == 503


async def test_json_takes_more_memory_than_protobuf(http, intake):
    size = 6 * MIB // JSON_COST
    request = a_trace_request(a_proto_span(name="x" * size))
    with intake.admission.reserve(4 * MIB):
        assert (await post(http, request.SerializeToString())).status_code == 200
        assert (await post(http, as_otlp_json(request), Content_Type="application/json")).status_code == 503


async def test_a_request_that_never_fits_is_413_and_not_to_be_sent_again(http, intake):
    response = await post(http, a_request_of(4 * MIB))
    assert response.status_code == 413
    assert b"limits.memory" in response.content
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.TOO_LARGE): 1}


async def test_everything_is_given_back(http, channel, intake):
    await post(http, a_request_of(MIB))
    await post(http, b"no protobuf")
    await post(http, json.dumps({}), Content_Type="text/plain")
    await post(http, a_request_of(9 * MIB))
    await channel.unary_unary(EXPORT)(a_request_of(MIB), timeout=30)
    assert intake.admission.reserved_bytes == 0
    assert intake.span_count == 2


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip], ids=["plain", "gzip"])
async def test_a_message_for_which_there_is_no_room_is_unavailable(channel, intake, compression):
    with intake.admission.reserve(6 * MIB), pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(EXPORT)(a_request_of(MIB), timeout=30, compression=compression)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert intake.refusals == {(Source.OTLP_GRPC, Refusal.OVERLOADED): 1}
