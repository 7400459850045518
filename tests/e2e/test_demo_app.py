"""The app of ``deploy/compose.yaml``, in a process of its own, against a real sidecheck."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from servers import Serving, environment, serving, until

APP = Path(__file__).parents[2] / "deploy" / "demo-app" / "app.py"
ANSWERS = 7
FAILED = {"valid_json": 1, "citations": 1, "pii": 1, "user_feedback": 1}
PASSED = {"valid_json": 1, "citations": 2, "pii": ANSWERS - 1, "user_feedback": 1, "latency": ANSWERS}


def test_each_kind_of_failure_is_found_and_no_other(tmp_path):
    with serving(tmp_path / "data") as server:
        command = [sys.executable, str(APP), "--pause", "0", "--answers", str(ANSWERS)]
        env = environment({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{server.otlp_http}"})
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

        until("the failures are those", lambda: counted(server, "failed") == FAILED)
        until("the rest passes", lambda: counted(server, "passed") == PASSED)
        metrics = server.metrics_text()
        assert 'service="support-bot"' in metrics
        assert 'model="stub-small"' in metrics


def counted(server: Serving, outcome: str) -> Counter[str]:
    """How often each check has an outcome now, over all traces that are stored."""
    verdicts = [server.outcomes(trace["traceId"]) for trace in server.get("/api/traces").json()["traces"]]
    return Counter(check for trace in verdicts for check, found in trace.items() if found == outcome)
