"""The folder of traces that no worker survived stays small."""

import os

import pytest
from pipeline_fakes import a_job, trace_id

from collector.pipeline.quarantine import Quarantine


@pytest.fixture
def removed():
    return []


def a_quarantine(tmp_path, removed, **limits):
    return Quarantine(tmp_path / "quarantine", on_removed=lambda: removed.append(1), **limits)


def kept(tmp_path):
    return sorted({int(file.name.partition(".")[0], 16) for file in (tmp_path / "quarantine").iterdir()})


def age(tmp_path, number, seconds):
    for file in (tmp_path / "quarantine").glob(f"{trace_id(number)}.*"):
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - seconds))


def fill(quarantine, tmp_path, count, **parts):
    for number in range(1, count + 1):
        quarantine.add(a_job(number, **parts), "the worker died")
        age(tmp_path, number, 100 - number)


def test_a_quarantined_trace_can_be_read_back_with_its_logs_and_its_reason(tmp_path, removed):
    a_quarantine(tmp_path, removed).add(a_job(1, spans=b"s", logs=b"l"), "the worker died")
    files = {file.name.partition(".")[2]: file.read_bytes() for file in (tmp_path / "quarantine").iterdir()}
    assert files == {"binpb": b"s", "logs.binpb": b"l", "reason.txt": b"the worker died\n"}


def test_the_oldest_traces_go_when_there_are_too_many(tmp_path, removed):
    fill(a_quarantine(tmp_path, removed, most_traces=3), tmp_path, 5)
    assert kept(tmp_path) == [3, 4, 5]
    assert len(removed) == 2


def test_the_oldest_traces_go_when_they_are_too_large(tmp_path, removed):
    fill(a_quarantine(tmp_path, removed, most_bytes=2500), tmp_path, 5, spans=b"x" * 1000)
    assert kept(tmp_path) == [4, 5]
    assert len(removed) == 3


def test_a_trace_larger_than_the_folder_may_be_stays_until_the_next_one(tmp_path, removed):
    fill(a_quarantine(tmp_path, removed, most_bytes=10), tmp_path, 2, spans=b"x" * 1000)
    assert kept(tmp_path) == [2]
