"""``sidecheck demo``: what a person sees of it."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from collector.app import Sidecar
from collector.commands.problems import CommandError
from collector.demo.run import judged, recordings, send_all
from collector.display import Row, console, summary, verdict_table
from collector.servers import CannotListen, bind
from collector.settings import Address, Settings
from exporters.store import TraceSummary


async def run(folder: Path, *, leave: bool) -> None:
    """Run the demo with its data in ``folder``; ``leave`` ends it once the verdicts are shown."""
    async with Sidecar(demo_settings(folder)) as sidecar:
        out = console()
        out.print("Sending recorded traces of real apps through OTLP, over gRPC and over HTTP ...")
        try:
            traces = await _send(sidecar)
        except TimeoutError:
            raise CommandError(
                "the recorded traces were not judged within a minute; is the machine very busy?"
            ) from None
        out.print(verdict_table(_rows(traces), list(sidecar.settings.checks)))
        out.print(summary(trace.verdicts for trace in traces))
        _show_addresses(sidecar)
        if not leave:
            out.print("\nIt stays up: send it traces of your own. Ctrl-C ends it.")
            await _interrupted()


def demo_settings(folder: Path) -> Settings:
    """The defaults, with data in ``folder`` and another port where the usual one is taken."""
    defaults = Settings()
    ports = {key: _free(address) for key, address in defaults.listeners.items()}
    return Settings.model_validate(
        {
            "data_dir": str(folder),
            "otlp": {
                "grpc": {"listen": ports["otlp.grpc.listen"]},
                "http": {"listen": ports["otlp.http.listen"]},
            },
            "api": {"listen": ports["api.listen"]},
            "metrics": {"listen": ports["metrics.listen"]},
        }
    )


async def _send(sidecar: Sidecar) -> Sequence[TraceSummary]:
    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=len(recordings()))
        trace_ids = await send_all(sidecar, lambda: bar.advance(task))
        bar.update(task, description="waiting for the verdicts", total=None)
        return await judged(sidecar, trace_ids)


def _rows(traces: Sequence[TraceSummary]) -> list[Row]:
    ordered = sorted(traces, key=lambda trace: (trace.convention, trace.trace_id))
    return [(t.trace_id, t.service, t.convention, t.verdicts) for t in ordered]


def _show_addresses(sidecar: Sidecar) -> None:
    where = sidecar.addresses
    out = console()
    out.print(f"\n  page and API     http://{where.api}/")
    out.print(f"  metrics          http://{where.metrics}/metrics")
    out.print(f"  OTLP over HTTP   http://{where.otlp_http}")
    out.print(f"  OTLP over gRPC   http://{where.otlp_grpc}")


def _free(address: Address) -> str:
    try:
        bind("", address.host, address.port).close()
    except CannotListen:
        return f"{address.host}:0"
    return str(address)


async def _interrupted() -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
