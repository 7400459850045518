"""A group of replicas on Kafka and PostgreSQL: they join, leave and are killed, and the broker is killed, under load.

Every trace whose spans the broker acknowledged is stored whole, with one verdict a check, with its log records and its
user's thumb; what nobody can read is in the dead-letter topic; and nothing is left unread.
"""

import base64
import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from faults.kit.companions import Companions
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import DEFAULT_CHECKS, LIGHT_CHECKS, Seen, Watch, stored_in, weigh
from faults.kit.scale import short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import KafkaTarget
from faults.kit.traffic import Make, Request, plain
from kafka_senders import FULL, TOPICS, done, settings
from servers import until

REPLICAS, PARTITIONS = 3, 12
SECONDS = short_or_long(12.0, 60.0)
EVERY_S = short_or_long(3.0, 10.0)
RATE = short_or_long(20.0, 400.0)
"""Traces a second; the long form sends more than the group can judge on two cores."""
SENDERS = short_or_long(8, 32)
DONE_WITHIN_S = 300
LONGEST_GAP_S = 3.5
SEED = int(os.environ.get("SIDECHECK_SEED", "20"))
SETTINGS, CHECKS = short_or_long((LIGHT, LIGHT_CHECKS), (FULL, DEFAULT_CHECKS))
OPEN_FOR_LONG = {"SIDECHECK_ASSEMBLY__SETTLE": "1s", "SIDECHECK_ASSEMBLY__IDLE": "20s"}
"""A trace whose root is yet to come is open when its partition changes hands."""


def spread_out() -> Make:
    """Traces whose root comes up to some seconds after their other spans."""
    makes = [plain(spans=4, gap_s=LONGEST_GAP_S * n / 7) for n in range(8)]

    def make(number: int) -> list[Request]:
        return list(makes[number % len(makes)](number))

    return make


def strikes(replicas: list[Sidecar], extra: Sidecar, chance: random.Random) -> Iterator[str]:
    """One strike after another: a replica is killed and comes back, one more joins, leaves."""
    for strike in itertools.cycle(("kill", "join", "kill", "leave")):
        if strike == "kill":
            victim = chance.choice(replicas)
            victim.kill()
            victim.start(wait=False)
        elif strike == "join":
            extra.start(wait=False)
        else:
            code, _ = extra.terminate(within_s=30)
            assert code == 0
        yield strike


def failed_for_its_user(url: str) -> set[str]:
    """The ids of the stored traces whose user was not content."""
    query = "SELECT trace_id FROM traces JOIN outcome_set_checks USING (outcome_set) WHERE check_name = 'user_feedback'"
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return set(connection.scalars(sa.text(f"{query} AND outcome = 'failed'")))
    finally:
        engine.dispose()


def letters_in(file: Path) -> list[bytes]:
    """The records that a replica set aside on its own disk."""
    lines = file.read_text().splitlines() if file.exists() else []
    return [base64.b64decode(json.loads(line)["value"]) for line in lines]


@pytest.mark.timeout(900)
def test_every_trace_has_one_verdict_while_replicas_come_and_go_and_the_broker_is_killed(
    kafka, postgres_url, tmp_path, table
):
    kafka.create(*TOPICS, partitions=PARTITIONS)
    kafka.create("dead")
    chance = random.Random(SEED)
    ledger = Ledger(tmp_path / "ledger")
    dead = {"SIDECHECK_KAFKA__DEAD_LETTER_TOPIC": kafka.topic("dead")}
    own = {**settings(kafka), **SETTINGS, **OPEN_FOR_LONG, **dead, "SIDECHECK_STORE__URL": postgres_url}
    with ExitStack() as stack:
        replicas = [stack.enter_context(Sidecar(tmp_path / f"replica-{n}", **own)) for n in range(REPLICAS)]
        extra = Sidecar(tmp_path / "extra", **own)
        stack.callback(extra.kill)
        seen = [stack.enter_context(Watch(replica)) for replica in replicas]
        others = stack.enter_context(Companions(kafka.broker.bootstrap, kafka.topic))
        target = others.behind(KafkaTarget(kafka.broker.bootstrap, kafka.topic("traces")))
        stack.callback(target.close)
        struck = 0
        with Load(
            ledger, others.behind(target), spread_out(), rate=RATE, seconds=SECONDS, senders=SENDERS, seed=SEED
        ) as load:
            ends, strike = time.monotonic() + SECONDS, strikes(replicas, extra, chance)
            while time.monotonic() < ends:
                time.sleep(EVERY_S)  # the load goes on
                next(strike)
                struck += 1
                if struck == 2:
                    kafka.broker.stop()
                    kafka.broker.start()
        assert load.tally.dropped == {}
        done(kafka, *TOPICS, within_s=DONE_WITHIN_S)
        stored = stored_in(postgres_url)
        found = weigh(ledger, stored, CHECKS)
        until("the thumbs are heeded", lambda: others.thumbs <= failed_for_its_user(postgres_url), DONE_WITHIN_S)
    together = Seen(
        scrapes=sum(one.scrapes for one in seen),
        unbalanced=[difference for one in seen for difference in one.unbalanced],
        # A thumb may be heeded, and counted, by another replica than the one that judged its trace first.
        double=[double for one in seen for double in one.double if set(double) != {"user_feedback"}],
        drops=dict(enumerate(drops for one in seen for drops in one.drops.values())),
    )
    table.add("Kafka: replicas killed, joining, leaving; broker killed", struck + 1, found, together)
    found.assert_kept()
    assert others.logs
    assert [trace_id for trace_id in others.logs if stored[trace_id].log_records != 1] == []
    kept = {letter.value for letter in kafka.records("dead")}
    for sidecar in (*replicas, extra):  # where letters go while the broker is away
        kept |= set(letters_in(sidecar.data_dir / "dead-letters.jsonl"))
    assert others.poison == kept
    together.assert_sound()
