"""The server of DNS that stands in for a container engine's, asked by packets as RFC 1035 has them."""

import socket
import struct

from resolver import answer

NAMES = {"sidecheck": ["10.213.77.11", "10.213.77.12"], "page": ["10.213.77.13"]}
A, AAAA = 1, 28


def asked(name: str, kind: int) -> bytes:
    """A query, with the record of EDNS that Go's clients add."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    edns = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack(">HH", kind, 1) + edns


def answered(name: str, kind: int = A) -> tuple[int, list[str]]:
    """The code of the answer, and its addresses."""
    said = answer(asked(name, kind), NAMES)
    number, flags, questions, count = struct.unpack(">HHHH", said[:8])
    assert (number, questions) == (7, 1)
    addresses = [socket.inet_ntoa(said[end - 4 : end]) for end in range(len(said), len(said) - 16 * count, -16)]
    return flags & 0xF, sorted(addresses)


def test_a_service_has_the_addresses_of_all_its_containers():
    assert answered("sidecheck") == (0, ["10.213.77.11", "10.213.77.12"])
    assert answered("Page") == (0, ["10.213.77.13"])


def test_there_is_no_other_name_and_no_address_of_another_kind():
    assert answered("nobody.example") == (3, [])
    assert answered("page", AAAA) == (0, [])
