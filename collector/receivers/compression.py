"""Decompression of request bodies under limits. Knows encodings by their HTTP names, nothing of what is inside.

A body of 22 KiB can unpack to gigabytes, so the output is counted while it is made: the compressed bytes are fed in
small portions and the work stops as soon as the limit is passed.
"""

import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

from collector.intake import Refusal, Refused
from collector.receivers.limits import MIB, ReceiverLimits

PORTION = 1024
"""Bytes fed at once. The densest zstd block is 4 bytes for 128 KiB: a portion makes 32 MiB at worst."""

ZSTD_WINDOW = 8 * MIB
"""The largest window a zstd frame may ask for: what RFC 8878, section 3.1.1.1.2, asks every decoder to support."""

MEMBERS = 1000
"""The most members of one body. Both formats allow many; a body of nothing but empty ones is an attack."""

ENCODINGS = ("gzip", "deflate", "zstd", "identity")
"""The values of ``Content-Encoding`` that are understood."""


class _Unpacker(Protocol):
    """What ``zlib`` and ``zstandard`` decompression objects have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def decompress(
    body: bytes, encoding: str | None, limits: ReceiverLimits, unpacked: Callable[[int], None] = lambda _size: None
) -> bytes:
    """Return the body as it was before compression.

    Args:
        body: The bytes as they were sent.
        encoding: The value of ``Content-Encoding``; ``None`` and an empty string mean ``identity``.
        limits: ``request_bytes`` and ``compression_ratio`` are enforced.
        unpacked: Told of the size of each portion before the next one is unpacked, never of an uncompressed body. What
            it raises ends the work.

    Raises:
        Refused: ``UNSUPPORTED_TYPE`` for another encoding, ``MALFORMED`` for a broken stream, ``TOO_LARGE`` for a body
            that is larger than allowed, packed or unpacked.
    """
    name = (encoding or "identity").strip().lower()
    if len(body) > limits.request_bytes:
        raise too_large(limits)
    if name == "identity":
        return body
    output = _Output(len(body), limits, unpacked)
    if name in {"gzip", "x-gzip"}:
        return _unpack(body, "gzip", lambda: zlib.decompressobj(wbits=31), output)
    if name == "deflate":
        wbits = 15 if is_zlib(body) else -15
        return _unpack(body, name, lambda: zlib.decompressobj(wbits=wbits), output)
    if name == "zstd":
        return _unpack(body, name, zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj, output)
    raise Refused(Refusal.UNSUPPORTED_TYPE, f"the Content-Encoding is not supported; use one of {', '.join(ENCODINGS)}")


def is_zlib(body: bytes) -> bool:
    """Whether the bytes start with a zlib header (RFC 1950). "deflate" means that, but some clients send it raw."""
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0


def too_large(limits: ReceiverLimits) -> Refused:
    """Return the refusal of a body over ``limits.request_bytes``."""
    return Refused(
        Refusal.TOO_LARGE,
        f"the request is larger than the limit of {limits.request_bytes} bytes (limits.request); send smaller batches",
    )


def _unpack(body: bytes, name: str, unpacker: Callable[[], _Unpacker], output: "_Output") -> bytes:
    """Unpack one or more members (frames), one after another."""
    at = members = 0
    while at < len(body):
        members += 1
        if members > MEMBERS:
            raise Refused(Refusal.TOO_LARGE, f"the {name} body is made of more than {MEMBERS} members; send it as one")
        at = _unpack_member(body, at, name, unpacker(), output)
    return output.joined()


def _unpack_member(body: bytes, at: int, name: str, member: _Unpacker, output: "_Output") -> int:
    """Unpack the member that starts at ``at`` into ``output``; return the offset after it."""
    try:
        for start in range(at, len(body), PORTION):
            portion = body[start : start + PORTION]
            output.add(member.decompress(portion))
            if member.eof:
                return start + len(portion) - len(member.unused_data)
    except (zlib.error, zstandard.ZstdError):
        raise Refused(Refusal.MALFORMED, f"the body is not valid {name}, as its Content-Encoding says") from None
    raise Refused(Refusal.MALFORMED, f"the {name} body ends too early: it was cut on the way")


class _Output:
    """What was unpacked so far, never more than allowed."""

    def __init__(self, packed_size: int, limits: ReceiverLimits, unpacked: Callable[[int], None]) -> None:
        self._limits = limits
        self._unpacked = unpacked
        self._by_ratio = max(MIB, packed_size * limits.compression_ratio)
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Keep a chunk, or refuse the body."""
        self._size += len(chunk)
        if self._size > self._limits.request_bytes:
            raise too_large(self._limits)
        if self._size > self._by_ratio:
            ratio = self._limits.compression_ratio
            raise Refused(
                Refusal.TOO_LARGE, f"the body unpacks to more than {ratio} times its size (limits.compression_ratio)"
            )
        self._unpacked(len(chunk))
        self._chunks.append(chunk)

    def joined(self) -> bytes:
        """Return all of it."""
        return b"".join(self._chunks)
