"""Reading an HTTP request's body under a limit, and no further than there is memory for."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from collector.intake import Refusal, Refused, Room
from collector.receivers.compression import too_large
from collector.receivers.limits import ReceiverLimits

_GIVEN_UP = {408: Refusal.TOO_SLOW, 503: Refusal.SHUTTING_DOWN}
"""What a server that does not wait for the rest of a body raises, by its status."""


async def read_body(request: Request, limits: ReceiverLimits, room: Room | None = None) -> bytes:
    """Return the body as it was sent, compressed or not.

    Args:
        request: The request, its body not read yet.
        limits: ``request_bytes`` is enforced.
        room: Asked for what ``Content-Length`` announces before a byte is read, and grown by what was read. What is
            only announced is not set aside: it costs a sender nothing to announce much.

    Raises:
        Refused: ``TOO_LARGE``, by the ``Content-Length`` before a byte is read, else as soon as the limit is passed;
            ``MALFORMED`` if the sender went away; ``TOO_SLOW`` if the server's patience is at its end,
            ``SHUTTING_DOWN`` if the server itself is; what ``room`` raises.
    """
    announced = request.headers.get("content-length", "")
    expected = int(announced[:20]) if announced.isdecimal() else 0
    if expected > limits.request_bytes:
        raise too_large(limits)
    if room is not None:
        room.expect(expected)
    try:
        return await _joined(request, limits, room)
    except ClientDisconnect:
        raise Refused(Refusal.MALFORMED, "the request ended before its body did") from None
    except HTTPException as error:  # from the server, whose clock runs for all that is read
        if error.status_code not in _GIVEN_UP:
            raise
        raise Refused(_GIVEN_UP[error.status_code], error.detail) from None


async def _joined(request: Request, limits: ReceiverLimits, room: Room | None) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.request_bytes:
            raise too_large(limits)
        if room is not None:
            room.grow(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)
