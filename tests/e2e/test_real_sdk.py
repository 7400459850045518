"""A real app, with real instrumentation and the SDK's exporters, is judged as its recorded export is."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from openai_stub import MODEL, openai_stub
from servers import Serving, check_json, environment, eventually, serving

pytestmark = pytest.mark.timeout(300)  # what all of them share is made within the first
APP = Path(__file__).with_name("chat_app.py")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
FAST_BATCHES = {"OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_BLRP_SCHEDULE_DELAY": "200"}
PROTOCOLS = ("grpc", "http")


@dataclass(frozen=True)
class Variant:
    """An instrumentation, the variables that make it record content, and what its traces are to be read as."""

    instrumentation: str
    convention: str
    env: Mapping[str, str]


VARIANTS = {
    "openllmetry": Variant("openllmetry", "openllmetry", {"TRACELOOP_TRACE_CONTENT": "true"}),
    "openinference": Variant("openinference", "openinference", {}),
    "genai, span content": Variant("genai", "genai", {**LATEST, CONTENT: "span_only"}),
    "genai, event content": Variant("genai", "genai", {**LATEST, CONTENT: "event_only"}),
}
CALL = {"id": "call_9f2", "name": "get_invoice", "arguments": {"number": "2025-118"}, "result": '{"paid": true}'}
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "plain": ({"output": "The capital of Portugal is Lisbon.", "tokens": {"input": 31, "output": 17}}, {}),
    "streaming": ({"output": "Lisbon lies on seven hills above the Tagus."}, {}),
    "json_valid": ({"output": '{"order_id": "A-1042", "items": [{"sku": "MUG-7", "qty": 2}]}'}, {"valid_json": set()}),
    "json_broken": ({"input": "Give me the long order as JSON."}, {"valid_json": {"truncated"}}),
    "pii": ({"input": "How do I reach Lena?"}, {"pii": {"email_address", "phone_number"}}),
    "tool_call": ({"output": "Invoice 2025-118 is paid.", "tool_calls": [CALL]}, {}),
    "error500": ({"input": "Please fail.", "model": "gpt-4o-mini"}, {}),
}
"""By scenario: what the view holds, and the findings of the checks that are to apply beside ``pii`` and ``latency``."""


@dataclass(frozen=True)
class Runs:
    """All runs of the app: the server that they sent to, their trace ids, what ``check`` says of their files."""

    server: Serving
    trace_ids: Mapping[tuple[str, str, str], str]
    from_files: Mapping[str, Mapping[str, Any]]


def run_app(variant: str, protocol: str, server: Serving, model_url: str, out: Path) -> dict[str, list[str]]:
    """Run the app to its end; give its trace ids by scenario."""
    out.mkdir()
    chosen = VARIANTS[variant]
    endpoint = f"http://{server.otlp_grpc if protocol == 'grpc' else server.otlp_http}"
    options = {"instrumentation": chosen.instrumentation, "protocol": protocol, "endpoint": endpoint}
    options |= {"model-url": model_url, "service": variant, "out": str(out)}
    command = [sys.executable, str(APP), *(part for name, value in options.items() for part in (f"--{name}", value))]
    env = environment({**FAST_BATCHES, **chosen.env})
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("sdk")
    ways = list(product(VARIANTS, PROTOCOLS))
    with openai_stub() as model_url, serving(folder / "data") as server, ThreadPoolExecutor(2) as threads:
        apps = [threads.submit(run_app, *way, server, model_url, folder / " ".join(way)) for way in ways]
        began = {way: app.result() for way, app in zip(ways, apps, strict=True)}
        assert {len(ids) for run in began.values() for ids in run.values()} == {1}
        trace_ids = {(*way, scenario): ids[0] for way, run in began.items() for scenario, ids in run.items()}
        yield Runs(server, trace_ids, check_json(*sorted(folder.glob("*/*.binpb"))))


@pytest.mark.parametrize("scenario", EXPECTED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_was_sent_is_judged_as_what_was_recorded(runs, variant, protocol, scenario):
    trace_id = runs.trace_ids[variant, protocol, scenario]
    recorded = runs.from_files[trace_id]
    assert eventually(lambda: runs.server.checked(trace_id), recorded) == recorded


@pytest.mark.parametrize("scenario", EXPECTED)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_verdict_is_the_one_that_the_answer_deserves(runs, variant, scenario):
    judged = runs.from_files[runs.trace_ids[variant, "grpc", scenario]]
    view, findings = EXPECTED[scenario]
    verdicts = {verdict["check"]: verdict for verdict in judged["verdicts"]}
    found = {name: {f["code"] for f in v["findings"]} for name, v in verdicts.items()}
    answered = set() if scenario == "error500" else {"pii"}

    assert judged["convention"] == VARIANTS[variant].convention
    assert judged["view"].items() >= view.items()
    assert {n for n, v in verdicts.items() if v["outcome"] != "not_applicable"} == {"latency", *answered, *findings}
    assert {name: codes for name, codes in found.items() if codes} == {n: c for n, c in findings.items() if c}
    assert {n for n, v in verdicts.items() if v["outcome"] == "failed"} == {n for n, c in findings.items() if c}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_provider_error_and_the_model_are_seen(runs, variant):
    views = {s: runs.from_files[runs.trace_ids[variant, "http", s]]["view"] for s in ("plain", "error500")}
    assert views["error500"]["error"]["type"].endswith("InternalServerError")
    assert (views["plain"]["model_response"], "error" in views["plain"]) == (MODEL, False)


def test_every_trace_of_the_apps_is_counted_once(runs):
    sent = len(runs.trace_ids)
    assert len(set(runs.trace_ids.values())) == sent == len(runs.from_files)
    everything = {"accepted": sent, "evaluated": sent, "open": 0, "dropped": 0}
    assert eventually(runs.server.traces, everything) == everything
    assert runs.server.metric("sidecheck_spans_refused_total") == 0
