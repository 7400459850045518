"""The pages on a real store, as they are sent: what stands in them, and what a browser is told to allow."""

import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from store_builders import NOW, a_failing_record, a_record, a_verdict, save, trace_id

from checks.finding import Finding
from exporters.review.routes import create_api
from exporters.review.static_files import FOREVER
from exporters.store import Store

PAGES = ("/", "/traces")
HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202egnp.exe{{7*7}}"
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def store(tmp_path):
    with Store.open(data_dir=tmp_path) as opened:
        yield opened


@pytest.fixture
def client(store):
    return TestClient(create_api(store, now=lambda: NOW), headers=BROWSER)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_html_with_its_scripts_and_style_from_here_alone(client, path):
    response = client.get(path)
    assert response.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', response.text)
    assert {name.rpartition("/")[2] for name in loaded} == {"style.css", "htmx.min.js", "keys.js"}
    assert all(client.get(name).headers["cache-control"] == FOREVER for name in loaded)
    assert not re.findall(r"<style|<script(?! src)|\sstyle=|\son\w+=|javascript:", response.text)


def test_pages_may_run_scripts_of_and_send_forms_to_this_address_and_nothing_else(client):
    policy = dict(part.split(" ", 1) for part in client.get("/").headers["content-security-policy"].split("; "))
    own = {"script-src": "'self'", "style-src": "'self'", "connect-src": "'self'", "form-action": "'self'"}
    none = dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'")
    assert policy == {**own, **none}


def test_pages_are_not_kept_by_browsers(client):
    assert client.get("/traces").headers["cache-control"] == "no-store"


def test_a_static_file_of_another_version_is_not_there(client):
    assert client.get("/static/0123456789abcdef/style.css").status_code == 404


def test_a_person_is_shown_an_error_as_a_page_and_a_program_as_json(client):
    assert "<h1>Not found</h1>" in client.get("/nothing").text
    assert client.get("/nothing", headers={"Accept": "*/*"}).json()["error"]["code"] == "not_found"
    assert client.get("/api/nothing").json()["error"]["code"] == "not_found"


def test_an_error_of_a_part_of_a_page_is_a_line_in_the_place_for_errors(client):
    response = client.get("/nothing", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["hx-retarget"]) == (404, "#problem")
    assert "<html" not in response.text


def test_the_list_shows_traces_and_verdicts(client, store):
    save(store, a_failing_record(1))
    text = client.get("/traces").text
    assert trace_id(1) in text
    assert "nothing is cited" in text


def test_a_list_without_traces_says_what_to_do(client):
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in client.get("/traces").text


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_harmless(client, store, path):
    named = replace(a_verdict(), check=HOSTILE, findings=(Finding(HOSTILE, HOSTILE),))
    save(store, a_record(1, verdicts=(named,), service=HOSTILE, view={"input": HOSTILE, "output": HOSTILE}))
    text = client.get(path).text
    assert "<script>" not in text
    assert not set("\x00\x1b\u202e") & set(text)
    assert "{{7*7}}" in text or path == "/"
