"""``sidecheck dataset``: versions, their differences, splits, tags and imports, as a person or a script sees them."""

import hashlib
import json
import os
from typing import NamedTuple

import pytest
from externals import free_port
from store_builders import NOW, a_case, a_failing_record, save, trace_id
from typer.testing import CliRunner

from collector.cli import app
from exporters.dataset.case import CaseStatus
from exporters.store import CaseLimits, ForgetTarget, Store

REFUSED, UNUSABLE = 1, 2
MANY = CaseLimits(per_cluster=100)


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        assert self.code == 0, self
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ann")
    for name in [name for name in os.environ if name.startswith("SIDECHECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SIDECHECK_API__LISTEN", "127.0.0.1:9")  # no sidecar is asked


def dataset(*arguments, stdin=b""):
    return sidecheck("dataset", *arguments, stdin=stdin)


def sidecheck(*arguments, stdin=b""):
    result = CliRunner().invoke(app, [*map(str, arguments)], input=stdin, catch_exceptions=False)
    return Ended(result.exit_code, result.stdout_bytes.decode(), result.stderr_bytes.decode())


def stored(tmp_path):
    return Store.open(None, tmp_path / "sidecheck-data")


@pytest.fixture
def empty(tmp_path):
    """A store with nothing in it."""
    stored(tmp_path).close()


@pytest.fixture
def cases(tmp_path):
    """A store with three promoted cases and a candidate."""
    with stored(tmp_path) as store:
        save(store, *(a_failing_record(n) for n in (1, 2, 3)), status=CaseStatus.PROMOTED, limits=MANY)
        save(store, a_failing_record(4), limits=MANY)


@pytest.fixture
def versions(cases, tmp_path):  # noqa: ARG001 -- they are in the store
    """Two versions: case 1 was changed between them, case 2 removed and case 4 added."""
    assert dataset("commit", "-m", "a start").code == 0
    with stored(tmp_path) as store:
        store.edit_case("case-1", {"input": "Is it\n\x1b[31mred?"}, "ann", "", NOW)
        store.dismiss("case-2", "ann", "", NOW)
        store.promote("case-4", "ann", "", NOW)
    assert dataset("commit", "-m", "tidied", "--author", "Bob").code == 0


# versions


@pytest.mark.usefixtures("cases")
def test_a_commit_says_what_it_froze_and_how_to_get_its_file():
    ended = dataset("commit", "--message", "a start")
    assert ended.code == 0
    assert ended.out.startswith("v1 ")
    assert "3 cases, 3 added, 0 changed, 0 removed" in ended.out
    assert "sidecheck export --version v1" in ended.out


@pytest.mark.usefixtures("cases")
def test_a_commit_without_a_change_is_refused_in_a_sentence():
    dataset("commit", "-m", "a start")
    assert dataset("commit", "-m", "again") == (REFUSED, "", "sidecheck: nothing changed since v1\n")


@pytest.mark.usefixtures("empty")
def test_a_commit_without_a_case_says_what_to_do():
    ended = dataset("commit", "-m", "a start")
    assert (ended.code, ended.out) == (REFUSED, "")
    assert "promote candidates, or import cases" in ended.err


@pytest.mark.usefixtures("cases")
def test_a_commit_says_what_is_new_in_it():
    ended = dataset("commit", "-m", " ")
    assert (ended.code, "--message" in ended.err) == (UNUSABLE, True)
    assert dataset("log", "--json").json == {"versions": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ("dataset", "log"),
        ("dataset", "show"),
        ("dataset", "diff"),
        ("dataset", "commit", "-m", "a start"),
        ("dataset", "split"),
        ("dataset", "tag", "case-1", "--add", "gold"),
        ("export", "--out", "cases.jsonl"),
    ],
)
def test_where_there_is_no_store_none_is_made(tmp_path, arguments):
    ended = sidecheck(*arguments)
    assert (ended.code, "there is no store in sidecheck-data" in ended.err) == (UNUSABLE, True)
    assert not [*tmp_path.iterdir()]


@pytest.mark.usefixtures("versions")
def test_the_log_lists_the_versions_newest_first():
    newest, oldest = dataset("log", "--json").json["versions"]
    assert (newest["version"], newest["parent"], newest["who"], newest["message"]) == ("v2", "v1", "Bob", "tidied")
    assert (newest["cases"], newest["added"], newest["changed"], newest["removed"]) == (3, 1, 1, 1)
    assert (oldest["version"], oldest["parent"], oldest["who"]) == ("v1", None, "ann")
    shown = dataset("log").out
    assert shown.index("tidied") < shown.index("a start")
    assert newest["hash"][:12] in shown


