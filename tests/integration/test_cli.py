"""The command line as a person and a script meet it: exit codes, one-sentence errors, what goes to which stream.

Long, since every command has its part here and all parts share how a command is run and a folder is set up.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from otlp import a_logs_request, a_proto_span, a_trace_request, as_otlp_json, recorded
from pipeline_fakes import a_job, text
from store_builders import a_failing_record, save
from typer.testing import CliRunner

from collector.cli import FORMATS_HELP, app
from exporters.dataset.case import CaseStatus
from exporters.dataset.formats import FORMATS
from exporters.store import CaseLimits, Store

SIDECHECK = Path(sys.executable).with_name("sidecheck")
PASSING, FAILING = recorded("rag_cited.binpb")[0], recorded("rag_uncited.binpb")[0]
USAGE_ERROR = 2


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def problem(self) -> str:
        """The one sentence of an error; asserts that there is nothing else, and no stack trace."""
        assert self.code == USAGE_ERROR, (self.code, self.err)
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("sidecheck: ")
        return line.removeprefix("sidecheck: ")


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    """Every command runs in an empty folder, without variables of the tester's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIDECHECK_")]:
        monkeypatch.delenv(name)


def sidecheck(*arguments: object, stdin: bytes = b"", **env: str) -> Ended:
    """Run a command in this process; an exception that it lets out fails the test."""
    result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin, env=env, catch_exceptions=False)
    return Ended(result.exit_code, result.stdout_bytes.decode(), result.stderr_bytes.decode())


def in_a_process(*arguments: object, stdin: bytes = b"", **env: str) -> Ended:
    """Run the installed program."""
    command, environment = [str(SIDECHECK), *map(str, arguments)], {**os.environ, **env}
    done = subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=100)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


RUNNERS = pytest.mark.parametrize("run", [sidecheck, in_a_process])


@pytest.fixture
def cases(tmp_path):
    """A store in the default place with a promoted case (1) and a candidate (2)."""
    with Store.open(None, tmp_path / "sidecheck-data") as store:
        save(store, a_failing_record(1), status=CaseStatus.PROMOTED)
        save(store, a_failing_record(2), limits=CaseLimits(per_cluster=10))


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


# All commands


@RUNNERS
def test_version_names_the_program_and_its_version(run):
    ended = run("--version")
    assert ended.code == 0
    assert re.fullmatch(r"sidecheck \d+\.\d+\.\d+\n", ended.out)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["check"],
        ["demo"],
        ["export"],
        ["feedback"],
        ["config"],
        ["config", "validate"],
        ["dataset"],
        ["dataset", "import"],
    ],
    ids=" ".join,
)
def test_help_says_how_a_command_is_used(command):
    ended = sidecheck(*command, "--help")
    assert ended.code == 0
    assert "Usage: sidecheck" in ended.out


def test_an_unknown_command_is_a_usage_error():
    ended = sidecheck("inspect")
    assert ended.code == USAGE_ERROR
    assert "Traceback" not in ended.err


# check


@RUNNERS
def test_check_ends_with_0_where_everything_passed(run):
    ended = run("check", PASSING)
    assert (ended.code, ended.err) == (0, "")
    assert "1 trace: 1 passed, 0 failed" in ended.out


@RUNNERS
def test_check_ends_with_1_where_something_failed_and_shows_it(run):
    ended = run("check", PASSING, FAILING)
    assert ended.code == 1
    assert "2 traces: 1 passed, 1 failed (citations 1)" in ended.out
    assert len(re.findall(r"FAIL", ended.out)) == 1


def test_check_json_has_one_line_a_trace_with_the_documented_keys():
    ended = sidecheck("check", "--json", PASSING, FAILING)
    assert ended.code == 1
    assert len(ended.lines) == 2
    for line in ended.lines:
        assert list(line) == ["trace_id", "service", "convention", "closed_by", "view", "verdicts"]
        assert {"input", "output", "model"} <= line["view"].keys()
        checks = [verdict["check"] for verdict in line["verdicts"]]
        assert checks == ["valid_json", "citations", "pii", "latency", "user_feedback"]
        assert {"check", "version", "outcome", "score", "findings"} <= line["verdicts"][0].keys()
    finding = next(f for line in ended.lines for v in line["verdicts"] for f in v["findings"])
    assert list(finding) == ["code", "severity", "message", "evidence"]


