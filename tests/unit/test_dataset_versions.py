"""A version of the dataset is frozen: what was committed is what is exported, until a person asks to be forgotten."""

import hashlib
from dataclasses import replace

import pytest
import sqlalchemy as sa
from store_builders import DAY, NOW, a_case, a_failing_record, save, trace_id

from exporters import codec
from exporters.dataset.case import CaseStatus, Expectation
from exporters.dataset.formats.jsonl import FORM, frozen, line
from exporters.store import CaseLimits, CaseQuery, ForgetTarget, NotFound, Store, Unchanged, versions

PROMOTED = CaseStatus.PROMOTED
NOBODYS = 10**15


def promote(store, *numbers, **parts):
    for number in numbers:
        store.add_case(a_case(number, **parts), PROMOTED, "ann", "seen", NOW)


def commit(store, message="a start", now_ns=NOW):
    return store.datasets.commit(message, "ann", now_ns)


def text(store, name="latest"):
    return b"".join(store.datasets.lines(store.datasets.version(name)))


def is_sound(store, version):
    return hashlib.sha256(text(store, version.name)).hexdigest() == version.digest


def promoted(*numbers, **parts):
    return [line(replace(a_case(number, **parts), reviewed_by="ann")) for number in numbers]


def test_a_version_holds_the_promoted_cases_in_the_order_of_their_ids(store):
    promote(store, 3, 1, 2)
    save(store, a_failing_record(4))
    version = commit(store)
    assert list(store.datasets.lines(version)) == promoted(1, 2, 3)
    assert (version.name, version.parent, version.message, version.who, version.time_ns) == (
        "v1",
        None,
        "a start",
        "ann",
        NOW,
    )
    assert (version.cases, version.added, version.changed, version.removed) == (3, 3, 0, 0)


def test_ids_are_ordered_by_their_characters_on_every_database(store):
    ids = ["b", "B", "a", "-", "ä", "z", "_"]
    for number, case_id in enumerate(ids, 1):
        promote(store, number, id=case_id)
    commit(store)
    assert [frozen(written).id for written in store.datasets.lines(store.datasets.version("v1"))] == sorted(ids)


def test_the_hash_of_a_version_is_that_of_its_file(store):
    promote(store, 1, 2)
    version = commit(store)
    assert version.digest == hashlib.sha256(text(store)).hexdigest()
    assert is_sound(store, version)


def test_the_same_cases_give_the_same_version_in_whatever_order_they_came(tmp_path):
    digests = []
    for name, order in (("one", (1, 2, 3)), ("other", (3, 1, 2))):
        with Store.open(None, tmp_path / name) as store:
            promote(store, *order)
            digests.append(commit(store, now_ns=NOW + len(digests)).digest)
    assert digests[0] == digests[1]


def test_a_version_stays_as_it_is_whatever_becomes_of_its_cases(store):
    promote(store, 1, 2)
    commit(store)
    before = text(store)
    store.edit_case("case-1", {"input": "another"}, "bob", "clearer", NOW + 1)
    store.dismiss("case-2", "bob", "noise", NOW + 1)
    promote(store, 3)
    after = commit(store, "tidied", NOW + 2)
    assert (after.name, after.parent, after.cases) == ("v2", "v1", 2)
    assert (after.added, after.changed, after.removed) == (1, 1, 1)
    assert text(store, "v1") == before
    assert [v.name for v in store.datasets.versions()] == ["v2", "v1"]


def test_retention_takes_nothing_from_a_version(store):
    save(store, a_failing_record(1), status=PROMOTED)
    save(store, a_failing_record(2), status=PROMOTED)
    commit(store)
    before = text(store)
    store.edit_case("case-2", {"status": "candidate"}, "ann", "not sure", NOW)
    store.retain(NOW + 10_000 * DAY, DAY, 0, DAY)
    assert store.known([trace_id(1)]) == set()
    assert text(store) == before
    assert store.case("case-1").status is PROMOTED


def test_versions_leave_the_traces_their_room(counted):
    for number in range(1, 4):
        promote(counted, number, input="x" * 1_000_000)
        commit(counted)
    save(counted, a_failing_record(9))
    counted.retain(NOW, NOBODYS, 1_500_000, NOBODYS)
    assert counted.known([trace_id(9)]) == {trace_id(9)}


