"""The metrics port."""

import threading

import httpx
import pytest

from exporters.metrics.prometheus import Metrics
from exporters.metrics.web import Health, create_metrics_app


def a_client(metrics: Metrics, health: Health | None = None) -> httpx.AsyncClient:
    """A client of the port's app; the sidecar is ready where nothing else is said."""
    app = create_metrics_app(metrics, lambda: health or Health(ready=True))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sidecar")


async def test_metrics_come_as_plain_text_by_default():
    async with a_client(Metrics(10)) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "sidecheck_traces_open 0.0" in answer.text


async def test_metrics_come_as_openmetrics_where_asked_for():
    async with a_client(Metrics(10)) as client:
        answer = await client.get(
            "/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
        )
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


async def test_the_page_is_rendered_off_the_event_loop():
    metrics, threads = Metrics(10), []
    metrics.watch("sidecheck_journal_bytes", lambda: threads.append(threading.get_ident()) or 0)
    async with a_client(metrics) as client:
        await client.get("/metrics")
    assert threads
    assert threading.get_ident() not in threads


async def test_the_counts_of_traces_are_read_in_one_moment_however_long_the_page_takes():
    """A trace that is judged while the page is rendered must not be open and evaluated at once."""
    metrics = Metrics(10)
    open_traces = [1]
    metrics.watch("sidecheck_traces_open", lambda: open_traces[0])
    metrics.inc("sidecheck_traces_accepted_total")
    page = metrics.page()
    metrics.inc("sidecheck_traces_evaluated_total", service="shop", closed_by="idle")
    open_traces[0] = 0
    text = page.render()[0].decode()
    assert "sidecheck_traces_open 1.0" in text
    assert "sidecheck_traces_evaluated_total{" not in text


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readyz_says_whether_telemetry_is_taken(ready, status):
    async with a_client(Metrics(10), Health(ready=ready)) as client:
        assert (await client.get("/readyz")).status_code == status


async def test_healthz_stays_200_with_problems_and_names_them():
    async with a_client(Metrics(10), Health(ready=False, problems=("the disk is full",))) as client:
        answer = await client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "problems": ["the disk is full"]}


async def test_nothing_else_is_served():
    async with a_client(Metrics(10)) as client:
        assert (await client.get("/docs")).status_code == 404
        assert (await client.post("/metrics")).status_code == 405
