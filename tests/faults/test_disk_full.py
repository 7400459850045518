"""A full disk: senders are told to wait, health says why, and all is well again as soon as there is room.

Once on a small file system of its own (where one can be mounted), and once with a limit on the size of files.
"""

from contextlib import ExitStack, contextmanager

import pytest
from faults.kit.disk import full
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import LIGHT_CHECKS, Watch, compare, settle
from faults.kit.scale import short_or_long
from faults.kit.sidecar import Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget
from faults.kit.traffic import plain
from servers import until

FULL_FOR = short_or_long(20, 200)
"""So many refusals are waited for while the disk is full."""
RECOVERS_WITHIN_S = 15.0


@contextmanager
def no_room(sidecar: Sidecar, how: str):
    """Let nothing more be written."""
    if how == "disk":
        with full(sidecar.data_dir):
            yield
    else:
        sidecar.limit_file_size(4096)
        yield
        sidecar.limit_file_size(None)


@pytest.mark.timeout(600)
def test_a_full_disk_is_told_to_senders_and_to_health_and_loses_nothing(shared, tmp_path, table):
    ledger = Ledger(tmp_path / "ledger")
    ways = ["disk", "limit"] if shared.data_dir.is_mount() else ["limit"]
    with Watch(shared) as seen:
        tallies = [strike(shared, ledger, how, run) for run, how in enumerate(ways, 1)]
        settle(shared)
    found = compare(ledger, shared.data_dir, LIGHT_CHECKS, alone=False)
    table.add("disk full", len(ways), found, seen)
    for how, tally in zip(ways, tallies, strict=True):
        assert tally == {"retried": {"503", "UNAVAILABLE"}, "dropped": set()}, how
    assert any("journal cannot be written" in problem for problem in seen.problems)
    found.assert_kept()
    seen.assert_sound()
    seen.assert_quick()


def strike(sidecar: Sidecar, ledger: Ledger, how: str, run: int) -> dict[str, set[str]]:
    """Fill the disk under load, wait for refusals over both transports, make room and wait until all is well."""
    with ExitStack() as stack:
        loads = [
            stack.enter_context(
                Load(ledger, target(sidecar.addresses[f"otlp_{target.name}"]), plain(10 * run + at), rate=30)
            )
            for at, target in enumerate((HttpTarget, GrpcTarget))
        ]
        until("something is acknowledged", lambda: all(load.tally.acknowledged > 10 for load in loads))
        with no_room(sidecar, how):
            until("senders are refused", lambda: all(load.tally.retried.total() >= FULL_FOR for load in loads))
            assert sidecar.health()["status"] == "degraded"
        until(f"health is well again ({how})", lambda: sidecar.health()["status"] == "ok", RECOVERS_WITHIN_S)
    return {
        "retried": {status for load in loads for status in load.tally.retried},
        "dropped": {status for load in loads for status in load.tally.dropped},
    }