def test_check_joins_the_logs_of_a_trace_from_another_file():
    path = next(p for p in recorded("*.binpb") if p.with_suffix(".logs.binpb").exists())
    (alone,) = sidecheck("check", "--json", path).lines
    (joined,) = sidecheck("check", "--json", path, path.with_suffix(".logs.binpb")).lines
    assert len(joined["view"]) > len(alone["view"])


def test_check_reads_standard_input():
    (from_file,) = sidecheck("check", "--json", FAILING).lines
    for body in (FAILING.read_bytes(), as_otlp_json(type(a_trace_request()).FromString(FAILING.read_bytes()))):
        ended = in_a_process("check", "--json", "-", stdin=body)
        assert ended.code == 1
        assert ended.lines[0]["view"] == from_file["view"]


@RUNNERS
def test_check_of_nothing_says_so(run, tmp_path):
    ended = run("check", written(tmp_path, "empty.jsonl", b""))
    assert (ended.code, ended.out) == (0, "no traces found\n")


def test_check_tells_what_was_left_out(tmp_path):
    logs = written(tmp_path, "only.logs.binpb", a_logs_request().SerializeToString())
    bad = a_trace_request(a_proto_span(trace_id=b"short")).SerializeToString()
    ended = sidecheck("check", logs, written(tmp_path, "bad.binpb", bad))
    assert "note: 1 traces had log records only" in ended.err
    assert "note: 1 spans or log records were refused" in ended.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("broken.binpb", PASSING.read_bytes()[:-7], "is not OTLP protobuf"),
        ("text.binpb", b"this is no protobuf", "is not OTLP protobuf"),
        ("bad.json", b"{nothing}", "line 1"),
        ("bad.jsonl", as_otlp_json(a_trace_request()) + b"\n{}\n", "line 2"),
        ("cut.jsonl", as_otlp_json(a_trace_request()) + b"\n" + as_otlp_json(a_trace_request())[:50], "line 2"),
        ("deep.jsonl", b"[" * 100_000, "line 1"),
        ("broken.jsonl.gz", b"\x1f\x8b\x08nonsense", "gzip"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_file_that_cannot_be_read_is_named_with_the_place(tmp_path, name, content, said):
    problem = sidecheck("check", "--json", written(tmp_path, name, content)).problem
    assert name in problem
    assert said in problem


@RUNNERS
def test_a_file_that_is_not_there_is_named(run):
    assert run("check", "nothing.binpb").problem == "nothing.binpb: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path):
    assert sidecheck("check", tmp_path).problem.endswith("cannot be read: Is a directory")


def test_service_names_cannot_steer_the_terminal(tmp_path):
    evil = a_trace_request(service="\x1b]0;owned\x07\x1b[31mred[bold]")
    ended = sidecheck("check", written(tmp_path, "evil.binpb", evil.SerializeToString()))
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "\x07" not in ended.out
    assert "red[bold]" in ended.out


def test_check_stops_a_check_of_ones_own_that_never_ends(tmp_path):
    config = written(tmp_path, "c.yaml", b"checks: {own: {use: 'hostile_checks:Hostile', deadline: 100ms}}")
    looping = written(tmp_path, "loops.binpb", a_trace_request(service="loops").SerializeToString())
    ended = sidecheck("check", "--json", "-c", config, looping)
    assert ended.code == 1
    assert ended.lines[0]["verdicts"][0]["outcome"] == "timed_out"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    many = b"".join(a_job(n).spans for n in range(1, 3_000))
    path = written(tmp_path, "many.binpb", many)
    with subprocess.Popen([SIDECHECK, "check", "--json", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.readline()
        run.stdout.close()
        assert b"Traceback" not in run.stderr.read()
        run.wait(60)


PEAK = """
import resource, sys
from collector.cli import app
app(["check", "--json", sys.argv[1]], standalone_mode=False)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak_kib(path):
    env = {**os.environ, "SIDECHECK_LIMITS__MEMORY": "1MiB", "SIDECHECK_CHECKS": "{latency: {}}"}
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, env=env, timeout=100)
    lines = done.stderr.decode().splitlines()
    assert done.stdout.count(b"\n") > 1_000, lines
    return int(lines[-1])


def test_a_large_file_is_read_in_bounded_memory(tmp_path):
    """Four times the traces take no more than a fraction more: the rest would be some 60 MiB."""
    with (tmp_path / "one.jsonl").open("wb") as one, (tmp_path / "four.jsonl").open("wb") as four:
        for number in range(1, 8_001):
            span = a_proto_span(trace_id=number.to_bytes(16, "big"), attributes=[text("input.value", "x" * 5_000)])
            line = as_otlp_json(a_trace_request(span)) + b"\n"
            four.write(line)
            if number <= 2_000:
                one.write(line)
    assert peak_kib(tmp_path / "four.jsonl") - peak_kib(tmp_path / "one.jsonl") < 20 * 1024


# config


def test_config_validate_accepts_the_defaults():
    ended = sidecheck("config", "validate")
    assert (ended.code, ended.out) == (0, "the default configuration: valid, 5 checks\n")


def test_config_validate_does_not_open_the_files_that_it_names(tmp_path):
    path = tmp_path / "sidecheck.yaml"
    path.write_text("otlp: {grpc: {token_file: /not/on/this/machine}}\nchecks: {pii: {}}\n")
    ended = sidecheck("config", "validate", "-c", path)
    assert (ended.code, ended.out) == (0, f"{path}: valid, 1 check\n")


def test_config_validate_accepts_the_sample():
    sample = Path(__file__).resolve().parents[2] / "deploy" / "sidecheck.yaml"
    assert sidecheck("config", "validate", "-c", sample).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("asembly: {settle: 1s}", "asembly"),
        ("assembly: {settle: soon}", "assembly.settle"),
        ("otlp: {http: {listen: here}}", "otlp.http.listen"),
        ("checks: {valid_jsn: {}}", "checks.valid_jsn"),
        ("checks: {latency: {max_minutes: 3}}", "checks.latency.max_minutes"),
        ("a: [", "c.yaml"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_its_key(tmp_path, text, said):
    path = written(tmp_path, "c.yaml", text.encode())
    for command in (["config", "validate"], ["config", "show"], ["serve"], ["check", PASSING], ["export", "-o", "-"]):
        ended = sidecheck(*command, "-c", path)
        assert ended.code == USAGE_ERROR
        assert said in ended.err
        assert "Traceback" not in ended.err
        assert ended.out == ""


@RUNNERS
def test_a_configuration_that_is_not_there_is_named(run):
    ended = run("config", "show", "-c", "nowhere.yaml")
    assert ended.code == USAGE_ERROR
    assert "nowhere.yaml" in ended.err


def test_config_show_prints_what_is_in_force_and_reads_it_back(tmp_path):
    shown = sidecheck("config", "show", SIDECHECK_ASSEMBLY__SETTLE="7s")
    assert "settle: 7s" in shown.out
    again = sidecheck("config", "show", "-c", written(tmp_path, "shown.yaml", shown.out.encode()))
    assert again.out == shown.out


def test_config_schema_is_a_json_schema():
    schema = json.loads(sidecheck("config", "schema").out)
    assert "assembly" in schema["properties"]


# export


@pytest.mark.usefixtures("cases")
def test_export_writes_the_reviewed_cases_and_says_what_waits(tmp_path):
    ended = sidecheck("export", "--out", "cases.jsonl")
    assert ended.code == 0
    (line,) = (tmp_path / "cases.jsonl").read_text().splitlines()
    assert json.loads(line)["id"] == "case-1"
    assert "1 case written to cases.jsonl" in ended.err
    assert "1 candidates wait for a review" in ended.err


@pytest.mark.usefixtures("cases")
def test_export_of_all_formats_writes_each_and_says_which_it_had_to_leave_out(tmp_path, monkeypatch):
    assert "left out" not in sidecheck("export", "--format", "all", "--out", "whole").err
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # an installation without it
    ended = sidecheck("export", "--format", "all", "--out", "rest")
    assert ended.code == 0
    assert "left out: format 'parquet' needs pyarrow: pip install 'sidecheck[parquet]'" in " ".join(ended.err.split())
    whole, rest = ({path.name for path in (tmp_path / name).iterdir()} for name in ("whole", "rest"))
    assert whole - rest == {"cases.parquet"}


def test_help_of_export_names_every_format():
    assert f"Dataset format: {', '.join(FORMATS)}; or all." == FORMATS_HELP


@pytest.mark.usefixtures("cases")
def test_export_into_a_folder_says_which_files_it_wrote():
    ended = sidecheck("export", "--format", "pytest", "--out", "tests/")
    assert "files: test_cases.py, cases.jsonl, scorer.py, call_app.py" in " ".join(ended.err.split())


@pytest.mark.usefixtures("cases")
def test_export_of_a_format_that_needs_a_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ended = sidecheck("export", "--format", "parquet", "--out", "cases.parquet")
    assert ended.code == 2
    assert "pip install 'sidecheck[parquet]'" in " ".join(ended.err.split())


@pytest.mark.usefixtures("cases")
def test_export_takes_candidates_too_where_asked():
    ended = sidecheck("export", "--include", "candidate", "--out", "-")
    assert {line["id"] for line in ended.lines} == {"case-1", "case-2"}
    assert "2 cases written to standard output" in ended.err


def test_export_says_how_many_cases_are_as_they_were_captured(tmp_path):
    with Store.open(None, tmp_path / "sidecheck-data") as store:
        record = a_failing_record(1)
        save(store, replace(record, case=replace(record.case, redacted=None)), status=CaseStatus.PROMOTED)
    ended = sidecheck("export", "--out", "-")
    assert ended.lines[0]["metadata"]["redacted"] is None
    assert "1 of them is as it was captured, personal data and secrets included" in " ".join(ended.err.split())


@pytest.mark.usefixtures("cases")
def test_export_can_be_limited_by_kind_and_time():
    assert sidecheck("export", "-o", "-", "--kind", "edge").lines == []
    assert len(sidecheck("export", "-o", "-", "--kind", "historical_failure", "--since", "2024-01-01").lines) == 1
    assert sidecheck("export", "-o", "-", "--since", "7d").lines == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "--since yesterday: must be a duration"),
        (["--since", ""], "--since"),
        (["--kind", "funny"], "--kind funny: must be one of"),
        (["--include", "all"], "--include all: must be one of"),
        (["--include", "candidates"], "--include candidates: must be one of candidate, promoted"),
        (["--format", "papyrus"], "papyrus"),
    ],
)
@pytest.mark.usefixtures("cases")
def test_an_argument_of_export_that_cannot_be_is_refused_with_the_rule(arguments, said):
    assert said in sidecheck("export", "--out", "-", *arguments).problem


@pytest.mark.parametrize("since", ["0001-01-01", "999999999d", "9999-12-31"])
@pytest.mark.usefixtures("cases")
def test_any_time_can_be_named(since):
    assert sidecheck("export", "--out", "-", "--since", since).code == 0


@pytest.mark.usefixtures("cases")
def test_export_into_a_folder_that_is_not_there_is_refused():
    assert "nowhere" in sidecheck("export", "--out", "nowhere/cases.jsonl").problem


def test_a_store_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "sidecheck-data").mkdir()
    written(tmp_path, "sidecheck-data/sidecheck.db", b"this is no database, and long enough to look like one" * 100)
    assert "sidecheck.db" in sidecheck("export", "--out", "-").problem


# serve and feedback


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A running ``sidecheck serve`` on free ports."""

    def __init__(self, folder):
        names = ("OTLP__GRPC", "OTLP__HTTP", "API", "METRICS")
        self.ports = {name: free_port() for name in names}
        env = {f"SIDECHECK_{name}__LISTEN": f"127.0.0.1:{port}" for name, port in self.ports.items()}
        plain = {"SIDECHECK_CHECKS": "{citations: {}, user_feedback: {}}", "SIDECHECK_PROMOTION__REDACT": "false"}
        self.env = {**env, **plain}
        command = [SIDECHECK, "serve"]
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, **self.env}, stderr=subprocess.PIPE)
        self.log = ""
        while '"ready"' not in self.log:
            line = self.process.stderr.readline().decode()
            assert line, self.log
            self.log += line

    @property
    def api(self):
        return f"http://127.0.0.1:{self.ports['API']}"

    def post(self, body):
        url = f"http://127.0.0.1:{self.ports['OTLP__HTTP']}/v1/traces"
        request = urllib.request.Request(url, body, {"Content-Type": "application/x-protobuf"})
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.status == 200

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.log += self.process.communicate(timeout=30)[1].decode()
        return self.process.returncode


@pytest.fixture
def served(tmp_path):
    running = Served(tmp_path)
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)


