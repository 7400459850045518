"""``sidecheck health`` against metrics ports as ``serve`` has them: with and without TLS, ready or not, or nobody."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from certificates import Authority
from externals import free_port
from guarded_servers import an_entrance, http_listener
from servers import run_sidecheck

from collector.access.http import guard_metrics
from collector.access.tls import TlsFiles
from collector.commands.health import NotWell, run
from collector.settings import load
from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app

WELL = Health(ready=True)
STARTING = Health(ready=False, problems=("the store cannot be opened",))


@asynccontextmanager
async def metrics_port(health: Health, tls: TlsFiles | None = None) -> AsyncIterator[str]:
    entrance = an_entrance(tls)
    app = guard_metrics(create_metrics_app(Metrics(max_series=10), lambda: health), entrance)
    async with http_listener(app, entrance=entrance, certificate=ssl.CERT_OPTIONAL) as address:
        yield address


async def asked(address: str, *, ready: bool = False, **more: str) -> str:
    settings = load(None, {"SIDECHECK_METRICS__LISTEN": address, "SIDECHECK_ALLOW_INSECURE": "true", **more})
    return await asyncio.to_thread(run, settings, ready=ready)


@pytest.mark.parametrize("ready", [False, True])
async def test_a_sidecar_that_is_well_says_so(ready):
    async with metrics_port(WELL) as address:
        assert await asked(address, ready=ready) == ("ready" if ready else "ok")


async def test_one_that_is_degraded_lives_and_says_why_and_is_not_ready():
    async with metrics_port(STARTING) as address:
        assert await asked(address) == "degraded; the store cannot be opened"
        with pytest.raises(NotWell, match=r"^not_ready; the store cannot be opened$"):
            await asked(address, ready=True)


async def test_what_listens_on_all_addresses_is_asked_on_loopback():
    async with metrics_port(WELL) as address:
        assert await asked(address.replace("127.0.0.1", "0.0.0.0")) == "ok"


async def test_with_tls_it_asks_by_tls_and_shows_no_certificate_of_its_own(tmp_path):
    authority = Authority(tmp_path)
    server = authority.issue()
    files = TlsFiles("metrics.tls", server.cert, server.key, authority.cert)
    names = {"CERT": server.cert, "KEY": server.key, "CLIENT_CA": authority.cert}
    variables = {f"SIDECHECK_METRICS__TLS__{name}": str(path) for name, path in names.items()}
    async with metrics_port(WELL, files) as address:
        assert await asked(address, **variables) == "ok"
        with pytest.raises(NotWell, match="no sidecheck answers at"):
            await asked(address)


async def test_the_command_finds_the_port_in_the_file_that_serve_reads(tmp_path):
    async with metrics_port(WELL) as address:
        file = tmp_path / "sidecheck.yaml"
        file.write_text(f"metrics: {{listen: '{address}'}}")
        done = await asyncio.to_thread(run_sidecheck, "health", SIDECHECK_CONFIG=str(file))
    assert (done.returncode, done.stdout) == (0, "ok\n")


def test_where_nobody_answers_the_exit_code_is_that_of_an_unhealthy_container():
    address = f"127.0.0.1:{free_port()}"
    done = run_sidecheck("health", SIDECHECK_METRICS__LISTEN=address)
    assert done.returncode == 1  # 2 is reserved by Docker
    assert done.stderr == f"sidecheck: no sidecheck answers at {address} (metrics.listen): ConnectionRefusedError\n"
