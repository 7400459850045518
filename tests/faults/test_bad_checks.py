"""A user's checks that raise, hang, crash and swell inside a real sidecar: they cost themselves only."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from faults.kit.bad_checks import WAYS
from faults.kit.ledger import Ledger
from faults.kit.oracle import LIGHT_CHECKS, Seen, Watch, compare, settle
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import HttpTarget, Kind
from faults.kit.traffic import plain, trace_id
from servers import until

TESTS = Path(__file__).parents[1]

SLOW = {"clings", "crashes", "ends"}
"""Ways that take a minute, or are much the same as another one."""
SURVIVED = {
    "raises": ("errored", "ValueError at faults.kit.bad_checks:"),
    "recurses": ("errored", "RecursionError at faults.kit.bad_checks:"),
    "exits": ("errored", "SystemExit at faults.kit.bad_checks:"),
    "loops": ("timed_out", "not done after 300 ms, at faults.kit.bad_checks:"),
    "sleeps": ("timed_out", "not done after 300 ms, at faults.kit.bad_checks:"),
    "matches": ("timed_out", "not done after 300 ms, at faults.kit.bad_checks:"),
    "swells": ("errored", "MemoryError at faults.kit.bad_checks:"),
}
LOST = {
    "aborts": "its worker process died (exit code -6)",
    "ends": "its worker process died (exit code 3)",
    "crashes": "its worker process died (exit code -11)",
    "clings": "its worker process was not done after 10.3 s, and was ended",
}
WITHIN_S = short_or_long(40.0, 150.0)
GIB = 1 << 30


def settings() -> dict[str, str]:
    """One check for each way beside the built-in ones; without those that make a worker slow to start."""
    chosen = {**LIGHT, "PYTHONPATH": str(TESTS)}
    for way in WAYS:
        key = f"SIDECHECK_CHECKS__{way.upper()}__"
        chosen |= {f"{key}USE": "faults.kit.bad_checks:Bad", f"{key}WAY": way, f"{key}DEADLINE": "300ms"}
    slow = {f"SIDECHECK_CHECKS__{way}__DEADLINE": "10s" for way in ("LEAKS", "SWELLS")}
    return {**chosen, **slow, "SIDECHECK_WORKERS": "2"}


@dataclass
class Bench:
    """A sidecar with all the bad checks, watched all the time."""

    sidecar: Sidecar
    seen: Seen
    target: HttpTarget
    ledger: Ledger
    _numbers: Iterator[int] = field(default_factory=count)

    def send(self, service: str) -> str:
        """Send one trace of a service; its id."""
        number = next(self._numbers)
        for request in plain(service=service)(number):
            self.ledger.attempt(request.spans)
            assert self.target.send(request.body).kind is Kind.ACKNOWLEDGED
            self.ledger.acknowledge(number, request.spans)
        return trace_id(number).hex()

    def verdicts(self, trace: str) -> dict[str, tuple[str, str]]:
        """Outcome and error of each check on a trace, as soon as it is judged."""

        def ask() -> dict[str, tuple[str, str]]:
            response = self.sidecar.get(f"/api/traces/{trace}", port="api")
            shown = response.json() if response.is_success else {"verdicts": []}
            return {verdict["check"]: (verdict["outcome"], verdict["error"]) for verdict in shown["verdicts"]}

        return until(f"trace {trace} is judged", ask, WITHIN_S)

    def assert_well(self) -> None:
        """Fail unless a trace that comes now is judged by all checks, and all that was counted adds up."""
        verdicts = self.verdicts(self.send("shop"))
        left_out = {check for check, (outcome, _) in verdicts.items() if outcome not in ("passed", "not_applicable")}
        assert left_out <= {"aborts"}, verdicts  # which test_a_check_that_kills_... wears out
        self.seen.assert_sound()
        self.seen.assert_quick()


@pytest.fixture(scope="module")
def bench(tmp_path_factory, table) -> Iterator[Bench]:
    data, ledger = tmp_path_factory.mktemp("bad_checks") / "data", Ledger(tmp_path_factory.mktemp("ledger") / "ledger")
    with Sidecar(data, **settings()) as sidecar, Watch(sidecar) as seen:
        target = HttpTarget(sidecar.addresses["otlp_http"])
        yield Bench(sidecar, seen, target, ledger)
        target.close()
        settle(sidecar)
    found = compare(ledger, data, LIGHT_CHECKS | set(WAYS))
    table.add("checks that misbehave", len(ledger.traces()), found, seen)
    found.assert_kept()


def others(verdicts: dict[str, tuple[str, str]], way: str) -> set[str]:
    """The outcomes of all checks but one, and but the one that a test wears out."""
    return {outcome for check, (outcome, _) in verdicts.items() if check not in (way, "aborts")}


@pytest.mark.parametrize("way", SURVIVED)
def test_a_check_that_fails_or_is_late_tells_how_and_costs_no_worker(bench, way):
    before = bench.sidecar.metric("sidecheck_worker_restarts_total")
    verdicts = bench.verdicts(bench.send(way))
    outcome, error = verdicts[way]
    assert (outcome, error.rpartition(":")[0] + ":") == SURVIVED[way]
    assert others(verdicts, way) == {"passed", "not_applicable"}
    assert bench.sidecar.metric("sidecheck_worker_restarts_total") == before
    bench.assert_well()


@pytest.mark.parametrize("way", [way for way in LOST if is_long() or way not in SLOW])
@pytest.mark.timeout(300)
def test_a_check_that_ends_its_worker_is_errored_and_the_other_checks_still_judge_the_trace(bench, way):
    trace = bench.send(way)
    verdicts = bench.verdicts(trace)
    assert verdicts[way] == ("errored", LOST[way])
    assert others(verdicts, way) == {"passed", "not_applicable"}
    assert way in (bench.sidecar.data_dir / "quarantine" / f"{trace}.reason.txt").read_text()
    bench.assert_well()


def test_a_worker_that_holds_on_to_memory_is_replaced_between_two_traces(bench):
    for _ in range(3):
        assert bench.verdicts(bench.send("leaks"))["leaks"][0] == "passed"
    bench.assert_well()
    bench.assert_well()
    assert bench.sidecar.rss_bytes() < 2 * GIB


def test_a_check_that_kills_a_worker_on_every_trace_is_left_out_so_that_the_others_go_on(bench):
    traces = [bench.send("aborts") for _ in range(20)]
    found = [bench.verdicts(trace) for trace in traces]
    assert {verdicts["aborts"][0] for verdicts in found} == {"errored"}
    assert sum("left out" in verdicts["aborts"][1] for verdicts in found) > len(found) / 2
    assert set().union(*(others(verdicts, "aborts") for verdicts in found)) == {"passed", "not_applicable"}
    assert any("aborts" in problem for problem in bench.seen.problems)
    bench.assert_well()
