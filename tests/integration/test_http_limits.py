"""Slow, idle and too many HTTP connections, by raw sockets to a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fakes import FakeIntake
from guarded_servers import an_entrance, guarded_http, http_listener
from otlp import a_trace_request
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from collector.intake import Refusal, Source
from collector.receivers.limits import ConnectionLimits, ReceiverLimits
from collector.receivers.otlp_http import create_app, when_busy

BODY = a_trace_request().SerializeToString()
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
REQUEST = HEAD + LENGTH + BODY
SOON = 0.2
"""Seconds: how long a server of these tests has patience, where a test waits for the end of it."""
LONG = 60.0
ENDS_WITHIN_S = 20.0

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def limits(**given: float) -> ConnectionLimits:
    """Limits that no test comes to, but for those given."""
    return ConnectionLimits(**{"header_s": LONG, "body_s": LONG, "idle_s": LONG, **given})


class WholeReader(asyncio.StreamReader):
    """Gives all that came before the other side reset the connection; asyncio's own forgets it."""

    def set_exception(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionError):
            self.feed_eof()
        else:
            super().set_exception(exc)


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    """A plain connection."""
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    reader = WholeReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.create_connection(lambda: protocol, host, int(port))
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The status and the head of one answer."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        head = await reader.readuntil(b"\r\n\r\n")
    length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split()[1]), head


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other side closes or resets the connection."""
    async with asyncio.timeout(ENDS_WITHIN_S):
        return await reader.read()


async def trickle(writer: asyncio.StreamWriter, part: bytes = b"a") -> None:
    """Send a byte now and then, until the other side has closed."""
    try:
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(SOON / 10)
    except ConnectionError:
        pass


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


async def test_a_request_in_good_time_is_taken_and_its_connection_stays(intake):
    async with guarded_http(intake, an_entrance(), limits()) as address, wire(address) as (reader, writer):
        for _ in range(3):
            writer.write(REQUEST)
            assert (await answer(reader))[0] == 200
    assert intake.span_count == 3


async def test_a_head_that_never_ends_is_answered_408_and_closed(intake):
    entrance, limited = an_entrance(), limits(header_s=5 * SOON)  # on a busy machine the beginning takes a while, too
    async with guarded_http(intake, entrance, limited) as address, wire(address) as (reader, writer):
        writer.write(HEAD + b"X-Slow: ")
        sending = asyncio.create_task(trickle(writer))
        said = await rest(reader)
        sending.cancel()
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said.lower()


async def test_a_connection_that_says_nothing_is_closed(intake):
    async with guarded_http(intake, an_entrance(), limits(header_s=SOON)) as address, wire(address) as (reader, _):
        assert await rest(reader) == b""


async def test_a_connection_that_is_idle_after_a_request_is_closed(intake):
    async with guarded_http(intake, an_entrance(), limits(idle_s=SOON)) as address, wire(address) as (reader, writer):
        writer.write(REQUEST)
        assert (await answer(reader))[0] == 200
        assert await rest(reader) == b""


async def test_a_second_head_has_a_deadline_too(intake):
    async with guarded_http(intake, an_entrance(), limits(header_s=SOON)) as address, wire(address) as (reader, writer):
        writer.write(REQUEST + HEAD)
        assert (await answer(reader))[0] == 200
        assert (await rest(reader)).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_that_never_ends_is_answered_408_counted_and_closed(intake, framing):
    part = b"1\r\na\r\n" if b"chunked" in framing else b"a"
    async with guarded_http(intake, an_entrance(), limits(body_s=SOON)) as address, wire(address) as (reader, writer):
        writer.write(HEAD + framing)
        sending = asyncio.create_task(trickle(writer, part))
        status, head = await answer(reader)
        await rest(reader)
        sending.cancel()
    assert status == 408
    assert b"content-type: application/x-protobuf" in head.lower()
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.TOO_SLOW): 1}


async def test_the_body_of_an_answered_request_is_not_read_for_ever(intake):
    async with guarded_http(intake, an_entrance(), limits(body_s=SOON)) as address, wire(address) as (reader, writer):
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert (await answer(reader))[0] == 404
        sending = asyncio.create_task(trickle(writer))
        assert await rest(reader) == b""
        sending.cancel()


async def test_the_whole_body_of_a_refused_request_may_still_come_and_the_next_one_is_taken(intake):
    async with guarded_http(intake, an_entrance(), limits()) as address, wire(address) as (reader, writer):
        writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert (await answer(reader))[0] == 404
        writer.write(bytes(100_000) + REQUEST)
        assert (await answer(reader))[0] == 200


async def test_an_app_that_lets_the_deadline_of_a_body_pass_through_still_answers_408():
    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        await Request(scope, receive).body()

    async with http_listener(app, limits(body_s=SOON)) as address, wire(address) as (reader, writer):
        writer.write(HEAD + LENGTH)
        assert (await answer(reader))[0] == 408


async def test_work_that_takes_longer_than_a_body_may_is_left_alone():
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await asyncio.sleep(3 * SOON)
        await PlainTextResponse("done")(scope, receive, send)

    short = limits(body_s=SOON, header_s=SOON, idle_s=SOON)
    async with http_listener(app, short) as address, wire(address) as (reader, writer):
        writer.write(REQUEST)
        assert (await answer(reader))[0] == 200


async def test_a_client_that_does_not_read_its_answer_is_cut_off():
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(bytes(50_000_000))(scope, receive, send)
        ended.set()

    async with http_listener(app, limits(body_s=SOON)) as address, wire(address) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.transport.pause_reading()
        async with asyncio.timeout(ENDS_WITHIN_S):
            await ended.wait()


async def test_a_body_that_is_still_on_its_way_when_the_server_stops_is_to_be_sent_again(intake):
    begun = asyncio.Event()
    app = create_app(intake, ReceiverLimits())

    async def noticing(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await app(scope, receive, send)

    async with AsyncExitStack() as stack:
        async with http_listener(noticing, limits()) as address:
            reader, writer = await stack.enter_async_context(wire(address))
            writer.write(HEAD + LENGTH)
            await begun.wait()
        status, head = await answer(reader)
    assert status == 503
    assert b"retry-after: " in head.lower()
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.SHUTTING_DOWN): 1}


async def test_work_that_does_not_end_is_given_up_without_a_stack_trace_when_the_server_stops(caplog):
    begun = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        async with http_listener(app, limits()) as address:
            reader, writer = await stack.enter_async_context(wire(address))
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.wait()
        assert await rest(reader) == b""
    assert "Traceback" not in caplog.text


@asynccontextmanager
async def idle_connections(address: str, count: int) -> AsyncIterator[list[Wire]]:
    """Connections that were opened one after another and say nothing."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(wire(address)) for _ in range(count)]


