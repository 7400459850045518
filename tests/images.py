"""What stands for the images that the compose files name, where there is no container engine: see ``compose``.

sidecheck's is described by its Dockerfile and runs the program of the checkout; the others run the programs that the
tests have anyway, started by the variables and arguments that their images understand.
"""

import sys
from pathlib import Path

import brokers
import externals
import go_tools
from compose import ROOT, Standin
from dockerfile import Image

JAVA = "java -Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"


def sidecheck() -> Standin:
    """The image of ``deploy/Dockerfile``. It runs as root here, whose Python others may not read."""
    image = Image(ROOT, ROOT).read(ROOT / "deploy" / "Dockerfile")
    env = {key: value for key, value in image.env.items() if key != "PATH"}
    return Standin(image.entrypoint, image.command, env, image.health, writes=image.volumes, workdir="/data")


def prometheus() -> Standin:
    """``prom/prometheus``: its data is in the folder that it starts in."""
    return Standin([str(externals.require("prometheus") / "prometheus")], workdir="/prometheus", writes=["/prometheus"])


def grafana() -> Standin:
    """``grafana/grafana``: nothing of it is here. What it would read is read by ``grafana_reader.py``."""
    reader = Path(__file__).with_name("grafana_reader.py")
    return Standin([sys.executable, str(reader)], writes=["/var/lib/grafana"])


def collector() -> Standin:
    """``otel/opentelemetry-collector-contrib``: a Collector with what the examples use."""
    return Standin([str(go_tools.program("otelcol"))])


def postgres() -> Standin:
    """``postgres``: a cluster made by the variables of the image, for any host with a password."""
    programs, user = externals.require("postgres"), externals.account()
    data = "/var/lib/postgresql/data"
    initdb = f'initdb -D {data} -U "$POSTGRES_USER" --pwfile=/tmp/password --auth=trust --no-sync -E UTF8 --no-locale'
    create = f'echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D {data} postgres'
    as_user = f"setpriv --reuid={user} --regid={user} --clear-groups -- sh -ec"
    return Standin(
        entrypoint=["sh", "-c", f'exec "$0" "$@" -D {data} -c fsync=off -c "listen_addresses=*"'],
        command=["postgres"],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        user=user,
        workdir="/tmp",
        prepare=[
            f"mkdir -p /var/run/postgresql; chown {user} {data} /var/run/postgresql",
            'echo "$POSTGRES_PASSWORD" > /tmp/password; chmod 644 /tmp/password',
            f"{as_user} '{initdb}'",
            f"echo 'host all all all scram-sha-256' >> {data}/pg_hba.conf",
            f"{as_user} '{create}' || test \"$POSTGRES_DB\" = postgres",
        ],
    )


def kafka() -> Standin:
    """``apache/kafka``: ``KAFKA_SOME_OPTION`` becomes ``some.option``; the scripts that are used are there."""
    jars, java = brokers.fetch(), externals.require("kafka")
    run = f'{JAVA} -Dlog4j.configuration=file:{brokers.HOME / "log4j.properties"} -cp "{jars}/*"'
    options = 'env | sed -n \'s/^KAFKA_//p\' | awk -F= \'{ key = tolower($1); gsub("_", ".", key)'
    value = 'substr($0, index($0, "=") + 1)'
    format_data = f"{run} kafka.tools.StorageTool format -t c2lkZWNoZWNrLXRlc3RzIQ -c /tmp/server.properties"
    return Standin(
        entrypoint=["sh", "-ec", f"exec {run} kafka.Kafka /tmp/server.properties"],
        env={"PATH": f"{java}:/usr/bin:/bin"},
        workdir="/tmp",
        prepare=[
            "mkdir -p /opt/kafka/bin",
            _script("kafka-topics.sh", f"{run} org.apache.kafka.tools.TopicCommand"),
            _script("kafka-broker-api-versions.sh", f"{run} kafka.admin.BrokerApiVersionsCommand"),
            f'{options}; print key "=" {value} }}\' > /tmp/server.properties',
            f'test -z "$KAFKA_NODE_ID" || {format_data}',  # none where only a script is wanted
        ],
    )


def _script(name: str, command: str) -> str:
    """The line of shell that puts a script where the image of Kafka has it."""
    place = f"/opt/kafka/bin/{name}"
    return f"printf '#!/bin/sh\\nexec %s \"$@\"\\n' '{command}' > {place}; chmod 755 {place}"
