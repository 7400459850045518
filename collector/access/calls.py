"""Access to gRPC: no call gets further without a valid token, and none has its message read before."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio

from collector.access.http import NEEDS_TOKEN
from collector.access.tokens import TokenFile, bearer_token
from collector.intake import Intake, Refusal, Source


def guard_calls(tokens: TokenFile | None, intake: Intake) -> Sequence[grpc.aio.ServerInterceptor]:
    """The interceptors of the OTLP/gRPC server. The token is in the metadata ``authorization``, as over HTTP."""
    if tokens is None:
        return ()
    return (_TokenInterceptor(tokens, lambda: intake.refused(Source.OTLP_GRPC, Refusal.UNAUTHENTICATED)),)


class _TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Refuses calls without a valid token."""

    def __init__(self, tokens: TokenFile, refused: Callable[[], None]) -> None:
        self._tokens = tokens
        self._refused = refused

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Choose who handles the call."""
        token = _token(handler_call_details.invocation_metadata or ())
        if token is not None and self._tokens.accepts(token):
            return await continuation(handler_call_details)
        self._refused()
        return grpc.stream_unary_rpc_method_handler(_refuse)  # a handler of streams does not wait for the message


def _token(metadata: Sequence[tuple[str, str | bytes]]) -> bytes | None:
    for key, value in metadata:
        if key == "authorization":
            return bearer_token(value.encode("latin-1") if isinstance(value, str) else value)
    return None


async def _refuse(_messages: object, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, NEEDS_TOKEN)
