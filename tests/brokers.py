"""A real Apache Kafka in a process of its own: one KRaft node on loopback, in a temporary folder, gone afterwards.

``tests/integration/kafka/fetch.sh`` brings its jars with Maven. A broker keeps its ports over a restart, so that its
clients find it again. Users of the listener ``sasl``: ``reader`` with the passwords below.
"""

import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from certificates import Authority
from externals import free_port
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import CoordinatorNotAvailableError, KafkaError, NoError
from kafka.structs import OffsetAndMetadata, TopicPartition
from ondemand import missing, one_at_a_time
from servers import until

HOME = Path(__file__).parent / "integration" / "kafka"
VERSION, NEWER_VERSION = "3.9.1", "4.1.1"
USER, PLAIN_PASSWORD, SCRAM_PASSWORD = "reader", "plain-secret", "scram-secret"
HEAP = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""A small heap, and no time spent on code that will not run for long."""
LISTENERS = ("PLAINTEXT", "CONTROLLER", "SASL", "TLS")
FETCH_WITHIN_S = 300.0
UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 20.0


def fetch(version: str = VERSION) -> Path:
    """The folder with the jars of a Kafka; skips the test (or fails it) where Maven cannot bring them."""
    with one_at_a_time(HOME / "pom.xml"):  # two that download into one repository disturb each other
        done = subprocess.run([HOME / "fetch.sh", version], capture_output=True, text=True, timeout=FETCH_WITHIN_S)
    if done.returncode:
        missing("kafka", f"Maven did not bring Kafka {version}: {done.stderr.strip()[-500:]}")
    return Path(done.stdout.strip())


@dataclass
class Broker:
    """One Kafka, running or stopped. ``java`` is the program, ``jars`` and ``folder`` are folders."""

    java: Path
    jars: Path
    folder: Path
    ports: Mapping[str, int] = field(default_factory=lambda: {name: free_port() for name in LISTENERS})
    process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients without TLS and login."""
        return self.address("PLAINTEXT")

    @property
    def authority(self) -> Path:
        """The certificate that clients of the listener ``TLS`` have to trust."""
        return self.folder / "authority.crt"

    def address(self, listener: str) -> str:
        """``host:port`` of a listener."""
        return f"127.0.0.1:{self.ports[listener]}"

    def format(self) -> None:
        """Write the configuration and format the folder for data."""
        tls = Authority(self.folder).issue("broker")
        keystore = self.folder / "broker.pem"
        keystore.write_bytes(tls.key.read_bytes() + tls.cert.read_bytes())
        own = {
            "listeners": ",".join(f"{name}://{self.address(name)}" for name in LISTENERS),
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            "log.dirs": self.folder / "data",
            "listener.name.tls.ssl.keystore.location": keystore,
            "listener.name.tls.ssl.truststore.location": self.authority,
        }
        lines = [(HOME / "server.properties").read_text(), *(f"{key}={value}" for key, value in own.items())]
        (self.folder / "server.properties").write_text("\n".join(lines))
        scram = (f"{kind}=[name={USER},password={SCRAM_PASSWORD}]" for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512"))
        users = [part for user in scram for part in ("--add-scram", user)]
        cluster = ("-t", "c2lkZWNoZWNrLXRlc3RzIQ")
        command = self.command("kafka.tools.StorageTool", "format", *cluster, "-c", "server.properties", *users)
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True, timeout=UP_WITHIN_S)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = self.command("kafka.Kafka", "server.properties")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        until("Kafka is up", self._answers, UP_WITHIN_S)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Stop it by a signal and wait for its end."""
        assert self.process
        self.process.send_signal(number)
        self.process.wait(DOWN_WITHIN_S)

    @contextmanager
    def admin(self) -> Iterator[KafkaAdminClient]:
        """A client that makes and deletes topics."""
        client = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            yield client
        finally:
            client.close()

    @contextmanager
    def producer(self, **options: object) -> Iterator[KafkaProducer]:
        """A producer; everything is sent when it is left."""
        client = KafkaProducer(bootstrap_servers=self.bootstrap, **options)
        try:
            yield client
            client.flush(timeout=UP_WITHIN_S)
        finally:
            client.close(timeout=DOWN_WITHIN_S)

    def command(self, program: str, *arguments: str) -> list[str]:
        """How a program among the jars is started."""
        log4j = f"-Dlog4j.configuration=file:{HOME / 'log4j.properties'}"
        return [str(self.java), *HEAP, log4j, "-cp", f"{self.jars}/*", program, *arguments]

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.ports["PLAINTEXT"])).close()
            with self.admin() as client:
                return client.list_topics() is not None
        except (OSError, KafkaError):
            return False


@contextmanager
def broker(programs: Path, version: str = VERSION) -> Iterator[Broker]:
    """A Kafka of its own, killed afterwards. ``programs`` is the folder of ``java``."""
    jars = fetch(version)
    with tempfile.TemporaryDirectory(prefix="sidecheck-kafka-", ignore_cleanup_errors=True) as name:
        made = Broker(programs / "java", jars, Path(name))
        made.format()
        try:
            made.start()
            yield made
        finally:
            if made.process and made.process.poll() is None:
                made.stop()


@dataclass(frozen=True)
class Corner:
    """The topics and the consumer group of one test on a broker that many tests share."""

    broker: Broker
    name: str

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.name}-group"

    def topic(self, kind: str) -> str:
        """The name of one of the test's topics."""
        return f"{self.name}-{kind}"

    def create(self, *kinds: str, partitions: int = 1, **configs: str) -> None:
        """Make topics and wait until they can be used."""
        one = {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        with self.broker.admin() as admin:
            admin.create_topics({self.topic(kind): one for kind in kinds}, wait_for_metadata=True)

    def committed(self, kind: str) -> dict[int, int]:
        """The group's committed offsets of a topic, by partition; none where it has committed nothing."""
        with self.broker.admin() as admin:
            found = admin.list_group_offsets({self.group: None})[self.group]
        return {at.partition: meta.offset for at, meta in found.items() if at.topic == self.topic(kind)}

    def begin_at(self, kind: str, offset: int) -> None:
        """Commit an offset of the topic's first partition for the group, which has no members yet."""
        at = TopicPartition(self.topic(kind), 0)

        def is_kept(admin: KafkaAdminClient) -> bool:
            try:
                return admin.alter_group_offsets(self.group, {at: OffsetAndMetadata(offset, "", -1)})[at] is NoError
            except CoordinatorNotAvailableError:
                return False

        with self.broker.admin() as admin:  # one that has just started keeps no offsets, and may say so in its answer
            until("the broker keeps the group's offset", lambda: is_kept(admin))

    def ends(self, kind: str) -> dict[int, int]:
        """The end offsets of a topic, by partition."""
        with self._reader() as reader:
            found = [TopicPartition(self.topic(kind), n) for n in reader.partitions_for_topic(self.topic(kind)) or ()]
            return {at.partition: offset for at, offset in reader.end_offsets(found).items()}

    def records(self, kind: str) -> list:
        """Everything that is in a topic now, by partition and offset."""
        ends = self.ends(kind)
        with self._reader() as reader:
            wanted = {TopicPartition(self.topic(kind), number): end for number, end in ends.items()}
            reader.assign(list(wanted))
            reader.seek_to_beginning()
            found: list = []
            until(f"{kind} is read", lambda: _read(reader, wanted, found), UP_WITHIN_S)
        return sorted(found, key=lambda record: (record.partition, record.offset))

    @contextmanager
    def _reader(self) -> Iterator[KafkaConsumer]:
        client = KafkaConsumer(bootstrap_servers=self.broker.bootstrap, fetch_max_wait_ms=50)
        try:
            yield client
        finally:
            client.close()


def corner(of: Broker) -> Corner:
    """A corner of a broker that nobody else uses."""
    return Corner(of, f"test-{uuid.uuid4().hex[:12]}")


def _read(reader: KafkaConsumer, wanted: Mapping[TopicPartition, int], found: list) -> bool:
    found += [record for records in reader.poll(timeout_ms=100).values() for record in records]
    return all(reader.position(at) >= end for at, end in wanted.items())


if __name__ == "__main__":
    for each in (VERSION, NEWER_VERSION):
        print(fetch(each))
