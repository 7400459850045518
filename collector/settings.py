"""The configuration: one YAML file, environment variables over it, defaults beneath.

``load`` is the way in; a configuration that cannot be used is refused whole, before anything listens. The options
themselves are in ``settings_models``, and this module is where everything about them is imported from.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from checks.catalogue import DEFAULT_CHECKS, CheckConfigError, build
from collector.settings_docs import (
    Option,
    all_keys,
    as_yaml,
    changed_keys,
    describe,
    describe_destination,
    describe_webhook,
    json_schema,
)
from collector.settings_errors import ConfigError, Problem, explain, place_of
from collector.settings_models import Settings
from collector.settings_sources import CONFIG_VARIABLE, Tree, overlay_environment, read_file
from collector.settings_units import Address, format_duration, format_size, parse_size
from collector.settings_values import has_password

_SECRET_HEADER = re.compile(r"authorization|api-?key|token|secret|password|cookie", re.IGNORECASE)

OPEN_KEYS = (
    ("checks",),
    ("kafka", "consumer"),
    ("kafka", "headers"),
    ("prices",),
    ("budgets",),
    ("forward",),
    ("results", "otlp"),
    ("telemetry", "otlp"),
    ("notify",),
)
"""Below these users name their own keys."""

__all__ = [
    "CONFIG_VARIABLE",
    "Address",
    "ConfigError",
    "Option",
    "Problem",
    "Settings",
    "as_yaml",
    "changed_keys",
    "describe",
    "describe_destination",
    "describe_webhook",
    "format_duration",
    "format_size",
    "json_schema",
    "load",
    "parse_size",
    "warnings",
]


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the file at ``path`` (``None``: no file), with the ``SIDECHECK_`` variables of ``env`` over it.

    Raises:
        ConfigError: with everything that is wrong: the file, a key, a value, a check's option, or a variable.
    """
    tree = read_file(path) if path is not None else Tree()
    if tree.data.get("checks") is None:
        tree.data["checks"] = {name: {} for name in DEFAULT_CHECKS}  # so that a variable for one check keeps the others
    problems = overlay_environment(tree, env, all_keys(), open_keys=OPEN_KEYS)
    try:
        settings = Settings.model_validate(tree.data)
    except ValidationError as error:
        raise ConfigError(*problems, *explain(error, all_keys(), tree.places)) from error
    problems += [*_check_problems(settings, tree), *_open_doors(settings, tree), *_kafka_problems(settings, tree)]
    problems += _missing_files(settings, tree)
    if problems:
        raise ConfigError(*problems)
    return settings


def _check_problems(settings: Settings, tree: Tree) -> list[Problem]:
    """What the checks say of their options. Each is built alone, so that the mistakes of all are found at once."""
    problems = []
    for name, options in settings.checks.items():
        try:
            build({name: options})
        except CheckConfigError as error:
            path = tuple(error.key.partition("[")[0].split("."))
            problems.append(Problem(error.key, error.problem, place_of(path, tree.places)))
    return problems


def _kafka_problems(settings: Settings, tree: Tree) -> Iterator[Problem]:
    """What the Kafka client says of its options; it is only loaded where it is wanted."""
    kafka = settings.kafka
    if kafka.consumer:
        from collector.receivers.kafka.options import problems

        for name, text in problems(kafka.consumer):
            path = ("kafka", "consumer", name)
            yield Problem(".".join(path), text, place_of(path, tree.places))


def _missing_files(settings: Settings, tree: Tree) -> Iterator[Problem]:
    """Files of passwords that are not there now; they are read when somebody logs in."""
    kafka = settings.kafka
    for path, file in (
        (("kafka", "password_file"), kafka.password_file),
        (("kafka", "token_file"), kafka.token_file),
        (("store", "password_file"), settings.store.password_file),
    ):
        if file is not None and not file.is_file():
            yield Problem(".".join(path), f"there is no file {file}", place_of(path, tree.places))


def _open_doors(settings: Settings, tree: Tree) -> list[Problem]:
    """Ports that anyone on the network could use: who reaches them reads what users said, or sends what never was."""
    if settings.allow_insecure:
        return []
    return [
        Problem(
            f"{section}.listen",
            f"{port.listen} can be reached by other machines, and nothing keeps them out; set {section}.token_file or "
            f"{section}.tls.client_ca, listen on 127.0.0.1, or set allow_insecure: true",
            place_of((*section.split("."), "listen"), tree.places),
        )
        for section, port in settings.ports.items()
        if not (port.listen.is_loopback or port.is_guarded)
    ]


def warnings(settings: Settings) -> list[str]:
    """What is allowed and may still surprise, one sentence each. Meant to be logged at the start."""
    found = [*_exposed(settings), *_unshared(settings), *_told_secrets(settings)]
    for key, size in (("limits.request", settings.limits.request), ("assembly.max_bytes", settings.assembly.max_bytes)):
        if size > settings.limits.memory:
            memory = format_size(settings.limits.memory)
            found.append(
                f"{key} is {format_size(size)}, more than limits.memory ({memory}): nothing that large can be taken in"
            )
    return found


def _unshared(settings: Settings) -> Iterator[str]:
    if settings.kafka.bootstrap_servers and not (settings.store.url or "").startswith("postgres"):
        yield (
            "kafka is read and the store is a file of this machine: one replica can work so; "
            "for more, set store.url to a PostgreSQL that they share"
        )


def _told_secrets(settings: Settings) -> Iterator[str]:
    """Secrets that stand in the configuration, where more people and programs read them than need to."""
    if settings.store.url is not None and has_password(settings.store.url):
        yield "store.url has a password; a file can hold it instead: store.password_file"
    if "sasl_plain_password" in settings.kafka.consumer:
        yield "kafka.consumer has sasl_plain_password; a file can hold it instead: kafka.password_file"
    for key, backend in settings.backends.items():
        for name in filter(_SECRET_HEADER.search, backend.headers):
            yield f"{key}.headers has {name}, a secret by its name; a file can hold it instead: {key}.headers_file"


def _exposed(settings: Settings) -> Iterator[str]:
    for section, port in settings.ports.items():
        if port.listen.is_loopback:
            continue
        where = f"{section}.listen is {port.listen}, which other machines can reach"
        if not port.is_guarded:
            yield f"{where}: there is no access control (allow_insecure), so let only trusted networks through"
        elif port.tls.cert is None:
            yield f"{where}, without TLS: its token can be read on the way; set {section}.tls"
