"""Usual traffic beside a fault: whether it is judged in time, and what became of it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import LIGHT_CHECKS, Comparison, compare, settle
from faults.kit.sidecar import Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget
from faults.kit.traffic import plain

SERVICE = "canary"
RUN = 2
"""Keeps its numbers apart from those of other loads in a test; 12 is taken as well where there are two ports."""
TARGETS = {"otlp_grpc": GrpcTarget, "otlp_http": HttpTarget}
WITHIN_S = 10.0


@contextmanager
def canaries(
    sidecar: Sidecar, settles_within_s: float, ports: Sequence[str] = ("otlp_grpc",)
) -> Iterator[list[Comparison]]:
    """Usual traffic while the block runs, and in the end what became of it, as the only item of a list."""
    ledger, found = Ledger(sidecar.data_dir.with_name("canaries")), []
    targets = [TARGETS[port](sidecar.addresses[port]) for port in ports]
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load(ledger, target, plain(RUN + 10 * number, service=SERVICE), rate=5.0))
            for number, target in enumerate(targets)
        ]
        yield found
    settle(sidecar, settles_within_s)
    for target, load in zip(targets, loads, strict=True):
        target.close()
        assert load.tally.dropped == {}
    found.append(compare(ledger, sidecar.data_dir, LIGHT_CHECKS, alone=False))


def delays(sidecar: Sidecar, service: str = SERVICE) -> list[float]:
    """Seconds from the end of each trace of a service to its verdict."""
    with closing(sqlite3.connect(sidecar.data_dir / "sidecheck.db", timeout=30)) as connection:
        query = "SELECT evaluated_ns - end_ns FROM traces WHERE service = ?"
        return [wait / 1e9 for (wait,) in connection.execute(query, (service,))]
