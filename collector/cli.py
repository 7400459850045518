"""The command line. Owns arguments and what they mean; exit codes are in ``commands.frame``, the work elsewhere."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collector.commands import config, dataset
from collector.commands.frame import FAILED, UNUSABLE, ConfigPath, settings_of, stop, told
from collector.pipeline import heap
from collector.settings import Settings, load, warnings

if TYPE_CHECKING:
    from collector.process import Process

app = typer.Typer(
    name="sidecheck",
    help="An online evaluation sidecar for LLM apps: traces in, verdicts, metrics and regression cases out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config.app, name="config")
app.add_typer(dataset.app, name="dataset")

Url = Annotated[str | None, typer.Option("--url", help="Address of the API; else api.listen.")]
ClientCert = Annotated[Path | None, typer.Option("--cert", help="Certificate to show, where api.tls.client_ca is set.")]
ClientKey = Annotated[Path | None, typer.Option("--key", help="Its private key, where that is in another file.")]


def main() -> None:
    """Run ``sidecheck``."""
    heap.collect_less()
    try:
        app()
    except BrokenPipeError:  # `sidecheck check --json ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNUSABLE)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sidecheck {metadata.version('sidecheck')}")
        raise typer.Exit


@app.callback()
def _options(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


class Part(StrEnum):
    """A part of the sidecar that can run alone."""

    API = "api"


@app.command()
def serve(
    config: ConfigPath = None,
    only: Annotated[
        Part | None, typer.Option("--only", help="api: the page and the API over the store, and nothing else.")
    ] = None,
) -> None:
    """Run the sidecar: take in OTLP, check every trace, serve metrics and the API, until Ctrl-C or SIGTERM.

    An app sends its traces here with OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (http/protobuf)
    or http://127.0.0.1:4317 (grpc).
    """
    if only is Part.API:
        from collector.api_only import ApiOnly

        _run(ApiOnly, config)
    else:
        from collector.app import Sidecar

        _run(partial(Sidecar, load=lambda: load(config, os.environ)), config)


@app.command()
def relay(config: ConfigPath = None) -> None:
    """Take in OTLP and feedback and write it to Kafka, for a group of sidecars that reads there.

    A request is acknowledged once the brokers have it; nothing is judged or kept here. Options: otlp, kafka, relay.
    """
    from collector.relay.app import Relay

    _run(Relay, config)


@app.command()
def check(
    paths: Annotated[
        list[str],
        typer.Argument(help="*.binpb, *.logs.binpb (OTLP protobuf), *.json, *.jsonl (OTLP/JSON); - is standard input."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a trace instead of a table.")] = False,
    config: ConfigPath = None,
) -> None:
    """Check traces in files: the same pipeline, without a server.

    Exit code 0: all passed, 1: something failed, 2: a file could not be read.
    """
    from collector.commands.check import run

    settings = settings_of(config)
    with told():
        raise typer.Exit(run(paths, settings, as_json=as_json))


@app.command()
def demo(
    *,
    leave: Annotated[bool, typer.Option("--exit", help="End by itself instead of staying up until Ctrl-C.")] = False,
) -> None:
    """See it work: start a sidecar, send recorded traces of real apps to it through OTLP, show the verdicts.

    Keeps its data in a temporary folder and takes other ports where the usual ones are in use.
    """
    from collector import logs
    from collector.commands.demo import run

    logs.configure()
    with told(), tempfile.TemporaryDirectory(prefix="sidecheck-demo-") as folder:
        asyncio.run(run(Path(folder), leave=leave))


FORMATS_HELP = (
    "Dataset format: jsonl, pytest, promptfoo, deepeval, langsmith, langfuse, inspect, mlflow, pydantic-evals, ragas, "
    "phoenix, braintrust, parquet, openai-evals; or all."
)
"""Written out: to ask the formats would load them whenever any command starts."""


@app.command()
def export(
    *,
    out: Annotated[
        str, typer.Option("--out", "-o", help="File, or folder for all files of the format; - is standard output.")
    ],
    format_name: Annotated[str, typer.Option("--format", "-f", help=FORMATS_HELP)] = "jsonl",
    include: Annotated[
        list[str] | None, typer.Option("--include", help="candidate: take cases that nobody reviewed yet, too.")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", help="Only cases of this kind; may be repeated.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Only this part: train, validation or test.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Only cases with this tag; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only cases made since: 24h, 7d or 2026-11-01.")] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", help="A version of the dataset instead of the present: v3, latest."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Write cases as test cases for an eval tool: reviewed ones, or unreviewed ones too."""
    from collector.commands.export import Wanted, run

    wanted = Wanted(version, include or (), kind or (), split, tag or (), since)
    with told():
        run(settings_of(config), wanted, out=out, format_name=format_name)


