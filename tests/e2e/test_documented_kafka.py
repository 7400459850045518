"""The path over Kafka in the README, and the way back in ``deploy/README.md``, performed with a real broker."""

import shlex
from collections.abc import Iterator

import pytest
from documented import blocks
from servers import until
from terminal import Terminal, the_app, traces_of

pytestmark = pytest.mark.timeout(300)
WITH_COMPOSE, OF_YOUR_OWN, APP, VERDICTS, DOWN = blocks("README.md", "console", "Five minutes: Kafka")
*_, SET_BACK = blocks("deploy/README.md", "console", "Backup and restore")
(SERVE,) = [command for command in OF_YOUR_OWN.commands if command.endswith("sidecheck serve")]
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
"""Kafka's commands, by the class that each starts."""
ANSWERS = 10


@pytest.fixture
def terminal(require, kafka_broker, tmp_path) -> Iterator[Terminal]:
    """A terminal with Kafka's own commands, and the broker where the documentation has it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, started in TOOLS.items():
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join(kafka_broker.command(started))} "$@"\n')
        script.chmod(0o755)
    with Terminal(tmp_path, {"PATH": f"{programs}:{require('programs')}:/usr/bin:/bin"}) as made:
        made.ports[9092] = kafka_broker.ports["PLAINTEXT"]
        yield made


def test_an_app_gets_its_verdicts_over_kafka_and_once_more_where_the_store_is_lost(terminal):
    the_app(terminal.folder, ANSWERS)
    terminal.perform(WITH_COMPOSE)
    terminal.perform(OF_YOUR_OWN)
    terminal.perform(APP)
    until("all are judged", lambda: len(traces_of(terminal, "my-app")) == ANSWERS)
    (shown,) = terminal.perform(VERDICTS)
    assert shown.count('"outcome":"failed"') == ANSWERS // 2
    terminal.perform(DOWN)
    before = {trace["traceId"] for trace in traces_of(terminal, "my-app")}

    terminal.stop("sidecheck serve")
    for file in (terminal.folder / "sidecheck-data").glob("sidecheck.db*"):
        file.unlink()
    terminal.perform(SET_BACK)
    terminal.perform_one(OF_YOUR_OWN, SERVE)
    until("all are judged again", lambda: {t["traceId"] for t in traces_of(terminal, "my-app")} == before)
