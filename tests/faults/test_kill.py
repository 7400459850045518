"""SIGKILL of the front process, a worker or both at random moments, under load over HTTP and gRPC at once.

What was acknowledged before is stored and judged afterwards, once. The moments come from a seed, so that a failure can
be run again: ``SIDECHECK_SEED``.
"""

import os
import random
import time
from contextlib import ExitStack

import pytest
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import DEFAULT_CHECKS, LIGHT_CHECKS, Watch, compare, settle
from faults.kit.scale import short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget
from faults.kit.traffic import plain

KILLS = short_or_long(3, 20)
SEED = int(os.environ.get("SIDECHECK_SEED", "20"))
RATE = short_or_long(20.0, 40.0)
SETTINGS, CHECKS = short_or_long((LIGHT, LIGHT_CHECKS), ({}, DEFAULT_CHECKS))
VICTIMS = ("front", "worker", "both")


def strike(sidecar: Sidecar, victim: str, chance: random.Random) -> None:
    """Kill ``victim`` and start again what does not start by itself; now and then once more while it starts."""
    if victim == "worker":
        sidecar.kill_worker(chance)
        return
    (sidecar.kill_both if victim == "both" else sidecar.kill)()
    if chance.random() < 0.25:
        sidecar.start(wait=False)
        time.sleep(chance.uniform(1.0, 5.0))  # into the imports, the recovery, the replay
        sidecar.kill()
    sidecar.start()


@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_or_judged_twice_when_processes_are_killed(tmp_path, table):
    chance = random.Random(SEED)
    ledger = Ledger(tmp_path / "ledger")
    with Sidecar(tmp_path / "data", **SETTINGS) as sidecar:
        with Watch(sidecar) as seen, ExitStack() as loads:
            for run, target in ((1, HttpTarget), (2, GrpcTarget)):
                address = sidecar.addresses[f"otlp_{target.name}"]
                loads.enter_context(Load(ledger, target(address), plain(run), rate=RATE, seed=SEED + run))
            for number in range(KILLS):
                time.sleep(chance.uniform(0.3, 2.0))  # the random moment
                strike(sidecar, VICTIMS[number % len(VICTIMS)], chance)
            loads.close()
            settle(sidecar)
        found = compare(ledger, sidecar.data_dir, CHECKS)
        table.add("SIGKILL of front, worker, both", KILLS, found, seen)
        found.assert_kept()
        seen.assert_sound()