@app.command()
def feedback(
    trace_id: Annotated[str, typer.Argument(help="The trace that the feedback is about: 32 hex digits.")],
    *,
    thumbs: Annotated[str | None, typer.Option("--thumbs", help="up or down.")] = None,
    score: Annotated[float | None, typer.Option("--score", help="0 (bad) to 1 (good).")] = None,
    comment: Annotated[str | None, typer.Option("--comment", help="In the user's words.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Who says so.")] = None,
    url: Url = None,
    cert: ClientCert = None,
    key: ClientKey = None,
    config: ConfigPath = None,
) -> None:
    """Send a user's feedback on a trace to a running sidecar: the same as POST /v1/feedback."""
    from collector.commands.feedback import run

    if thumbs not in (None, "up", "down"):
        stop(f"--thumbs {thumbs}: must be up or down")
    said: dict[str, Any] = {"thumbs_up": thumbs and thumbs == "up", "score": score, "comment": comment, "user_id": user}
    body = {"trace_id": trace_id, **{key: value for key, value in said.items() if value is not None}}
    with told():
        typer.echo(run(settings_of(config), body, url=url, client=(cert, key)))


@app.command()
def forget(
    *,
    trace_id: Annotated[str | None, typer.Option("--trace-id", help="This trace: 32 hex digits.")] = None,
    user_id: Annotated[str | None, typer.Option("--user-id", help="All traces and feedback of this user.")] = None,
    session_id: Annotated[str | None, typer.Option("--session-id", help="All traces of this session.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    cert: ClientCert = None,
    key: ClientKey = None,
    config: ConfigPath = None,
) -> None:
    """Remove all that is known of a trace, a user or a session, promoted cases too, and keep it from coming back.

    Asks the running sidecar; where none answers, works on its store, journal and quarantine directly.
    """
    from collector.commands.forget import run
    from exporters.store import ForgetTarget

    try:
        target = ForgetTarget(trace_id, user_id, session_id)
    except ValueError:
        stop("name exactly one of --trace-id, --user-id and --session-id")
    if trace_id is not None and re.fullmatch("[0-9a-fA-F]{32}", trace_id) is None:
        stop("--trace-id: must be 32 hexadecimal digits")
    if not yes and not sys.stdin.isatty():
        stop("forgetting cannot be undone, and nobody is here to be asked: say --yes")
    with told():
        confirm = None if yes else typer.confirm
        if not run(settings_of(config), target, url=url, confirm=confirm, client=(cert, key)):
            raise typer.Exit(UNUSABLE)


@app.command()
def explain(
    trace_id: Annotated[str, typer.Argument(help="The trace: 32 hex digits.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As the API gives it.")] = False,
    url: Url = None,
    cert: ClientCert = None,
    key: ClientKey = None,
    config: ConfigPath = None,
) -> None:
    """Say why a trace has its verdicts, or none: what became of it, and what every check says.

    Asks the running sidecar; where none answers, looks into its store.
    """
    from collector.commands.explain import run

    with told():
        run(settings_of(config), trace_id, url=url, as_json=as_json, client=(cert, key))


@app.command()
def health(
    *,
    ready: Annotated[
        bool, typer.Option("--ready", help="Whether it takes telemetry in, not only whether it lives.")
    ] = False,
    config: ConfigPath = None,
) -> None:
    """Ask the sidecar of this configuration, on this machine, how it is; exit code 1 if it does not answer or says no.

    For the health check of a container: it finds the metrics port, with or without TLS, where serve has it.
    """
    from collector.commands.health import NotWell, run

    try:
        typer.echo(run(settings_of(config), ready=ready))
    except NotWell as error:
        stop(str(error), FAILED)


def _run(kind: "Callable[[Settings], Process]", config: Path | None) -> None:
    """Run a process until it gets a signal."""
    from collector import logs
    from collector.process import run_until_signal

    settings = settings_of(config)
    logs.configure()
    for warning in warnings(settings):
        typer.echo(f"warning: {warning}", err=True)
    with told():
        asyncio.run(run_until_signal(kind(settings)))


if __name__ == "__main__":
    main()
