"""``sidecheck forget`` and ``sidecheck explain``, against a running sidecar and against what it left."""

import json
import os
import pty
import subprocess

import httpx
import pytest
from otlp import a_proto_span, a_trace_request
from pipeline_fakes import text, trace_id
from servers import SIDECHECK, environment, serving, until
from store_builders import a_failing_record, a_record, save
from typer.testing import CliRunner

from collector.cli import app
from exporters.store import Store

SECRET = "the-text-that-must-go"


def send(server, number, *attributes):
    """One trace of one span."""
    ids = {"trace_id": number.to_bytes(16, "big"), "attributes": [text("said", SECRET), *attributes]}
    body = a_trace_request(a_proto_span(**ids)).SerializeToString()
    headers = {"Content-Type": "application/x-protobuf"}
    httpx.post(f"http://{server.otlp_http}/v1/traces", content=body, headers=headers, timeout=30).raise_for_status()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """No variable of the tester's configures a command."""
    for name in [name for name in os.environ if name.startswith("SIDECHECK_")]:
        monkeypatch.delenv(name)


def command(*arguments, **env):
    """Run a command, its standard input no terminal; give its exit code and all that it printed."""
    done = CliRunner().invoke(app, arguments, env=env)
    return done.exit_code, " ".join(done.output.split())


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_running_sidecar_forgets_and_explains(tmp_path):
    data = tmp_path / "data"
    checks = {"SIDECHECK_CHECKS": '{"latency": {}}', "SIDECHECK_PROMOTION__REDACT": "false"}  # those that load nothing
    with serving(data, SIDECHECK_ASSEMBLY__IDLE="60s", **checks) as server:
        url = ("--url", f"http://{server.api}")
        send(server, 1, text("user.id", "ann"))
        send(server, 2)
        until("both are stored", lambda: server.trace(trace_id(1)) and server.trace(trace_id(2)))
        code, told = command("explain", trace_id(1), *url)
        assert (code, "closed by root_seen" in told, "nothing was found wrong" in told) == (0, True, True)

        code, told = command("forget", "--user-id", "ann", "--yes", *url)
        assert (code, f"forgotten by the sidecar at {url[1]}: 1 trace" in told) == (0, True)
        assert trace_id(1) in told
        assert server.trace(trace_id(1)) is None
        send(server, 1, text("user.id", "ann"))
        send(server, 3)
        until("it is stored", lambda: server.trace(trace_id(3)))
        assert server.trace(trace_id(1)) is None
        assert server.metric("sidecheck_dropped_total", what="trace", reason="forgotten") == 1
        code, told = command("explain", trace_id(1), "--json", *url)
        assert (code, json.loads(told)["state"]) == (0, "forgotten")

        for number in (1, 2, 3):
            assert command("forget", "--trace-id", trace_id(number), "--yes", *url)[0] == 0
        assert SECRET.encode() not in on_disk(data)
    assert SECRET.encode() not in on_disk(data)


@pytest.fixture
def left(tmp_path):
    """The settings of a sidecar that does not run, and left a store."""
    with Store.open(None, tmp_path) as store:
        save(store, a_failing_record(1, user_id="ann"), a_record(2))
        store.promote("case-1", "eve", "", 1)
    return {"SIDECHECK_DATA_DIR": str(tmp_path), "SIDECHECK_API__LISTEN": "127.0.0.1:1"}


def test_where_no_sidecar_runs_the_store_itself_is_used_and_that_is_said(left, tmp_path):
    code, told = command("explain", trace_id(1), **left)
    assert (code, "no sidecar answers at http://127.0.0.1:1" in told, "found missing" in told) == (0, True, True)
    code, told = command("forget", "--trace-id", trace_id(1), "--yes", **left)
    assert code == 0
    assert "from the store itself, since no sidecar answers at http://127.0.0.1:1: 1 trace" in told
    assert "1 case, 1 of them promoted" in told
    assert "files that promoted cases were exported to still hold them" in told
    with Store.open(None, tmp_path) as store:
        assert store.known([trace_id(1), trace_id(2)]) == {trace_id(2)}
        assert store.case("case-1") is None


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("forget", "--yes"), "name exactly one of --trace-id, --user-id and --session-id"),
        (("forget", "--yes", "--user-id", "a", "--trace-id", trace_id(1)), "name exactly one of"),
        (("forget", "--yes", "--trace-id", "xyz"), "must be 32 hexadecimal digits"),
        (("forget", "--user-id", "ann"), "say --yes"),
        (("forget", "--yes", "--user-id", "ann", "--url", "ftp://x"), "must begin with http"),
        (("forget", "--yes", "--user-id", "ann", "--url", "http://127.0.0.1:1"), "no sidecheck answers at"),
        (("explain", trace_id(1), "--url", "http://127.0.0.1:1"), "no sidecheck answers at"),
        (("explain", "xyz"), "must be 32 hexadecimal digits"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence_and_removes_nothing(left, tmp_path, arguments, problem):
    code, told = command(*arguments, **left)
    assert (code, problem in told) == (2, True), told
    assert told.startswith("sidecheck: ")
    with Store.open(None, tmp_path) as store:
        assert store.known([trace_id(1)])


@pytest.mark.parametrize("arguments", [("forget", "--yes", "--user-id", "ann"), ("explain", trace_id(1))])
def test_where_there_is_neither_a_sidecar_nor_a_store_none_is_made(tmp_path, arguments):
    env = {"SIDECHECK_DATA_DIR": str(tmp_path / "none"), "SIDECHECK_API__LISTEN": "127.0.0.1:1"}
    code, told = command(*arguments, **env)
    assert (code, "there is no store in" in told) == (2, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 2), (b"y\n", 0)])
def test_a_person_is_asked_first(left, tmp_path, answer, code):
    """On a terminal, which here is a pseudo one."""
    ours, theirs = pty.openpty()
    arguments = [SIDECHECK, "forget", "--user-id", "ann"]
    process = subprocess.Popen(
        arguments, env=environment(left), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.write(ours, answer)
    told = b" ".join(process.communicate(timeout=60)).decode()
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code
    assert "Remove all traces of this user" in told
    with Store.open(None, tmp_path) as store:
        assert store.known([trace_id(1)]) == (set() if code == 0 else {trace_id(1)})