def test_a_case_that_did_not_change_is_kept_once(store):
    promote(store, 1, input="x" * 500_000)
    commit(store)
    size = store.counts().bytes
    for number in range(2, 7):
        promote(store, number)
        commit(store)
    assert store.counts().bytes - size < 500_000


def test_a_commit_without_a_change_is_refused(store):
    with pytest.raises(Unchanged, match="no case is promoted yet"):
        commit(store)
    promote(store, 1)
    commit(store)
    with pytest.raises(Unchanged, match="nothing changed since v1"):
        commit(store)
    store.edit_case("case-1", {"tags": ("a",)}, "ann", "", NOW)
    store.edit_case("case-1", {"tags": ()}, "ann", "", NOW)
    with pytest.raises(Unchanged):
        commit(store)


def test_a_dataset_that_became_empty_is_a_version_too(store):
    promote(store, 1)
    commit(store)
    store.dismiss("case-1", "ann", "noise", NOW)
    version = commit(store, "start over")
    assert (version.cases, version.removed, text(store)) == (0, 1, b"")


@pytest.mark.parametrize("name", ["v1", "1", "HASH", "HASH7"])
def test_a_version_is_found_by_number_and_by_hash(store, name):
    promote(store, 1)
    version = commit(store)
    promote(store, 2)
    commit(store)
    wanted = {"HASH": version.digest, "HASH7": version.digest[:7]}.get(name, name)
    assert store.datasets.version(wanted) == version


@pytest.mark.parametrize(
    ("name", "said"),
    [("v3", "the newest is v1"), ("abcdef0123", "no such version"), ("abc", "is named"), ("", "is named")],
)
def test_a_version_that_is_not_there_is_told_of(store, name, said):
    promote(store, 1)
    commit(store)
    with pytest.raises(NotFound, match=said):
        store.datasets.version(name)


def test_the_first_version_is_made_by_a_commit(store):
    with pytest.raises(NotFound, match="sidecheck dataset commit"):
        store.datasets.version("latest")


def test_what_was_changed_while_a_version_was_drafted_is_in_it(store):
    promote(store, 1, 2)
    with store._database.read() as connection:
        drafted = versions.draft(connection)
    store.edit_case("case-1", {"input": "another"}, "bob", "", NOW)
    store.dismiss("case-2", "bob", "", NOW)
    promote(store, 3)
    with store._database.write() as connection:
        version = versions.commit(connection, drafted, "late", "ann", NOW)
    assert is_sound(store, version)
    assert [frozen(written).input for written in store.datasets.lines(version)] == ["another", a_case().input]


# forgetting


@pytest.fixture
def forgotten(store):
    """Two versions, and then one of their cases was forgotten."""
    promote(store, 1)
    commit(store)
    promote(store, 2)
    store.edit_case("case-1", {"input": "another"}, "ann", "", NOW)
    commit(store)
    return store.forget(ForgetTarget(trace_id=trace_id(1)), NOW + 1)


def test_a_forgotten_case_is_gone_from_every_version(store, forgotten):
    assert forgotten.versions == (1, 2)
    assert text(store, "v1") == b""
    assert [frozen(written).id for written in store.datasets.lines(store.datasets.version("v2"))] == ["case-2"]
    with store._database.read() as connection:
        kept = connection.exec_driver_sql("SELECT line FROM dataset_lines").scalars().all()
    assert [frozen(written.encode()).id for written in kept] == ["case-2"]


@pytest.mark.usefixtures("forgotten")
def test_a_version_says_that_a_case_was_forgotten_and_that_its_hash_is_no_longer_true(store):
    first, second = (store.datasets.version(name) for name in ("v1", "v2"))
    assert [(v.cases, v.forgotten, v.left) for v in (first, second)] == [(1, 1, 0), (2, 1, 1)]
    assert not is_sound(store, second)


@pytest.mark.usefixtures("forgotten")
def test_the_next_version_counts_a_forgotten_case_as_removed_and_is_sound(store):
    version = commit(store, "without")
    assert (version.name, version.cases, version.added, version.changed, version.removed) == ("v3", 1, 0, 0, 1)
    assert is_sound(store, version)
    with pytest.raises(Unchanged):
        commit(store)