@pytest.mark.usefixtures("empty")
def test_an_empty_log_says_how_to_begin():
    assert "sidecheck dataset commit -m" in dataset("log").out
    assert dataset("log", "--json").json == {"versions": []}


@pytest.mark.usefixtures("versions")
def test_a_version_is_shown_in_figures_and_case_by_case():
    shown = dataset("show", "v1", "--json").json
    assert (shown["version"], shown["cases"], shown["sound"]) == ("v1", 3, True)
    assert shown["summary"] == {
        "kind": {"historical_failure": 3},
        "split": {"none": 3},
        "tag": {},
        "check": {"citations": 3},
        "service": {"shop": 3},
    }
    assert [case["id"] for case in shown["caseList"]] == ["case-1", "case-2", "case-3"]
    text = dataset("show").out
    assert "v2 " in text
    assert "kind: historical_failure 3" in text
    assert "case-4" in text


@pytest.mark.usefixtures("versions")
def test_two_versions_are_compared_case_by_case_and_harmlessly():
    ended = dataset("diff", "v1", "v2")
    lines = [line.strip() for line in ended.out.splitlines()]
    assert lines[0] == "v1 -> v2: 1 added, 1 changed, 1 removed"
    assert {"+ case-4", "- case-2", "~ case-1", "-How long can I return it?", "+Is it"} <= set(lines)
    assert "\x1b" not in ended.out
    (changed,) = dataset("diff", "v1", "v2", "--json").json["changed"]
    assert changed["fields"][0] == {
        "field": "input",
        "diff": ["@@ -1 +1,2 @@", "-How long can I return it?", "+Is it", "+\x1b[31mred?"],
    }


@pytest.mark.usefixtures("cases")
def test_before_the_first_commit_all_would_be_new_in_it():
    ended = dataset("diff")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "the beginning -> now: 3 added, 0 changed, 0 removed"), ended
    assert dataset("diff", "--json").json["from"] == {"version": "the beginning", "forgotten": 0}
    assert dataset("diff", "v1").code == UNUSABLE


@pytest.mark.usefixtures("versions")
def test_a_diff_alone_shows_what_the_next_commit_would_change(tmp_path):
    assert "v2 -> now: no difference" in dataset("diff").out
    with stored(tmp_path) as store:
        store.promote("case-2", "ann", "", NOW)
    assert dataset("diff", "--json").json["added"] == ["case-2"]


@pytest.mark.usefixtures("versions")
def test_an_export_of_a_version_has_the_bytes_that_its_hash_is_of(tmp_path):
    hashes = {one["version"]: one["hash"] for one in dataset("log", "--json").json["versions"]}
    for name in ("v1", "v2"):
        ended = sidecheck("export", "--version", name, "--out", "cases.jsonl")
        assert f"3 cases of {name} written" in ended.err
        assert hashlib.sha256((tmp_path / "cases.jsonl").read_bytes()).hexdigest() == hashes[name]
    sidecheck("export", "--version", "latest", "--format", "all", "--out", "out")
    assert hashlib.sha256((tmp_path / "out" / "cases.jsonl").read_bytes()).hexdigest() == hashes["v2"]


