"""A server of DNS as a container engine has it: the addresses (A) of all containers of a service, by its name."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

PORT = 53
ADDRESS, INTERNET = 1, 1
ANSWERED, UNKNOWN = 0x8580, 0x8583
"""Flags of RFC 1035, 4.1.1: a response, authoritative, recursion desired and available; and "no such name"."""
ASKED_NAME = 0xC00C
"""A pointer to the name in the question, which begins behind the 12 bytes of the header."""


class Resolver(socketserver.UDPServer):
    """Listens from the start; ``names`` are the services with their IPv4 addresses."""

    def __init__(self, listen: tuple[str, int], names: Mapping[str, Sequence[str]]) -> None:
        super().__init__(listen, _Question)
        self.names = names

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answer meanwhile."""
        with self:
            thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                self.shutdown()
                thread.join()


class _Question(socketserver.BaseRequestHandler):
    server: Resolver

    def handle(self) -> None:
        asked, reply_socket = self.request
        reply_socket.sendto(answer(asked, self.server.names), self.client_address)


def answer(asked: bytes, names: Mapping[str, Sequence[str]]) -> bytes:
    """The response to a query with one question; what is more in it (EDNS) is passed over."""
    name, end = _name(asked)
    question, (kind,) = asked[12 : end + 4], struct.unpack(">H", asked[end : end + 2])
    found = names.get(name, ()) if kind == ADDRESS else ()
    head = struct.pack(">HHHHH", ANSWERED if name in names else UNKNOWN, 1, len(found), 0, 0)
    record = struct.pack(">HHHIH", ASKED_NAME, ADDRESS, INTERNET, 1, 4)
    return asked[:2] + head + question + b"".join(record + socket.inet_aton(address) for address in found)


def _name(asked: bytes) -> tuple[str, int]:
    """The name in the question, in lower case and without its last dot, and where it ends."""
    labels, at = [], 12
    while length := asked[at]:
        labels.append(asked[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels).lower(), at + 1
