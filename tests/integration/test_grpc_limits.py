"""Slow and too many gRPC calls, against a real server."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from fakes import FakeIntake
from guarded_servers import an_entrance, guarded_grpc
from otlp import a_trace_request

from collector.intake import Refusal, Source
from collector.receivers.limits import ConnectionLimits

BODY = a_trace_request().SerializeToString()
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
SOON = 0.2


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


async def never() -> AsyncIterator[bytes]:
    """The messages of a call that has begun and says nothing."""
    await asyncio.Event().wait()
    yield b""


async def no_message() -> AsyncIterator[bytes]:
    """The messages of a call that ends without one."""
    return
    yield b""


async def failure(call: grpc.aio.StreamUnaryCall) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(30):
            await call
    return caught.value


async def test_a_message_that_does_not_come_in_time_ends_its_call(intake):
    async with (
        guarded_grpc(intake, an_entrance(), ConnectionLimits(body_s=SOON)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        error = await failure(channel.stream_unary(EXPORT)(never()))
        await channel.unary_unary(EXPORT)(BODY, timeout=20)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert intake.refusals == {(Source.OTLP_GRPC, Refusal.TOO_SLOW): 1}
    assert intake.span_count == 1


async def test_a_call_without_a_message_is_an_invalid_argument(intake):
    async with guarded_grpc(intake, an_entrance()) as address, grpc.aio.insecure_channel(address) as channel:
        error = await failure(channel.stream_unary(EXPORT)(no_message()))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_call_that_is_cancelled_gives_its_place_and_its_memory_back(intake):
    few = ConnectionLimits(connections=1)
    async with guarded_grpc(intake, an_entrance(), few) as address, grpc.aio.insecure_channel(address) as channel:
        for _ in range(5):
            call = channel.stream_unary(EXPORT)(never())
            await call.wait_for_connection()
            call.cancel()
        async with asyncio.timeout(30):
            while True:  # the server learns of it a little later
                try:
                    await channel.unary_unary(EXPORT)(BODY)
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - any other is a failure
                else:
                    break
    assert intake.admission.reserved_bytes == 0


async def test_too_many_calls_at_once_are_told_to_come_again(intake):
    async with (
        guarded_grpc(intake, an_entrance(), ConnectionLimits(connections=2)) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        waiting = [channel.stream_unary(EXPORT)(never()) for _ in range(2)]
        for call in waiting:
            await call.wait_for_connection()
        error = await failure(channel.unary_unary(EXPORT)(BODY, timeout=20))
        for call in waiting:
            call.cancel()
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert intake.refusals[Source.OTLP_GRPC, Refusal.OVERLOADED] == 1


async def test_idle_connections_are_closed(intake):
    async with guarded_grpc(intake, an_entrance(), ConnectionLimits(idle_s=SOON)) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")  # empty SETTINGS
        async with asyncio.timeout(30):
            await reader.read(-1)
        writer.close()


async def test_connections_that_say_nothing_are_closed(intake):
    async with guarded_grpc(intake, an_entrance(), ConnectionLimits(header_s=SOON)) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(30):
            await reader.read(-1)
        writer.close()


async def test_there_are_no_more_connections_than_allowed(intake):
    few = ConnectionLimits(connections=1, header_s=60, idle_s=60)  # gRPC may have twice as many
    async with guarded_grpc(intake, an_entrance(), few) as address:
        host, _, port = address.rpartition(":")
        silent = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
        async with asyncio.timeout(30):
            ended, _ = await asyncio.wait(
                [asyncio.create_task(gone(reader)) for reader, _ in silent], return_when=asyncio.FIRST_COMPLETED
            )
        assert len(ended) == 1
        for _, writer in silent:
            writer.close()


async def gone(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed."""
    try:
        await reader.read(-1)
    except ConnectionResetError:
        return
