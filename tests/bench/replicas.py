"""Replicas: one, two and three sidecars of one worker each, in one group, on one Kafka and one PostgreSQL; its growth.

Everything shares the cores of one machine, the broker and the database too: what more replicas bring in traces a second
shows up to the number of cores only. What they cost more in CPU, which is what several machines would pay for working
together, shows everywhere.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

import sqlalchemy as sa
from bench.alternate import in_turn
from bench.lines import Line
from bench.load import Load, sent
from bench.processes import MIB, usage
from brokers import Broker, Corner, broker, corner
from externals import EXTERNALS, PostgresCluster, postgres_cluster
from kafka_senders import TOPICS, consuming
from servers import Serving, samples, until

from collector.intake import Source
from collector.receivers import decode
from collector.receivers.limits import ReceiverLimits
from exporters.store import Store

PARTITIONS = 12
GROUPS = (1, 2, 3)
NEEDED = ("postgres", "kafka")
ASSIGNED_WITHIN_S, STORED_WITHIN_S = 60.0, 600.0


@dataclass(frozen=True, slots=True)
class GroupRun:
    """One load, read and judged by some replicas. CPU times are seconds."""

    traces: int
    wall_s: float
    replicas_s: float
    postgres_s: float
    store_bytes: int

    @property
    def traces_s(self) -> float:
        """Traces a second."""
        return self.traces / self.wall_s

    def us(self, seconds: float) -> float:
        """Microseconds a trace."""
        return seconds / self.traces * 1e6


def lines(rounds: int = 2, traces: int = 6_000, groups: Sequence[int] = GROUPS) -> Iterator[Line]:
    """Speed and cost of each number of replicas, by one; what PostgreSQL keeps. Nothing where a server is missing."""
    missing = [EXTERNALS[name].command for name in NEEDED if EXTERNALS[name].find() is None]
    if missing:
        print(f"replicas are not measured; first: {'; '.join(missing)}", file=sys.stderr)
        return
    found: dict[int, list[GroupRun]] = {size: [] for size in groups}
    with servers() as (kafka, postgres):
        for number in range(rounds):
            for size in in_turn(groups, number):
                found[size].append(group_run(kafka, postgres, size, traces))
    yield from of_groups(found)
    kept = median(run.store_bytes / run.traces for runs in found.values() for run in runs)
    beside = {"bytes a trace": kept, "GiB a million traces": kept * 1e6 / 2**30}
    yield Line("PostgreSQL after 100,000 traces of 2 KB texts", kept * 1e5 / MIB, "MiB", beside=beside)


def of_groups(found: Mapping[int, Sequence[GroupRun]]) -> Iterator[Line]:
    """The lines of each number of replicas; of more than one by one, round by round."""
    alone = found[min(found)]
    for size, runs in found.items():
        shown = f"{size} replica{'' if size == 1 else 's'}"
        speed = median(run.traces_s for run in runs)
        beside = {
            "us a trace: replicas": median(run.us(run.replicas_s) for run in runs),
            "PostgreSQL": median(run.us(run.postgres_s) for run in runs),
            "cores": median((run.replicas_s + run.postgres_s) / run.wall_s for run in runs),
        }
        yield Line(f"{shown}: speed", speed, "traces/s", beside=beside)
        if runs is not alone:
            pairs = list(zip(runs, alone, strict=True))
            yield Line(f"{shown} by 1: speed", median(run.traces_s / one.traces_s for run, one in pairs), "x")
            cost = median(run.us(run.replicas_s) / one.us(one.replicas_s) for run, one in pairs)
            yield Line(f"{shown} by 1: CPU a trace", cost, "x")


@contextmanager
def servers() -> Iterator[tuple[Broker, PostgresCluster]]:
    """A Kafka and a PostgreSQL for the whole measurement."""
    java, postgres = EXTERNALS["kafka"].find(), EXTERNALS["postgres"].find()
    assert java
    assert postgres
    with broker(java) as kafka, postgres_cluster(postgres) as cluster:
        yield kafka, cluster


def group_run(kafka: Broker, postgres: PostgresCluster, size: int, traces: int) -> GroupRun:
    """``size`` replicas with a database and topics of their own; from the first record to the last stored trace."""
    own = corner(kafka)
    own.create(*TOPICS, partitions=PARTITIONS)
    url = postgres.create(own.name.replace("-", "_"))
    with tempfile.TemporaryDirectory(prefix="sidecheck-bench-") as folder, ExitStack() as stack:
        settings = {"SIDECHECK_STORE__URL": url, "SIDECHECK_WORKERS": "1"}
        replicas = [stack.enter_context(consuming(own, Path(folder) / str(n), **settings)) for n in range(size)]
        until("the partitions are shared out", lambda: _is_shared_out(replicas), ASSIGNED_WITHIN_S)
        _judge(own, url, max(20, traces // 10))  # the first traces pay for what is loaded once
        return _measured(own, url, replicas, postgres, traces)


def _measured(own: Corner, url: str, replicas: Sequence[Serving], postgres: PostgresCluster, traces: int) -> GroupRun:
    bytes_before = _store_bytes(url)
    cpu_before = [usage(each.process.pid).cpu_s for each in replicas], usage(postgres.pid).cpu_s
    began = monotonic()
    judged = _judge(own, url, traces)
    wall_s = monotonic() - began
    cpu_after = [usage(each.process.pid).cpu_s for each in replicas], usage(postgres.pid).cpu_s
    return GroupRun(
        traces=judged,
        wall_s=wall_s,
        replicas_s=sum(cpu_after[0]) - sum(cpu_before[0]),
        postgres_s=cpu_after[1] - cpu_before[1],
        store_bytes=_store_bytes(url) - bytes_before,
    )


def _judge(own: Corner, url: str, traces: int) -> int:
    """Write a load, one message a trace, and wait until all of it is stored. Returns how many traces it was."""
    before = _stored(url)
    count = 0
    with own.broker.producer(linger_ms=20, batch_size=1 << 18) as producer:
        for request in sent(Load(traces)):
            for piece in decode.traces_from_protobuf(request.traces, Source.FILE, ReceiverLimits()).pieces:
                producer.send(own.topic("traces"), piece.spans, piece.trace_id.encode())
                count += 1
    until("all is stored", lambda: _stored(url) - before >= count, STORED_WITHIN_S)
    return count


def _is_shared_out(replicas: Sequence[Serving]) -> bool:
    owned = [_owned(each) for each in replicas]
    return sum(owned) == PARTITIONS and min(owned) >= PARTITIONS // len(replicas)


def _owned(server: Serving) -> int:
    lags = samples(server.metrics_text(), "sidecheck_kafka_lag")
    return sum(lag.labels["topic"].endswith("-traces") for lag in lags)


def _stored(url: str) -> int:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM traces")).scalar_one()


def _store_bytes(url: str) -> int:
    with Store.open(url) as store:
        return store.counts().bytes
