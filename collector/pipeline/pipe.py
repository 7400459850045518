"""The pipes to the workers and back: as those of ``multiprocessing``, but that telemetry is not copied on its way.

What a message holds as a ``pickle.PickleBuffer`` is written from where it is, and read to where it is then taken from.
Owns how a message lies in the pipe, and how long the locks of a pipe's ends are there; who reads and writes when is the
business of the pool.
"""

import os
import pickle
import struct
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext, ForkServerContext, SpawnContext
from multiprocessing.reduction import DupFd
from multiprocessing.synchronize import RLock
from typing import Any

from collector.pipeline.job import PICKLES_BUFFERS

KEPT_BYTES = 3 << 20
"""Room for a message of this size is kept for the next one: to have a batch's room mapped anew costs as much as to copy
it twice."""

_HEAD = struct.Struct("!QQQ")
"""Bytes of the pickle, number of its buffers, bytes of these."""
_SIZE = struct.Struct("!Q")
_AT_ONCE = 1_000
"""Parts of a message that are written with one call; the system's limit is 1,024."""


class PipeEnd(Connection):
    """One end of a pipe. Used by one thread at a time."""

    def __init__(self, handle: int, readable: bool = True, writable: bool = True) -> None:
        super().__init__(handle, readable, writable)
        self._room = bytearray()

    def __reduce__(self) -> tuple[Any, ...]:
        """For a process that is being started."""
        return _rebuilt, (DupFd(self.fileno()), self.readable, self.writable)

    def send(self, obj: Any) -> None:
        """See ``Connection.send``."""
        apart: list[pickle.PickleBuffer] = []
        told = pickle.dumps(obj, PICKLES_BUFFERS, buffer_callback=apart.append)
        buffers = [buffer.raw() for buffer in apart]
        sizes = [buffer.nbytes for buffer in buffers]
        head = _HEAD.pack(len(told), len(buffers), sum(sizes))
        self._write([head + b"".join(map(_SIZE.pack, sizes)), told, *buffers])

    def recv(self) -> Any:
        """See ``Connection.recv``."""
        told, number, size = _HEAD.unpack(self._read(_HEAD.size, begins=True))
        sizes = [each for (each,) in _SIZE.iter_unpack(self._read(number * _SIZE.size))]
        message = self._read(told + size)
        buffers = []
        at = told
        for each in sizes:
            buffers.append(bytes(message[at : at + each]))
            at += each
        return pickle.loads(message[:told], buffers=buffers)  # noqa: S301 - of the sidecar's own processes

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        handle, left = self.fileno(), [*parts]
        done = 0
        while done < len(left):
            written = os.writev(handle, left[done : done + _AT_ONCE])
            while done < len(left) and written >= len(left[done]):
                written -= len(left[done])
                done += 1
            if written:  # a part of a part
                left[done] = memoryview(left[done])[written:]

    def _read(self, size: int, *, begins: bool = False) -> memoryview:
        """The next bytes, which are there until the next call.

        ``begins`` says that a message does: only then the other side may be gone. Raises ``EOFError`` where it is.
        """
        if size > len(self._room):
            self._room = bytearray(size)
        view, handle = memoryview(self._room)[:size], self.fileno()
        if size > KEPT_BYTES:
            self._room = bytearray()
        at = 0
        while at < size:
            read = os.readv(handle, [view[at:]])
            if not read:
                raise EOFError if begins and not at else OSError("the pipe ended in the middle of a message")
            at += read
        return view


def pair() -> tuple[PipeEnd, PipeEnd]:
    """A pipe: the end to read from, and the one to write to."""
    reader, writer = os.pipe()
    return PipeEnd(reader, writable=False), PipeEnd(writer, readable=False)


class _Pipes(BaseContext):
    def __init__(self) -> None:
        super().__init__()
        self._locks: list[RLock] = []

    def RLock(self) -> RLock:  # noqa: N802 - multiprocessing's name
        """As any, but there until the context goes.

        The pool lets go of its locks before it ends its workers. One that only begins then would look up the name of a
        lock that is gone, and end in a stack trace (`SemLock._rebuild`).
        """
        lock = super().RLock()
        self._locks.append(lock)
        return lock

    def Pipe(self, duplex: bool = True) -> tuple[PipeEnd, PipeEnd]:  # noqa: N802 - multiprocessing's name
        """One way, as the pool asks for."""
        if duplex:
            raise ValueError("these pipes lead one way")
        return pair()


class Copying(_Pipes, ForkServerContext):
    """Starts processes as copies of one, with these pipes and locks."""


class Spawning(_Pipes, SpawnContext):
    """Starts processes anew, with these pipes and locks."""


def _rebuilt(handle: Any, readable: bool, writable: bool) -> PipeEnd:
    return PipeEnd(handle.detach(), readable, writable)