@pytest.mark.usefixtures("versions")
def test_an_export_of_a_version_can_be_limited():
    dataset("tag", "case-1", "--add", "gold")
    dataset("commit", "-m", "gold")
    for options, count in ((("--tag", "gold"), 1), (("--kind", "edge"), 0), (("--split", "test"), 0)):
        for version in ((), ("--version", "v3")):
            assert len(sidecheck("export", "--out", "-", *version, *options).out.splitlines()) == count


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dataset", "show", "v9"), "there is no such version of the dataset; the newest is v2"),
        (("dataset", "diff", "nonsense"), "a version is named v3, 3, latest or"),
        (("export", "--version", "v9", "-o", "-"), "the newest is v2"),
        (("export", "--version", "v1", "--since", "7d", "-o", "-"), "leave --include and --since out"),
        (("dataset", "tag", "case-9", "--add", "a"), "no case has the id 'case-9'; nothing was changed"),
        (("dataset", "tag", "case-1"), "name a tag with --add or --remove"),
        (("dataset", "tag", "case-1", "--add", "a\nb"), "can be printed"),
        (("dataset", "split", "--train", "90", "--test", "20"), "must be 100 together"),
        (("dataset", "split", "--train", "90", "--validation", "20"), "must be 100 together"),
        (("dataset", "import", "nowhere.jsonl"), "nowhere.jsonl: No such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments, said):
    ended = sidecheck(*arguments)
    assert (ended.code, ended.out) == (UNUSABLE, "")
    assert ended.err.startswith("sidecheck: ")
    assert said in ended.err


@pytest.mark.usefixtures("versions")
def test_a_version_tells_of_what_was_forgotten(tmp_path):
    with stored(tmp_path) as store:
        store.forget(ForgetTarget(trace_id=trace_id(3)), NOW)
    assert dataset("show", "v1", "--json").json["forgotten"] == 1
    assert not dataset("show", "v1", "--json").json["sound"]
    for command in (("log",), ("show", "v1"), ("diff", "v1", "v2")):
        assert "1 case forgotten on demand since" in " ".join(dataset(*command).out.split())
    assert "the file has another hash" in sidecheck("export", "--version", "v1", "-o", "-").err


@pytest.mark.usefixtures("versions")
def test_forgetting_names_the_versions_that_it_reached(monkeypatch):
    monkeypatch.setenv("SIDECHECK_API__LISTEN", f"127.0.0.1:{free_port()}")  # a sidecar may run here, which would do it
    ended = sidecheck("forget", "--trace-id", trace_id(3), "--yes")
    assert "v1, v2" in ended.out


# splits and tags


@pytest.mark.usefixtures("cases")
def test_a_split_gives_every_promoted_case_its_part_and_says_how_many(tmp_path):
    with stored(tmp_path) as store:
        for number in range(10, 40):
            store.add_case(a_case(number, fingerprint=str(number)), CaseStatus.PROMOTED, "ann", "", NOW)
    ended = dataset("split", "--train", 50, "--validation", 20, "--test", 30)
    assert "33 changed" in ended.out
    assert "; 0 changed" in dataset("split", "--train", 50, "--validation", 20, "--test", 30).out
    with stored(tmp_path) as store:
        parts = {f"case-{number}": store.case(f"case-{number}").case.split for number in (1, 2, 3)}
        assert len(set(parts.values())) == 1, "they are one cluster"
        assert store.case("case-4").case.split is None
        assert [(c.who, c.why) for c in store.case("case-1").history] == [
            ("ann", "split train 50 %, validation 20 %, test 30 %")
        ]
    assert len(sidecheck("export", "--split", "test", "-o", "-").out.splitlines()) > 0


@pytest.mark.parametrize(
    ("options", "shares"),
    [
        (("--train", 90), "train 90 %, test 10 %"),
        (("--test", 30), "train 70 %, test 30 %"),
        (("--validation", 10), "train 80 %, validation 10 %, test 10 %"),
        (("--train", 100), "train 100 %"),
        ((), "train 80 %, test 20 %"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("cases")
def test_the_part_that_is_not_named_takes_the_rest(tmp_path, options, shares):
    dataset("split", *options)
    with stored(tmp_path) as store:
        assert store.case("case-1").history[0].why == f"split {shares}"


@pytest.mark.usefixtures("empty")
def test_a_split_of_nothing_says_what_to_do():
    assert "no case is promoted yet" in dataset("split").out


@pytest.mark.usefixtures("cases")
def test_tags_are_added_and_taken_away(tmp_path):
    dataset("tag", "case-1", "case-2", "--add", "gold", "--add", "slow")
    ended = dataset(
        "tag", "case-1", "case-3", "--add", "new", "--remove", "slow", "--why", "sorting", "--author", "Eve"
    )
    assert "2 of 2 cases changed" in ended.out
    with stored(tmp_path) as store:
        tags = [store.case(f"case-{number}").case.tags for number in (1, 2, 3)]
        assert tags == [("gold", "new"), ("gold", "slow"), ("new",)]
        assert (store.case("case-3").history[0].who, store.case("case-3").history[0].why) == ("Eve", "sorting")


# import


def test_cases_that_were_written_by_hand_live_beside_the_others(tmp_path):
    lines = b'{"id": "returns-1", "input": "How long?"}\n{"input": "Hi", "expected": {"mustMention": ["hello"]}}\n'
    (tmp_path / "mine.jsonl").write_bytes(lines)
    ended = dataset("import", "mine.jsonl")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "2 added, 0 changed, 0 unchanged, 0 kept, 0 refused\n"
    assert dataset("import", "mine.jsonl").out == "0 added, 0 changed, 2 unchanged, 0 kept, 0 refused\n"
    exported = [json.loads(line) for line in sidecheck("export", "-o", "-").out.splitlines()]
    assert {case["metadata"]["service"] for case in exported} == {"import"}
    with stored(tmp_path) as store:
        assert store.case("returns-1").history[0].why == "from mine.jsonl"


def test_bad_lines_are_named_and_the_others_taken():
    lines = b'{"input": "one"}\nnonsense\n{"id": "a", "expected": {"mustmention": []}}\n{"input": "two"}'
    ended = dataset("import", "-", stdin=lines)
    assert ended.code == REFUSED
    assert "2 added, 0 changed, 0 unchanged, 0 kept, 2 refused" in ended.out
    first, second = ended.err.splitlines()
    assert first == "line 2: case: must be one JSON object in UTF-8"
    assert second.startswith("line 3: expected.mustmention: is no key of a case; there are ")
    told = json.loads(dataset("import", "-", "--json", stdin=lines).out)
    assert (told["unchanged"], told["refused"]) == (2, 2)
    assert told["problems"][0] == {"line": 2, "key": "case", "rule": "must be one JSON object in UTF-8"}


def test_a_dry_run_changes_nothing(tmp_path):
    ended = dataset("import", "-", "--dry-run", stdin=b'{"id": "a", "input": "one"}')
    assert ended.out == "nothing was changed; it would be: 1 added, 0 changed, 0 unchanged, 0 kept, 0 refused\n"
    with stored(tmp_path) as store:
        assert store.case("a") is None


def test_what_is_there_is_replaced_unless_it_is_to_be_kept(tmp_path):
    dataset("import", "-", "--status", "candidate", stdin=b'{"id": "a", "input": "one"}')
    kept = dataset("import", "-", "--on-conflict", "keep", stdin=b'{"id": "a", "input": "two"}')
    assert "1 kept" in kept.out
    replaced = dataset("import", "-", "--status", "candidate", stdin=b'{"id": "a", "input": "two"}')
    assert "1 changed" in replaced.out
    with stored(tmp_path) as store:
        assert (store.case("a").case.input, store.case("a").status) == ("two", CaseStatus.CANDIDATE)


def test_a_line_that_demands_what_nobody_can_meet_is_refused():
    schema = b'{"id": "a", "input": "x", "expected": {"jsonSchema": {"type": "strnig"}}}\n'
    nameless = b'{"id": "b", "input": "x", "expectedToolCalls": [{"arguments": {}}]}\n'
    ended = dataset("import", "-", stdin=schema + nameless + b'{"id": "c", "input": "x"}')
    assert (ended.code, ended.out) == (1, "1 added, 0 changed, 0 unchanged, 0 kept, 2 refused\n")
    assert "line 1: expected.jsonSchema: at /type: " in ended.err
    assert "line 2: expectedToolCalls[0]: must name its tool" in ended.err


def test_personal_data_does_not_get_into_the_dataset_by_an_import(tmp_path):
    lines = b'{"id": "a", "input": "I am jane.roe@gmail.com"}'
    for status in ("promoted", "candidate"):
        refused = dataset("import", "-", "--status", status, stdin=lines)
        assert refused.code == REFUSED
        assert refused.err == "line 1: case: the case holds EMAIL_ADDRESS in input\n"
    assert "1 added" in dataset("import", "-", "--redact", stdin=lines).out
    with stored(tmp_path) as store:
        assert store.case("a").case.input == "I am <EMAIL_ADDRESS_1>"
    assert "1 unchanged" in dataset("import", "-", "--redact", stdin=lines).out
    assert "1 unchanged" in dataset("import", "-", stdin=sidecheck("export", "-o", "-").out.encode()).out


@pytest.mark.usefixtures("cases")
def test_personal_data_does_not_get_into_the_dataset_by_a_tag(tmp_path):
    ended = dataset("tag", "case-1", "--add", "jane.roe@gmail.com")
    assert (ended.code, "EMAIL_ADDRESS" in ended.err) == (UNUSABLE, True)
    with stored(tmp_path) as store:
        assert store.case("case-1").case.tags == ()
