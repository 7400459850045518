"""Tokens and certificates with real servers and the exporters of the OpenTelemetry SDK."""

import asyncio
import ssl

import grpc
import httpx
import pytest
from certificates import Authority, Identity, swap
from cryptography import x509
from fakes import FakeIntake
from fastapi import FastAPI
from guarded_servers import TOKEN, Seconds, a_token_file, an_entrance, guarded_grpc, guarded_http, http_listener
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from servers import run_sidecheck
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from collector.access.http import guard_api
from collector.access.tls import TlsFiles
from collector.api_only import ApiOnly
from collector.app import Sidecar
from collector.commands.feedback import run as send_feedback
from collector.commands.problems import CommandError
from collector.commands.remote import Remote
from collector.intake import Refusal
from collector.receivers.feedback import feedback_router
from collector.receivers.limits import ConnectionLimits
from collector.settings import ConfigError, Settings


@pytest.fixture(autouse=True)
def no_other_authorities(monkeypatch) -> None:
    """The HTTP library of the SDK's exporter puts these before what it is told."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path / "pki")


@pytest.fixture
def server(authority) -> Identity:
    return authority.issue()


@pytest.fixture
def files(server) -> TlsFiles:
    return TlsFiles("otlp.tls", server.cert, server.key)


@pytest.fixture
def mutual(server, authority, tmp_path) -> TlsFiles:
    roots = tmp_path / "client-roots.crt"
    roots.write_bytes(authority.cert.read_bytes())
    return TlsFiles("otlp.tls", server.cert, server.key, roots)


def by_http(address: str, authority: Authority, client: Identity | None = None, token: str = TOKEN) -> SpanExporter:
    """The SDK's exporter over HTTPS."""
    shown = {} if client is None else {"client_certificate_file": str(client.cert), "client_key_file": str(client.key)}
    return HttpSpanExporter(
        f"https://{address}/v1/traces",
        certificate_file=str(authority.cert),
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
        **shown,
    )


def by_grpc(address: str, authority: Authority, client: Identity | None = None, token: str = TOKEN) -> SpanExporter:
    """The SDK's exporter over gRPC with TLS."""
    pair = (None, None) if client is None else (client.key.read_bytes(), client.cert.read_bytes())
    credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes(), *pair)
    return GrpcSpanExporter(
        f"https://{address}", credentials=credentials, headers=(("authorization", f"Bearer {token}"),), timeout=2
    )


TRANSPORTS = {"http": (guarded_http, by_http), "grpc": (guarded_grpc, by_grpc)}
each_transport = pytest.mark.parametrize(("serve", "exporter"), TRANSPORTS.values(), ids=list(TRANSPORTS))


def a_span() -> ReadableSpan:
    """A span of the SDK."""
    with TracerProvider().get_tracer("shop").start_as_current_span("chat") as span:
        return span


async def export(exporter: SpanExporter) -> bool:
    """Export one span; whether it was taken."""
    try:
        return await asyncio.to_thread(exporter.export, [a_span()]) is SpanExportResult.SUCCESS
    finally:
        await asyncio.to_thread(exporter.shutdown)


