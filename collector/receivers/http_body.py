"""Reading an HTTP request's body under a limit."""

from starlette.requests import ClientDisconnect, Request

from collector.intake import Refusal, Refused
from collector.receivers.compression import too_large
from collector.receivers.limits import ReceiverLimits


async def read_body(request: Request, limits: ReceiverLimits) -> bytes:
    """Return the body as it was sent, compressed or not.

    Raises:
        Refused: ``TOO_LARGE``, by the ``Content-Length`` before a byte is read, else as soon as the limit is passed;
            ``MALFORMED`` if the sender went away.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limits.request_bytes:
        raise too_large(limits)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limits.request_bytes:
                raise too_large(limits)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Refused(Refusal.MALFORMED, "the request ended before its body did") from None
    return b"".join(chunks)
