"""What the documentation shows is performed: every command of a console, against a real sidecheck and Prometheus.

The sections that need Kafka, a database to lose or certificates have files of their own (``APART``). How a command is
performed, and which are only looked at, stands in ``terminal`` and ``elsewhere``.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from boards import TARGETS, figures
from documented import Block, blocks, pages
from prometheus_server import Prometheus
from servers import CLIENT, until
from terminal import Terminal, the_app, traces_of

from collector.settings import load

pytestmark = [pytest.mark.late, pytest.mark.timeout(300)]  # what all of them share is made within the first
PYTHON_APP = "Five minutes: a Python app"
APART = {
    ("README.md", "Five minutes: Kafka"): "test_documented_kafka.py",
    ("collector/README.md", "Access"): "test_documented_access.py",
    ("deploy/README.md", "Backup and restore"): "test_documented_backup.py",
    ("deploy/helm/sidecheck/README.md", "A sidecar in your own pods"): "test_chart.py",
}
"""Sections whose commands are performed in files of their own."""
LANGUAGES = {"", "console", "json", "promql", "python", "toml", "yaml"}
TRIED = {
    ("checks/README.md", "python"): "test_checks_readme.py",
    ("checks/README.md", "toml"): "test_checks_readme.py",
    ("checks/README.md", "yaml"): "test_checks_readme.py",
    ("deploy/helm/sidecheck/README.md", "yaml"): "test_chart.py, test_prometheus_examples.py",
    ("deploy/prometheus/runbooks.md", "yaml"): "test_prometheus_examples.py",
    ("exporters/README.md", "promql"): "test_prometheus.py",
}
"""Blocks other than consoles that are tested elsewhere."""
SOME_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
AN_APP_S_TRACES = 60


@pytest.fixture(scope="module")
def terminal(require, tmp_path_factory) -> Iterator[Terminal]:
    """The section about a Python app, performed from its first command to its last."""
    folder = tmp_path_factory.mktemp("documented")
    path = f"{require('prometheus')}:{require('programs')}:/usr/bin:/bin"
    who = {f"GIT_{role}_{part}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    with Terminal(folder, {"PATH": path, **who}) as made:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        the_app(folder)
        start, run, *then = blocks("README.md", "console", PYTHON_APP)
        made.perform(start)
        made.said = {"app": made.perform(run)[0].split()}
        until("all are judged", lambda: len(judged(made)) == AN_APP_S_TRACES)
        made.said["then"] = [said for block in then for said in made.perform(block)]
        made.texts[SOME_ID] = made.said["app"][1]
        prometheus = Prometheus(f"http://{made.address(9090)}")
        until("sidecheck is scraped", lambda: prometheus.value('up{job="sidecheck"}') == 1)
        made.perform(run)  # once more, as step 7 says: a rate needs a before and an after
        yield made


def judged(terminal: Terminal) -> list[dict]:
    return traces_of(terminal, "my-app")


def test_a_python_app_gets_its_verdicts(terminal):
    outcomes = {t["traceId"]: {v["check"]: v["outcome"] for v in t["verdicts"]} for t in judged(terminal)}
    said = [outcomes[trace_id]["pii"] for trace_id in terminal.said["app"]]
    assert said == ["passed", "failed"] * (AN_APP_S_TRACES // 2)
    explained, accepted, _ = terminal.said["then"]
    assert "found email_address" in explained
    assert "accepted for trace" in accepted
    assert "northwind" not in (terminal.folder / "evals" / "cases.jsonl").read_text()
    first = terminal.said["app"][0]
    until("the thumb counts", lambda: "failed" in verdicts(terminal, first)["user_feedback"])


def verdicts(terminal: Terminal, trace_id: str) -> dict[str, str]:
    shown = CLIENT.get(f"http://{terminal.address(8321)}/api/traces/{trace_id}").json()
    return {verdict["check"]: verdict["outcome"] for verdict in shown["verdicts"]}


def test_a_python_app_is_on_a_panel_of_grafana(terminal):
    """The query of the panel, as Grafana asks it for this service, gives the share that the app's answers have."""
    (target,) = [t for t in TARGETS if t.board == "quality" and t.panel == "Pass rate"]
    expression = target.asked_of({"$service": "my-app", "$check": "pii", "$__range": "5m"})
    prometheus = Prometheus(f"http://{terminal.address(9090)}")
    shares = until("the panel has a figure", lambda: figures(prometheus, expression))
    assert shares == pytest.approx([0.5], abs=0.1)


def sections() -> list[tuple[str, str]]:
    found = dict.fromkeys((block.page, block.section) for page in pages() for block in blocks(page, "console"))
    return [each for each in found if each not in APART and each != ("README.md", PYTHON_APP)]


@pytest.mark.parametrize(("page", "section"), sections())
def test_the_commands_of_a_section_can_be_performed(terminal, page, section):
    if page == "exporters/README.md":
        promoted(terminal, section)
    for block in blocks(page, "console", section):
        terminal.perform(block)


def promoted(terminal: Terminal, section: str) -> None:
    """Take a case into the dataset, as a reviewer does before there is anything to export."""
    number = 3 if section == "Dataset" else 1
    path = f"/api/traces/{terminal.said['app'][number]}/promote"
    CLIENT.post(f"http://{terminal.address(8321)}{path}", json={"who": "ann"}).raise_for_status()


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("podman ps", "nobody said how to try"),
        ("sidecheck explain 1 | nslookup", "nobody said how to try"),
        ("sidecheck explain --who 4bf92f3577b34da6a3ce929d0e0e4736", "No such option"),
        ("curl http://127.0.0.1:8321/api/nothing", "not_found"),
        ("curl 'http://127.0.0.1:8321/api/traces?service=nobody'", "shows nothing"),
        ("docker compose -f deploy/compose.yaml stop nobody", "has no service nobody"),
        ("docker build -f deploy/Containerfile .", "is not there"),
        ("kubectl apply -f deploy/kubernetes/nothing.yaml", "is not there"),
        ("kubectl rollout status deployment/nobody", "there is no deployment/nobody"),
        ("kubectl create secret generic nobody --from-literal=token=1", "nothing uses the secret"),
        ("make nothing", "No rule to make target"),
    ],
)
def test_a_command_that_is_wrong_is_found(terminal, command, problem):
    with pytest.raises(AssertionError, match=problem):
        terminal.perform_one(Block("page", "section", 1, "console", command), command)


def test_a_section_that_is_performed_apart_is_there():
    shown = {(block.page, block.section) for page in pages() for block in blocks(page, "console")}
    assert shown >= APART.keys()


def others() -> Iterator[Block]:
    for page in pages():
        for block in blocks(page):
            assert block.language in LANGUAGES, f"{block}: nobody said how to try {block.language}"
            if block.language not in ("", "console") and (page, block.language) not in TRIED:
                yield block


@pytest.mark.parametrize("block", list(others()), ids=str)
def test_a_block_of_another_language_is_what_it_says(block, tmp_path):
    if block.language == "yaml":
        load(as_configuration(block, tmp_path), {})
    elif block.language == "json":
        assert json.loads(block.text)
    else:
        assert (block.language, block.section) == ("python", PYTHON_APP)  # the app that is run


def as_configuration(block: Block, folder):
    """The block as a file, with the files that it names."""
    text = block.text.replace("/etc/sidecheck/", f"{folder}/")
    for path in re.findall(rf"{folder}/[\w.-]+", text):
        (folder / path).write_text("whsec_a-secret-of-some-length-for-tests")
    file = folder / "sidecheck.yaml"
    file.write_text(text)
    return file