async def shown_by(address: str) -> int:
    """The serial number of the certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    pem = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


@each_transport
async def test_the_sdk_sends_over_tls_with_a_token(intake, authority, files, tmp_path, serve, exporter):
    async with serve(intake, an_entrance(files, a_token_file(tmp_path))) as address:
        assert await export(exporter(address, authority))
    assert intake.span_count == 1


@each_transport
async def test_the_sdk_with_a_wrong_token_is_refused_and_counted(intake, authority, files, tmp_path, serve, exporter):
    async with serve(intake, an_entrance(files, a_token_file(tmp_path))) as address:
        assert not await export(exporter(address, authority, token="wrong"))
    assert intake.span_count == 0
    assert {reason for _, reason in intake.refusals} == {Refusal.UNAUTHENTICATED}


@each_transport
async def test_a_token_can_be_changed_while_the_server_runs(intake, authority, files, tmp_path, serve, exporter):
    clock = Seconds()
    path = a_token_file(tmp_path, "old")
    async with serve(intake, an_entrance(files, path, clock)) as address:
        assert await export(exporter(address, authority, token="old"))
        path.write_text("old\nnewer\n")
        clock.now += 1
        assert await export(exporter(address, authority, token="newer"))
        path.write_text("newer\n")
        clock.now += 1
        assert not await export(exporter(address, authority, token="old"))


@each_transport
async def test_a_client_that_knows_another_authority_does_not_send(intake, files, tmp_path, serve, exporter):
    async with serve(intake, an_entrance(files)) as address:
        assert not await export(exporter(address, Authority(tmp_path / "other")))
    assert intake.span_count == 0


@each_transport
async def test_a_client_certificate_of_the_right_authority_is_let_in(intake, authority, mutual, serve, exporter):
    async with serve(intake, an_entrance(mutual)) as address:
        assert await export(exporter(address, authority, authority.issue("client")))


@each_transport
@pytest.mark.parametrize("stranger", [True, False], ids=["of another authority", "none"])
async def test_any_other_client_is_not(intake, authority, mutual, tmp_path, serve, exporter, stranger):
    client = Authority(tmp_path / "other").issue("client") if stranger else None
    async with serve(intake, an_entrance(mutual)) as address:
        assert not await export(exporter(address, authority, client))
    assert intake.span_count == 0


@each_transport
async def test_a_new_certificate_is_shown_to_new_connections_while_old_ones_go_on(
    intake, authority, server, files, serve, exporter
):
    clock = Seconds()
    async with serve(intake, an_entrance(files, clock=clock)) as address:
        assert await shown_by(address) == server.serial
        old = exporter(address, authority)
        assert await asyncio.to_thread(old.export, [a_span()]) is SpanExportResult.SUCCESS
        renewed = authority.issue("renewed")
        server.replace(renewed)
        clock.now += 1
        assert await shown_by(address) == renewed.serial
        assert await export(exporter(address, authority))
        assert await asyncio.to_thread(old.export, [a_span()]) is SpanExportResult.SUCCESS
        await asyncio.to_thread(old.shutdown)


@each_transport
async def test_a_client_ca_that_is_taken_away_lets_nobody_in_any_more(
    intake, authority, mutual, tmp_path, serve, exporter
):
    clock = Seconds()
    following = Authority(tmp_path / "following")
    async with serve(intake, an_entrance(mutual, clock=clock)) as address:
        former = authority.issue("former")
        assert await export(exporter(address, authority, former))
        swap(mutual.client_ca, following.cert.read_bytes())
        clock.now += 1
        assert await export(exporter(address, authority, following.issue("latter")))
        assert not await export(exporter(address, authority, former))


async def test_a_tls_handshake_that_does_not_come_is_not_waited_for(intake, files):
    short = ConnectionLimits(header_s=0.2)
    async with guarded_http(intake, an_entrance(files), short) as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()


async def test_an_app_is_told_whether_a_client_showed_a_certificate(authority, mutual):
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse(Request(scope).state.client_certificate)(scope, receive, send)

    client = authority.issue("client")
    trusting = ssl.create_default_context(cafile=authority.cert)
    knowing = ssl.create_default_context(cafile=authority.cert)
    knowing.load_cert_chain(client.cert, client.key)
    async with http_listener(app, entrance=an_entrance(mutual), certificate=ssl.CERT_OPTIONAL) as address:
        for context, shown in ((trusting, False), (knowing, True)):
            async with httpx.AsyncClient(verify=context, timeout=30) as http:
                assert (await http.get(f"https://{address}/")).json() is shown


@pytest.mark.parametrize("by_address", [True, False], ids=["named", "of the configuration"])
async def test_the_feedback_command_shows_the_token_of_its_configuration(intake, server, tmp_path, by_address):
    tokens = a_token_file(tmp_path)
    app = FastAPI()
    app.include_router(feedback_router(intake))
    entrance = an_entrance(TlsFiles("api.tls", server.cert, server.key), tokens)
    async with http_listener(guard_api(app, entrance, intake, is_local=True), entrance=entrance) as address:
        tls = {"cert": str(server.cert), "key": str(server.key)}
        settings = Settings.model_validate({"api": {"listen": address, "tls": tls, "token_file": str(tokens)}})
        body = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "thumbs_up": True}
        url = f"https://localhost:{address.rpartition(':')[2]}" if by_address else None
        said = await asyncio.to_thread(send_feedback, settings, body, url=url)
    assert said.startswith("kept")
    assert len(intake.feedback) == 1


@pytest.fixture
def asking(mutual, tmp_path) -> Settings:
    """Settings of an API that asks for a client's certificate."""
    tls = {"cert": str(mutual.cert), "key": str(mutual.key), "client_ca": str(mutual.client_ca)}
    nowhere = {"listen": "127.0.0.1:0"}
    return Settings.model_validate({"api": {**nowhere, "tls": tls}, "metrics": nowhere, "data_dir": str(tmp_path)})


ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    "command",
    [("feedback", ID, "--thumbs", "up"), ("explain", ID), ("forget", "--trace-id", ID, "--yes")],
    ids=lambda command: command[0],
)
async def test_a_command_shows_the_certificate_that_it_is_given(asking, authority, command):
    client = authority.issue("client")
    env = {"SSL_CERT_FILE": str(authority.cert)}
    async with ApiOnly(asking) as process:
        there = (*command, "--url", f"https://{process.addresses.api}")
        shown = await asyncio.to_thread(run_sidecheck, *there, "--cert", client.cert, "--key", client.key, **env)
        bare = await asyncio.to_thread(run_sidecheck, *there, **env)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert bare.returncode == 2
    assert "show one with --cert and --key" in bare.stderr


