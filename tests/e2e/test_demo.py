"""``sidecheck demo`` as a person runs it."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from servers import CLIENT, SIDECHECK, environment, run_sidecheck, until

USUAL_PORTS = (4317, 4318, 8321, 9464)


@contextmanager
def usual_ports_taken() -> Iterator[None]:
    """Hold the usual ports, those that something else holds already left to it."""
    with ExitStack() as held:
        for port in USUAL_PORTS:
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:
                assert is_taken(port)
        yield


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def addresses(output: str) -> dict[str, str]:
    """The addresses that the demo printed, by what stands before them."""
    return dict(re.findall(r"^  (\S.*?) {2,}http://([\d.]+:\d+)", output, re.MULTILINE))


def test_the_demo_shows_passes_failures_and_addresses_and_ends_by_itself():
    done = run_sidecheck("demo", "--exit")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert len(rows) >= 30
    for shown in ("pass", "FAIL", "thumbs_down", "phone_number", "truncated", "missing"):
        assert [row for row in rows if shown in row], shown
    assert not re.search(r"timeout|\berror\b", "".join(rows))
    assert re.search(r"30 traces: \d+ passed, \d+ failed", done.stdout)
    assert len(set(addresses(done.stdout).values())) == 4


@pytest.fixture
def staying(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A demo that stays up on ports of its own, since the usual ones are taken, and what it printed."""
    printed = tmp_path / "printed"
    with usual_ports_taken():
        with printed.open("wb") as file:
            process = subprocess.Popen([SIDECHECK, "demo"], env=environment({}), stdout=file, stderr=file)
        try:
            yield process, printed
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def test_with_the_usual_ports_taken_the_demo_takes_others_and_stays_up_until_ctrl_c(staying):
    process, printed = staying
    until("the demo stays up", lambda: "It stays up" in printed.read_text(), 60)
    shown = addresses(printed.read_text())
    assert not {int(address.rpartition(":")[2]) for address in shown.values()} & set(USUAL_PORTS)

    traces = CLIENT.get(f"http://{shown['page and API']}/api/traces").json()["traces"]
    assert len(traces) == 30
    assert "sidecheck_traces_evaluated_total" in CLIENT.get(f"http://{shown['metrics']}/metrics").text

    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert "Traceback" not in printed.read_text()
