"""Whatever cases hold: the same are the same version, and its export, brought in elsewhere, is that version again."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_builders import NOW

from exporters.dataset.case import Case, CaseStatus, Context, ExampleType, Expectation, Source
from exporters.dataset.export import export
from exporters.dataset.intake import read
from exporters.dataset.version import Version
from exporters.review.bringing import bring_all
from exporters.store import CaseQuery, Fate, Store, Unchanged

TEXT = st.text(st.characters(), max_size=12)
"""With control characters, lone surrogates and all."""
NUMBERS = st.integers() | st.floats(allow_nan=True)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(TEXT, JSON, max_size=3), max_size=2).map(tuple)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SOME = TEXT | st.none()

CASES = st.builds(
    Case,
    id=st.from_regex(r"\A[a-zA-Z0-9ä_][\w.:@+-]{0,8}\Z"),
    fingerprint=TEXT,
    source=st.builds(Source, TEXT, TEXT.filter(bool), SOME, TEXTS),
    input=SOME,
    context=st.builds(Context, OBJECTS, OBJECTS, SOME, OBJECTS),
    observed_output=SOME,
    expectation=st.builds(
        Expectation,
        answer=SOME,
        value=JSON,
        must_mention=TEXTS,
        json_schema=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
        max_latency_ms=st.none() | st.integers(1, 10**6),
        checks=st.dictionaries(TEXT, st.dictionaries(TEXT, JSON, max_size=2), max_size=2),
        expected_tool_calls=OBJECTS,
    ),
    kind=st.sampled_from(ExampleType),
    tags=TEXTS,
    split=SOME,
    reviewed_by=SOME,
    redacted=TEXTS | st.none(),
)


def promote(store: Store, cases: Sequence[Case]) -> None:
    for case in cases:
        store.add_case(case, CaseStatus.PROMOTED, "ann", "", NOW)


def bring(store: Store, file: bytes) -> dict[str, int]:
    def take(cases: Sequence[Case]) -> Sequence[Fate]:
        return store.datasets.bring(cases, CaseStatus.PROMOTED, "bob", "", NOW)

    return bring_all(read(io.BytesIO(file)), take).figures


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    """A folder with an empty store: to copy it is faster than to make another one."""
    folder = tmp_path_factory.mktemp("empty")
    Store.open(None, folder).close()
    return folder


@contextmanager
def another(empty: Path) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(empty, folder, dirs_exist_ok=True)
        with Store.open(None, Path(folder)) as store:
            yield store


def exported(store: Store, version: Version) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cases.jsonl")
        export(store.datasets.cases(version, CaseQuery()), "jsonl", file)
        return file.read_bytes()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases=st.lists(CASES, max_size=4, min_size=1, unique_by=lambda case: case.id), random=st.randoms())
def test_what_was_committed_exported_and_brought_in_is_committed_as_the_same(empty, cases, random):
    with another(empty) as store:
        promote(store, cases)
        version = store.datasets.commit("one", "ann", NOW)
        file = exported(store, version)
        assert hashlib.sha256(file).hexdigest() == version.digest
        assert bring(store, file)["unchanged"] == len(cases)
        with pytest.raises(Unchanged):
            store.datasets.commit("again", "ann", NOW)
    with another(empty) as store:
        assert bring(store, file)["added"] == len(cases)
        assert store.datasets.commit("two", "bob", NOW + 1).digest == version.digest
    with another(empty) as store:
        promote(store, random.sample(cases, len(cases)))
        assert store.datasets.commit("three", "eve", NOW + 2).digest == version.digest