def test_serve_judges_and_stores_what_it_took_before_it_ends_within_ten_seconds_of_a_sigterm(served, tmp_path):
    served.post(FAILING.read_bytes())
    asked = time.monotonic()
    assert served.end(signal.SIGTERM) == 0
    assert time.monotonic() - asked < 10
    with Store.open(None, tmp_path / "sidecheck-data") as store:
        assert store.counts().cases[CaseStatus.CANDIDATE] == 1
    assert "Traceback" not in served.log


def test_serve_ends_on_ctrl_c(served):
    assert served.end(signal.SIGINT) == 0
    assert "Traceback" not in served.log


@pytest.mark.parametrize("name", ["OTLP__GRPC", "OTLP__HTTP", "API", "METRICS"])
def test_a_port_in_use_is_told_with_its_option(name):
    key = name.lower().replace("__", ".") + ".listen"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        env = {f"SIDECHECK_{n}__LISTEN": "127.0.0.1:0" for n in ("OTLP__GRPC", "OTLP__HTTP", "API", "METRICS")}
        env[f"SIDECHECK_{name}__LISTEN"] = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = in_a_process("serve", **env, SIDECHECK_CHECKS="{latency: {}}", SIDECHECK_PROMOTION__REDACT="false")
    assert f"{key}: cannot listen on 127.0.0.1:" in ended.problem