def test_a_certificate_that_cannot_be_shown_is_told_of_by_its_option(asking, authority, tmp_path):
    with pytest.raises(CommandError, match=r"--cert .*nothing: cannot be used \(No such file or directory\)"):
        Remote.of(asking, client=(tmp_path / "nothing", None))
    client, other = authority.issue("client"), authority.issue("other", passphrase=b"secret")
    with pytest.raises(CommandError, match="without a passphrase"):
        Remote.of(asking, client=(client.cert, other.key))
    with pytest.raises(CommandError, match="--key: name the certificate"):
        Remote.of(asking, client=(None, client.key))


@pytest.fixture
def everywhere(server, tmp_path) -> Settings:
    """Settings with TLS and a token at every port."""
    guarded = {
        "listen": "127.0.0.1:0",
        "tls": {"cert": str(server.cert), "key": str(server.key)},
        "token_file": str(a_token_file(tmp_path)),
    }
    ports = {"otlp": {"grpc": guarded, "http": guarded}, "api": guarded, "metrics": guarded}
    return Settings.model_validate({**ports, "data_dir": str(tmp_path / "data"), "workers": 1, "checks": {}})


async def test_a_sidecar_guards_all_of_its_ports(everywhere, authority):
    async with Sidecar(everywhere) as sidecar:
        where = sidecar.addresses
        assert await export(by_http(where.otlp_http, authority))
        assert await export(by_grpc(where.otlp_grpc, authority))
        assert not await export(by_grpc(where.otlp_grpc, authority, token="wrong"))
        context = ssl.create_default_context(cafile=authority.cert)
        async with httpx.AsyncClient(verify=context, timeout=30) as http:
            for url, status in (
                (f"https://{where.otlp_http}/v1/traces", 401),
                (f"https://{where.api}/api/traces", 401),
                (f"https://{where.metrics}/metrics", 401),
                (f"https://{where.metrics}/readyz", 200),
            ):
                assert (await http.get(url)).status_code == status, url
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            assert (await http.get(f"https://{where.api}/api/traces", headers=bearer)).status_code == 200
            text = (await http.get(f"https://{where.metrics}/metrics", headers=bearer)).text
    for source, count in (("otlp_grpc", 1), ("otlp_http", 1), ("api", 1)):
        labels = f'reason="unauthenticated",source="{source}"'
        assert f"sidecheck_requests_refused_total{{{labels}}} {count}.0" in text


async def test_a_sidecar_with_files_that_cannot_be_used_does_not_start(everywhere, server):
    server.key.write_text("nothing")
    with pytest.raises(ConfigError, match=r"otlp\.grpc\.tls\.key: .*holds no private key"):
        async with Sidecar(everywhere):
            pass
    assert not everywhere.data_dir.exists()
