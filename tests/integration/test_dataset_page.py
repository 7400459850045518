"""The page *Dataset* as it is sent: cases, versions, differences, files, and the form that makes a version."""

import html
import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from store_builders import NOW, a_case, a_failing_record, save, trace_id

from exporters.dataset.case import CaseStatus, ExampleType
from exporters.dataset.formats import FORMATS
from exporters.review.routes import create_api
from exporters.store import CaseLimits, ForgetTarget, Store

WRITABLE = [name for name, format_ in FORMATS.items() if format_.missing is None]
BROWSER = {"Accept": "text/html,application/xhtml+xml"}
HOSTILE = "<script>alert(1)</script>\x00\x1b[31m\u202egnp.exe{{7*7}}"


@pytest.fixture
def store(prepared_folder):
    with Store.open(data_dir=prepared_folder) as opened:
        yield opened


@pytest.fixture
def client(store):
    api = create_api(store, now=lambda: NOW)
    return TestClient(api, headers=BROWSER, follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def cases(store):
    """Three promoted cases and a candidate."""
    limits = CaseLimits(per_cluster=10)
    save(store, *(a_failing_record(n) for n in (1, 2, 3)), status=CaseStatus.PROMOTED, limits=limits)
    save(store, a_failing_record(4, case=a_case(4, input="Is it blue?")), limits=limits)


def text(response, status=200):
    """What a person reads of the page, its spaces made one."""
    assert response.status_code == status, response.text
    return html.unescape(" ".join(re.sub("<[^>]+>", " ", response.text).split()))


def listed(client, query=""):
    response = client.get(f"/dataset?{query}")
    assert response.status_code == 200, response.text
    return re.findall(r'href="/review/([^"]+)"', response.text)


def links(response, part):
    return [html.unescape(link) for link in re.findall(r'href="([^"]+)"', response.text) if part in link]


def test_every_link_of_the_page_leads_somewhere_before_there_is_anything(client):
    found = links(client.get("/dataset"), "/")
    assert "/dataset/diff" in found
    assert {link: code for link in found if (code := client.get(link).status_code) >= 400} == {}


@pytest.mark.usefixtures("cases")
def test_before_the_first_version_all_would_be_new_in_it(client):
    page = text(client.get("/dataset/diff"))
    assert "What differs between the beginning and now" in page
    assert "Added 3 + case-1 + case-2 + case-3" in page
    assert "Compare" not in page


def test_an_empty_dataset_says_how_to_fill_it(client):
    page = text(client.get("/dataset"))
    assert "No case is promoted yet." in page
    assert "sidecheck dataset import mine.jsonl" in page
    assert "There is no version yet." in text(client.get("/dataset/versions"))


def test_a_dataset_whose_cases_wait_for_a_review_says_so(client, store):
    save(store, a_failing_record(1))
    assert "Review the 1 candidate" in text(client.get("/dataset"))


@pytest.mark.usefixtures("cases")
def test_promoted_cases_are_listed_and_others_where_they_are_asked_for(client):
    assert sorted(listed(client)) == ["case-1", "case-2", "case-3"]
    assert listed(client, "status=candidate") == ["case-4"]
    assert len(listed(client, "status=")) == 4
    assert "promoted 3" in text(client.get("/dataset"))


@pytest.mark.usefixtures("cases")
@pytest.mark.parametrize(
    ("query", "found"),
    [("kind=edge", 1), ("split=test", 1), ("tag=gold", 2), ("check=citations", 3), ("check=pii", 0), ("kind=none", 3)],
)
def test_the_list_is_narrowed_by_what_is_in_the_address(client, store, query, found):
    store.edit_case("case-1", {"kind": ExampleType.EDGE, "tags": ("gold",)}, "ann", "", NOW)
    store.edit_case("case-2", {"split": "test", "tags": ("gold",)}, "ann", "", NOW)
    assert len(listed(client, query)) == found
    if not found:
        assert "No case passes this filter." in text(client.get(f"/dataset?{query}"))


def test_the_list_comes_in_pages_that_keep_the_filter(client, store):
    for number in range(1, 71):
        store.add_case(a_case(number, tags=("gold",)), CaseStatus.PROMOTED, "ann", "", NOW + number)
    first = client.get("/dataset?tag=gold")
    (following,) = links(first, "cursor=")
    assert "tag=gold" in following
    second = client.get(following)
    assert links(second, "cursor=") == []
    assert len(listed(client, "tag=gold")) + len(re.findall('href="/review/', second.text)) == 70


@pytest.mark.usefixtures("cases")
def test_every_format_can_be_taken_away_with_the_filter(client):
    files = links(client.get("/dataset?tag=a%26b&split=test"), "/api/datasets/export")
    assert len(files) == len(WRITABLE) + 1
    assert all("tag=a%26b" in file and "split=test" in file for file in files)
    for file in files:
        assert client.get(file).status_code == 200


# versions


@pytest.fixture
def versions(client, cases, store):  # noqa: ARG001 -- they are in the store
    """Two versions: case 1 was changed between them, 2 removed, 4 added."""
    assert client.post("/dataset/commit", data={"message": "a start", "who": "ann"}).status_code == 303
    store.edit_case("case-1", {"input": "Is it\nred?"}, "ann", "", NOW)
    store.dismiss("case-2", "ann", "", NOW)
    store.promote("case-4", "ann", "", NOW)
    answer = client.post("/dataset/commit", data={"message": "tidied"})
    assert answer.headers["location"] == "/dataset/versions/v2"


@pytest.mark.usefixtures("versions")
def test_versions_are_listed_and_shown(client):
    assert "tidied" in text(client.get("/dataset"))
    assert re.search("v2 .* v1 ", text(client.get("/dataset/versions")))
    page = client.get("/dataset/versions/v1")
    assert "v1: a start" in text(page)
    assert "ann" in text(page)
    assert re.findall(r'href="/review/([^"]+)"', page.text) == ["case-1", "case-2", "case-3"]
    files = links(page, "/api/datasets/export")
    assert len(files) == len(WRITABLE) + 1
    assert all("version=v1" in file for file in files)


@pytest.mark.usefixtures("versions")
def test_versions_are_compared(client):
    page = client.get("/dataset/diff?from=v1&to=v2")
    assert re.findall("<(ins|del)>(.*?)</", page.text)[:3] == [
        ("del", "-How long can I return it?"),
        ("ins", "+Is it"),
        ("ins", "+red?"),
    ]
    assert "Added 1 + case-4 Removed 1 - case-2 Changed 1 case-1" in text(page)
    assert "No difference." in text(client.get("/dataset/diff"))


@pytest.mark.usefixtures("versions")
def test_nothing_to_commit_is_told_and_nothing_typed_is_lost(client):
    answer = client.post("/dataset/commit", data={"message": "once more", "who": "Bob"})
    assert "No version was made: nothing changed since v2." in text(answer, 409)
    assert 'value="once more"' in answer.text
    assert 'value="Bob"' in answer.text
    assert "Say in a few words" in text(client.post("/dataset/commit", data={"message": " "}), 422)


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize("path", ["/dataset/versions/v9", "/dataset/diff?from=v9", "/dataset/versions/%3Cb%3E"])
def test_a_version_that_is_not_there_is_told_on_a_page(client, path):
    assert "Not found" in text(client.get(path), 404)


@pytest.mark.usefixtures("versions")
def test_what_was_forgotten_is_told_of(client, store):
    store.forget(ForgetTarget(trace_id=trace_id(3)), NOW)
    assert "1 forgotten since" in text(client.get("/dataset"))
    assert "1 of its cases was forgotten on demand since" in text(client.get("/dataset/versions/v1"))
    assert "v1: 1 of its cases was forgotten" in text(client.get("/dataset/diff?from=v1&to=v2"))


@pytest.mark.usefixtures("cases")
@pytest.mark.usefixtures("cases")
def test_the_name_is_remembered_by_every_page(client):
    field = 'name="who" value="Zoë; x=1"'
    assert field not in html.unescape(client.get("/dataset").text)
    client.post("/dataset/commit", data={"message": "a start", "who": "Zoë; x=1"})
    for page in ("/dataset", "/review/case-4", f"/traces/{trace_id(4)}"):
        assert field in html.unescape(client.get(page).text), page


@pytest.mark.usefixtures("cases")
def test_a_name_that_was_typed_on_another_page_is_known_and_one_that_was_not_is_none(client):
    client.post("/dataset/commit", data={"message": "a start"})
    assert 'name="who" value=""' in client.post("/dataset/commit", data={"message": "again"}).text
    client.post(f"/traces/{trace_id(4)}/dismiss", data={"who": "bob"})
    assert 'name="who" value="bob"' in client.get("/dataset").text


def test_another_sites_page_cannot_commit(client, store):
    sent = client.post("/dataset/commit", data={"message": "a"}, headers={"sec-fetch-site": "cross-site"})
    assert sent.status_code == 403
    assert store.datasets.versions() == ()


def test_hostile_content_is_harmless_everywhere(client, store):
    case = a_case(1, input=HOSTILE, tags=(HOSTILE,), split=HOSTILE)
    case = replace(case, source=replace(case.source, service=HOSTILE, failed_checks=(HOSTILE,)))
    store.add_case(case, CaseStatus.PROMOTED, HOSTILE, HOSTILE, NOW)
    client.post("/dataset/commit", data={"message": HOSTILE, "who": HOSTILE})
    store.edit_case(case.id, {"input": f"{HOSTILE}\nmore"}, "ann", "", NOW)
    for path in ("/dataset", "/dataset/versions", "/dataset/versions/v1", "/dataset/diff"):
        page = client.get(path)
        assert page.status_code == 200
        assert "alert(1)" in page.text
        assert not re.search("<script>|[\x00\x1b\u202e]|gnp.exe49", page.text)
