"""Many at once: threads of one process and replicas on one database keep the promises that one keeps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import a_thumb
from store_builders import NOW, a_case, a_failing_record, a_record, a_verdict, about, asking, save, trace_id

from checks.trace import FeedbackTarget
from exporters.store import CaseLimits, CaseQuery, ClusterQuery, Conflict, Store


@pytest.fixture
def replicas(prepared_url, tmp_path):
    """Four stores on one database."""
    stores = [Store.open(prepared_url, tmp_path) for _ in range(4)]
    yield stores
    for store in stores:
        store.close()


def at_once(work, items):
    """The results of ``work`` on every item, each in a thread of its own."""
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(work, items))


def test_threads_that_save_at_once_lose_nothing(store):
    at_once(lambda n: save(store, *(a_record(n * 100 + i) for i in range(50))), range(1, 5))
    assert len(store.known([trace_id(n * 100 + i) for n in range(1, 5) for i in range(50)])) == 200


def test_a_thread_that_waits_to_write_is_not_overtaken_by_one_that_writes_again_and_again(tmp_path):
    store = Store.open(None, tmp_path)
    database, order = store._database, []

    def wait_and_write():
        with database.write():
            order.append("waited")

    other = threading.Thread(target=wait_and_write)
    with database.write():
        other.start()
        while not database._turn.locked():
            pass
    with database.write():
        order.append("again")
    other.join()
    store.close()
    assert order == ["waited", "again"]


def test_a_new_database_is_prepared_once_however_many_open_it(store_url, tmp_path):
    stores = at_once(lambda _: Store.open(store_url, tmp_path), range(4))
    save(stores[0], a_record())
    assert all(store.known([trace_id(1)]) for store in stores)
    for store in stores:
        store.close()


def test_replicas_that_save_the_same_traces_make_one_of_each(replicas):
    records = [a_failing_record(n, case=a_case(n, fingerprint=f"f{n % 3}")) for n in range(1, 31)]
    results = at_once(lambda store: save(store, *records), replicas)
    assert sum(result.cases_created for result in results) == 15
    sizes = {item.case.fingerprint: item.cluster_size for item in replicas[0].iter_cases(CaseQuery())}
    assert sizes == {"f0": 10, "f1": 10, "f2": 10}
    assert all(replicas[0].trace(record.trace_id).history == () for record in records)


def test_replicas_that_meet_one_failure_in_other_words_open_one_cluster(replicas):
    words = "Hello, my name is {} and my order {} from last week has not arrived yet. Can I get a refund?"
    names = ("Anna", "Tom", "Bartholomew", "Eve")

    def work(number):
        records = [asking(number * 100 + n, words.format(names[number], n)) for n in range(1, 11)]
        return [save(replicas[number], record).clusters_opened.get("shop", 0) for record in records]

    assert sum(sum(opened) for opened in at_once(work, range(4))) == 1
    (cluster,) = replicas[0].clusters(ClusterQuery()).items
    assert (cluster.traces, cluster.cases) == (40, 5)


def test_the_limits_on_cases_hold_across_replicas(replicas):
    def work(number):
        own = range(number * 100, number * 100 + 10)
        records = [a_failing_record(n, case=a_case(n, fingerprint=f"f{n}")) for n in own]
        return save(replicas[number], *records, limits=CaseLimits(per_day=15)).cases_created

    assert sum(at_once(work, range(4))) == 15


def test_each_of_many_evaluations_of_a_trace_is_in_its_history(replicas):
    at_once(lambda n: save(replicas[n], a_record(verdicts=(a_verdict(version=str(n)),))), range(4))
    stored = replicas[0].trace(trace_id(1))
    versions = [stored.verdicts, *(past.verdicts for past in stored.history)]
    assert sorted(verdicts[0].version for verdicts in versions) == ["0", "1", "2", "3"]


def test_feedback_and_its_trace_that_come_at_once_find_each_other(replicas):
    def work(n):
        if n % 2:
            return save(replicas[0], a_record(n, session_id=f"s{n}")).reopen
        return replicas[1].add_feedback(FeedbackTarget(session_id=f"s{n + 1}"), a_thumb(up=False), NOW)

    found = at_once(work, range(40))
    assert sorted(sum(found, ())) == [trace_id(n) for n in range(1, 40, 2)]
    assert replicas[0].counts().waiting_feedback == 0


def test_of_reviewers_at_once_one_wins_and_the_others_see_a_conflict(replicas):
    save(replicas[0], a_failing_record())

    def work(n):
        try:
            replicas[n].edit_case("case-1", {"tags": (str(n),)}, f"reviewer {n}", "", NOW, expected_revision=0)
        except Conflict:
            return False
        return True

    assert sum(at_once(work, range(4))) == 1
    assert replicas[0].case("case-1").revision == 1


def test_saves_reviews_feedback_and_retention_at_once_end(replicas):
    records = [a_failing_record(n, case=a_case(n, fingerprint=f"f{n}")) for n in range(1, 21)]
    save(replicas[0], *records)

    def work(n):
        store = replicas[n % 4]
        for number in range(1, 21):
            if n % 4 == 0:
                save(store, *records)
            elif n % 4 == 1:
                store.promote(f"case-{number:x}", "ann", "", NOW)
            elif n % 4 == 2:
                store.add_feedback(about(number), a_thumb(up=bool(number % 2)), NOW + n)
            else:
                store.retain(NOW, 10**18, 2**40, 10**18)

    at_once(work, range(4))
    assert replicas[0].counts().waiting_feedback == 0
    assert len(replicas[0].known([record.trace_id for record in records])) == 20
