"""Connections that hold on to a server: they say nothing, or a little now and then, and come again when it hangs up."""

import contextlib
import resource
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

EVERY_S = 0.2
HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n"
"""The beginning of what an HTTP/2 client says first (RFC 9113, section 3.4)."""


@dataclass
class Crowd:
    """``count`` connections to ``address``: each says ``first``, then ``more`` again and again.

    ``hung_up`` counts how often the server closed one.
    """

    name: str
    address: str
    count: int
    first: bytes = b""
    more: bytes = b""
    hung_up: int = 0
    sockets: list[socket.socket] = field(default_factory=list)

    def press(self) -> None:
        """Say more on each connection, and open what is missing."""
        for each in list(self.sockets):
            if not _goes_on(each, self.more):
                self.hung_up += 1
                self.sockets.remove(each)
                each.close()
        for _ in range(self.count - len(self.sockets)):
            with contextlib.suppress(OSError):  # the server has no room: the next round tries again
                self.sockets.append(self._opened())

    def _opened(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        opened = socket.create_connection((host, int(port)), timeout=2.0)
        opened.setblocking(False)
        with contextlib.suppress(OSError):  # it is found out in the next round
            opened.send(self.first)
        return opened


class SlowSenders:
    """``with SlowSenders(crowds):`` presses on until the block ends."""

    def __init__(self, crowds: Sequence[Crowd]) -> None:
        self._crowds = crowds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "SlowSenders":
        allow_files(sum(crowd.count for crowd in self._crowds) + 500)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for crowd in self._crowds:
            for each in crowd.sockets:
                each.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for crowd in self._crowds:
                crowd.press()
            self._stop.wait(EVERY_S)


def allow_files(count: int) -> None:
    """Let this process have so many files open, if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard)
        )


def _goes_on(connection: socket.socket, more: bytes) -> bool:
    """Whether the server still listens; what it says is thrown away."""
    try:
        while True:
            if not connection.recv(4096):
                return False
    except BlockingIOError:
        pass
    except OSError:
        return False
    try:
        connection.send(more)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