def test_a_journal_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "sidecheck-data" / "journal.db").mkdir(parents=True)
    ports = {f"SIDECHECK_{n}__LISTEN": "127.0.0.1:0" for n in ("OTLP__GRPC", "OTLP__HTTP", "API", "METRICS")}
    assert "journal.db" in in_a_process("serve", **ports).problem


def test_feedback_is_taken_by_a_running_sidecar(served):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    waiting = sidecheck("feedback", trace, "--thumbs", "down", "--comment", "no", "--url", served.api)
    assert (waiting.code, "waits" in waiting.out) == (0, True)
    configured = sidecheck("feedback", trace, "--score", "0.5", **served.env)
    assert configured.code == 0


def test_feedback_that_is_refused_says_why(served):
    problem = sidecheck("feedback", "4bf9", "--thumbs", "up", "--url", served.api).problem
    assert "refused" in problem
    assert "32 hex digits" in problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--thumbs", "sideways"], "must be up or down"),
        (["--thumbs", "up", "--url", "ftp://x"], "must begin with http"),
        (["--thumbs", "up", "--url", "http://127.0.0.1:9"], "is `sidecheck serve` running?"),
        (["--thumbs", "up", "--url", "http://no such host"], "no sidecheck answers"),
    ],
)
def test_feedback_that_cannot_be_sent_is_told(arguments, said):
    assert said in sidecheck("feedback", "4bf92f3577b34da6a3ce929d0e0e4736", *arguments).problem


def test_feedback_to_something_that_is_no_sidecar_is_told(served):
    url = f"http://127.0.0.1:{served.ports['OTLP__GRPC']}"
    assert "no sidecheck answers" in sidecheck("feedback", "4bf9" * 8, "--thumbs", "up", "--url", url).problem


def test_a_proxy_of_the_environment_is_not_asked(served):
    env = {"http_proxy": "http://127.0.0.1:9"}
    assert sidecheck("feedback", "4bf9" * 8, "--thumbs", "up", "--url", served.api, **env).code == 0