def test_forgetting_a_user_reaches_versions_whose_traces_are_long_gone(store):
    save(store, replace(a_failing_record(1), user_id="u-1"), status=PROMOTED)
    commit(store)
    store.retain(NOW + 10_000 * DAY, DAY, NOBODYS, DAY)
    assert store.forget(ForgetTarget(user_id="u-1"), NOW + 1).versions == (1,)
    assert text(store) == b""


# what is promoted now, by hashes alone


def hashes_now(store):
    """The hash of each promoted case's line, made of the case."""
    found = store.iter_cases(CaseQuery(statuses=(CaseStatus.PROMOTED,)))
    return {one.case.id: hashlib.sha256(line(one.case)).hexdigest() for one in found}


def test_what_is_promoted_now_has_the_hashes_of_its_lines_whatever_became_of_it(store):
    save(store, a_failing_record(1), a_failing_record(2))
    odd = a_case(3, id="odd", fingerprint="g", input="\ud800\x00", expectation=Expectation(value=float("nan")))
    changes = (
        lambda: store.promote("case-1", "ann", "", NOW),
        lambda: store.edit_case("case-1", {"input": "another", "tags": ("x",)}, "ann", "", NOW),
        lambda: store.edit_case("case-2", {"input": "another"}, "ann", "", NOW),
        lambda: store.edit_case("case-2", {"status": "promoted"}, "ann", "", NOW),
        lambda: store.undo_case("case-2", "ann", "", NOW),
        lambda: store.undo_case("case-2", "ann", "", NOW),
        lambda: store.datasets.edit_each(["case-1"], lambda _: {"split": "test"}, "ann", "", NOW),
        lambda: store.datasets.bring([a_case(1, input="brought")], CaseStatus.PROMOTED, "ann", "", NOW),
        lambda: store.add_case(odd, CaseStatus.PROMOTED, "ann", "", NOW),
        lambda: store.dismiss("case-1", "ann", "", NOW),
    )
    for change in changes:
        change()
        assert store.datasets.side("now").digests == hashes_now(store)
    assert list(hashes_now(store)) == ["case-2", "odd"]


def test_no_case_is_read_to_compare_what_is_promoted_now(store):
    save(store, a_failing_record(1), a_failing_record(2), status=CaseStatus.PROMOTED, limits=CaseLimits(per_cluster=9))
    before = store.datasets.side("now").digests
    with store._database.write() as connection:
        connection.execute(sa.text("UPDATE cases SET body = 'unreadable'"))
    assert store.datasets.side("now").digests == before


def test_the_line_of_a_case_is_what_it_was_when_its_hash_was_kept():
    """Where a line becomes another, ``FORM`` has to be another number: hashes that are kept are of earlier lines."""
    lines = {1: "20e7b6957c68feb55cbfb7731bcb9a234308e2a4b7afbb4117d28b3fc0edfb38"}
    assert hashlib.sha256(line(a_case())).hexdigest() == lines[FORM]


def test_a_hash_that_an_earlier_version_left_behind_is_not_believed(store):
    save(store, a_failing_record(1), a_failing_record(2), status=CaseStatus.PROMOTED, limits=CaseLimits(per_cluster=9))
    commit(store)
    changed = codec.case_to_json(a_case(1, input="another"))
    with store._database.write() as connection:  # as a replica does that knows of no hash
        mine = "UPDATE cases SET body = :body, revision = revision + 1 WHERE id = 'case-1'"
        connection.execute(sa.text(mine), {"body": changed})
    now, latest = (store.datasets.side(name).digests for name in ("now", "latest"))
    assert now == hashes_now(store)
    assert {case_id for case_id in now if now[case_id] != latest[case_id]} == {"case-1"}


def test_a_hash_of_lines_of_another_form_is_not_believed(store):
    save(store, a_failing_record(1), status=CaseStatus.PROMOTED)
    with store._database.write() as connection:
        connection.execute(sa.text("UPDATE cases SET digest = 'of another line', digest_form = digest_form - 1"))
    assert store.datasets.side("now").digests == hashes_now(store)