async def test_idle_connections_make_room_for_others_oldest_first(intake):
    few = limits(connections=20)
    async with (
        guarded_http(intake, an_entrance(), few) as address,
        idle_connections(address, 20) as idle,
        wire(address) as (reader, writer),
    ):
        writer.write(REQUEST)
        assert (await answer(reader))[0] == 200
        assert await rest(idle[0][0]) == b""
        idle[1][1].write(REQUEST)
        assert (await answer(idle[1][0]))[0] == 200


async def test_a_connection_that_was_of_use_makes_room_after_those_that_were_not(intake):
    few = limits(connections=3)
    async with guarded_http(intake, an_entrance(), few) as address, idle_connections(address, 3) as idle:
        idle[0][1].write(REQUEST)
        assert (await answer(idle[0][0]))[0] == 200
        async with wire(address):
            assert await rest(idle[1][0]) == b""
            idle[0][1].write(REQUEST)
            assert (await answer(idle[0][0]))[0] == 200


async def test_a_thousand_idle_connections_do_not_stop_the_service(intake):
    async with (
        guarded_http(intake, an_entrance(), limits(connections=250)) as address,
        idle_connections(address, 450),  # 1000 sockets in all: what a process may have open by default
        wire(address) as (reader, writer),
    ):
        writer.write(REQUEST)
        assert (await answer(reader))[0] == 200


async def test_where_all_connections_are_at_work_a_sender_is_told_to_come_again(intake):
    begun: asyncio.Queue[None] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        begun.put_nowait(None)
        await Request(scope, receive).body()

    async with (
        http_listener(app, limits(connections=2), busy=when_busy(intake)) as address,
        idle_connections(address, 2) as wires,
    ):
        for _, writer in wires:
            writer.write(HEAD + LENGTH)
            await begun.get()
        async with wire(address) as (reader, writer):
            writer.write(REQUEST)
            status, head = await answer(reader)
            assert await rest(reader) == b""
    assert status == 503
    assert b"retry-after: 5" in head.lower()
    assert b"content-type: application/x-protobuf" in head.lower()
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.OVERLOADED): 1}
