"""Who is let in at the HTTP ports, and how the others are told."""

import base64

import httpx
import pytest
from fakes import FakeIntake
from google.rpc.status_pb2 import Status
from guarded_servers import TOKEN, a_token_file, an_entrance
from otlp import a_trace_request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from collector.access.entrance import Entrance
from collector.access.http import guard_api, guard_metrics, guard_otlp
from collector.access.tls import TlsFiles
from collector.intake import Refusal, Source
from collector.receivers.limits import ReceiverLimits
from collector.receivers.otlp_http import create_app

BEARER = {"Authorization": f"Bearer {TOKEN}"}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode()}
BODY = a_trace_request().SerializeToString()
PROTOBUF = {"Content-Type": "application/x-protobuf"}


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """An app with one page."""
    await PlainTextResponse("the page")(scope, receive, send)


async def get(app, path: str = "/", base: str = "http://127.0.0.1:8321", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as client:
        return await client.get(path, headers=headers)


async def post(app, body: object = BODY, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sidecar") as client:
        return await client.post("/v1/traces", content=body, headers={**PROTOBUF, **headers})


@pytest.fixture
def intake() -> FakeIntake:
    return FakeIntake()


@pytest.fixture
def entrance(tmp_path) -> Entrance:
    return an_entrance(tokens=a_token_file(tmp_path))


@pytest.fixture
def otlp(intake, entrance):
    return guard_otlp(create_app(intake, ReceiverLimits()), entrance, intake)


@pytest.fixture
def api(intake, entrance):
    return guard_api(page, entrance, intake, is_local=True)


async def test_otlp_with_the_token_is_taken(otlp, intake):
    assert (await post(otlp, **BEARER)).status_code == 200
    assert intake.span_count == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, BASIC])
async def test_otlp_without_it_is_refused_in_its_own_encoding_and_counted(otlp, intake, headers):
    response = await post(otlp, **headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="sidecheck"'
    assert Status.FromString(response.content).code == 16
    assert intake.refusals == {(Source.OTLP_HTTP, Refusal.UNAUTHENTICATED): 1}


async def test_the_body_of_a_request_without_a_token_is_not_read(otlp):
    async def body():
        raise AssertionError("it was read")
        yield b""

    assert (await post(otlp, body())).status_code == 401


async def test_without_a_token_file_everybody_is_let_in(intake):
    otlp = guard_otlp(create_app(intake, ReceiverLimits()), an_entrance(), intake)
    assert (await post(otlp)).status_code == 200


@pytest.mark.parametrize("headers", [BEARER, BASIC])
async def test_the_api_takes_the_token_as_a_bearer_or_as_a_password(api, headers):
    assert (await get(api, **headers)).text == "the page"


async def test_a_browser_is_made_to_ask_for_the_password(api, intake):
    response = await get(api, Accept="text/html,application/xhtml+xml")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert intake.refusals == {(Source.API, Refusal.UNAUTHENTICATED): 1}


async def test_a_program_is_told_in_the_form_of_the_api(api):
    response = await get(api, "/api/traces")
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert response.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize("name", ["localhost:8321", "127.0.0.1:8321", "[::1]:8321", "sidecheck.localhost", "10.0.0.7"])
async def test_a_local_api_without_tokens_answers_to_its_own_names(intake, name):
    api = guard_api(page, an_entrance(), intake, is_local=True)
    assert (await get(api, Host=name)).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", "localhost.evil", "["])
async def test_a_local_api_without_tokens_does_not_answer_to_a_page_that_was_rebound_to_it(intake, name):
    api = guard_api(page, an_entrance(), intake, is_local=True)
    response = await get(api, Host=name)
    assert response.status_code == 421
    assert "api.token_file" in response.json()["error"]["message"]


async def test_an_api_for_the_network_answers_to_any_name(intake):
    api = guard_api(page, an_entrance(), intake, is_local=False)
    assert (await get(api, Host="sidecheck.example")).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_need_no_token(entrance, path):
    assert (await get(guard_metrics(page, entrance), path)).status_code == 200


async def test_metrics_need_the_token(entrance):
    metrics = guard_metrics(page, entrance)
    assert (await get(metrics, "/metrics")).status_code == 401
    assert (await get(metrics, "/metrics", **BEARER)).status_code == 200
    assert (await get(metrics, "/healthz/../metrics")).status_code == 401


async def test_metrics_need_the_certificate_that_was_asked_for(tmp_path):
    files = TlsFiles("metrics.tls", tmp_path / "cert", tmp_path / "key", tmp_path / "ca")
    metrics = guard_metrics(page, an_entrance(files))
    assert (await get(metrics, "/metrics")).status_code == 403
    assert (await get(metrics, "/healthz")).status_code == 200
