"""Whose telemetry it is that the store does not hold yet: the traces of a user or a session among encoded ones."""

from collections.abc import Iterable

from checks.trace import CloseReason
from collector.pipeline.assembler import assemble
from collector.pipeline.splitting import Telemetry
from exporters.store import ForgetTarget


def belonging(target: ForgetTarget, traces: Iterable[tuple[str, Telemetry]]) -> set[str]:
    """The ids of those ``traces`` that are the target's, as the store would say once it holds them."""
    return {
        trace_id
        for trace_id, (spans, logs) in traces
        if (_may_hold(target.value, spans) or _may_hold(target.value, logs)) and _is_of(target, trace_id, spans, logs)
    }


def names(target: ForgetTarget, encoded: bytes) -> bool:
    """Whether some attribute's value is the target's id, found without reading the telemetry as a trace.

    For what must not be read because it brought processes down: here rather too much goes than too little.
    """
    return any(value in encoded for value in _as_values(target.value))


def _is_of(target: ForgetTarget, trace_id: str, spans: bytes, logs: bytes) -> bool:
    from collector.conventions.read import read  # all conventions, which no start has to wait for

    interaction = read(assemble(trace_id, spans, logs, CloseReason.IDLE))
    if target.kind == "session":
        return interaction.session_id == target.value
    return target.value in {interaction.user_id, *(said.user_id for said in interaction.feedback)}


def _may_hold(value: str, encoded: bytes) -> bool:
    """Cheap, and never wrong when it says no: a backslash may hide the id in JSON within a text."""
    return _text(value) in encoded or b"\\" in encoded or any(v in encoded for v in _as_values(value))


def _as_values(value: str) -> list[bytes]:
    """The ways in which an OTLP ``AnyValue`` encodes an id: as a string and, where it is a number, as that.

    Field numbers: https://github.com/open-telemetry/opentelemetry-proto (common.proto).
    """
    text = _text(value)
    found = [b"\x0a" + _varint(len(text)) + text]
    if value.isascii() and value.isdecimal() and int(value) < 2**63:
        found.append(b"\x18" + _varint(int(value)))
    return found


def _text(value: str) -> bytes:
    return value.encode("utf-8", "replace")  # a command's argument may be no text; no telemetry holds it then


def _varint(number: int) -> bytes:
    """A number as protobuf writes it: seven bits a byte, the lowest first."""
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
