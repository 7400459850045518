"""Traces as apps really send them: late, twice, without a root, in circles, by a clock a year off. And SIGTERM."""

from contextlib import ExitStack

import pytest
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import LIGHT_CHECKS, Watch, compare, settle, stored_traces
from faults.kit.scale import short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import GrpcTarget, HttpTarget
from faults.kit.traffic import late, misshapen, plain, trace_id
from servers import until

SECONDS = short_or_long(4.0, 60.0)
STOPS = short_or_long(1, 10)
STOPS_WITHIN_S = 10.0


@pytest.mark.timeout(300)
def test_late_repeated_and_misshapen_traces_are_all_judged_once(shared, tmp_path, table):
    ledger = Ledger(tmp_path / "ledger")
    http, grpc = HttpTarget(shared.addresses["otlp_http"]), GrpcTarget(shared.addresses["otlp_grpc"])
    with Watch(shared) as seen, ExitStack() as loads:
        kinds = [(http, late(31), 0.0), (grpc, plain(32), 0.1), (http, misshapen(33), 0.0), (grpc, late(34), 0.1)]
        started = [
            loads.enter_context(Load(ledger, target, make, rate=20, seconds=SECONDS, duplicates=share))
            for target, make, share in kinds
        ]
        loads.close()
        settle(shared)
    found = compare(ledger, shared.data_dir, LIGHT_CHECKS, alone=False)
    table.add("late spans, 10 % duplicates, odd shapes, odd clocks", 1, found, seen)
    found.assert_kept()
    seen.assert_sound()
    seen.assert_quick()
    assert shared.metric("sidecheck_late_spans_total") > 0
    assert sum(load.tally.duplicated for load in started) > 0
    stored = stored_traces(shared.data_dir)
    assert len(stored[trace_id(0, run=31).hex()].span_ids) == 3  # the late one has joined the others


@pytest.mark.timeout(900)
def test_sigterm_under_load_ends_soon_and_loses_nothing(tmp_path, table):
    ledger = Ledger(tmp_path / "ledger")
    for stop in range(1, STOPS + 1):
        with Sidecar(tmp_path / "data", **LIGHT) as sidecar, Watch(sidecar) as seen:
            target = HttpTarget(sidecar.addresses["otlp_http"])
            with Load(ledger, target, plain(stop), rate=200, senders=8, patience_s=1.0) as load:
                until("requests are acknowledged", lambda load=load: load.tally.acknowledged > 100)
                code, took = sidecar.terminate(within_s=60.0)
        found = compare(ledger, sidecar.data_dir, LIGHT_CHECKS, stopped=True)
        table.add("SIGTERM under load", 1, found, seen)
        assert code == 0
        assert took < STOPS_WITHIN_S
        assert set(load.tally.retried) <= {"503", "ConnectError", "ReadError", "RemoteProtocolError"}
        found.assert_kept()
        seen.assert_sound()
        seen.assert_quick()
