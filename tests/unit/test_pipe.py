"""What goes into a pipe to a worker comes out of it as it was, however it lies in it."""

import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from pipeline_fakes import a_job

from collector.pipeline.job import PICKLES_BUFFERS, Job
from collector.pipeline.pipe import KEPT_BYTES, Copying, PipeEnd, Spawning, pair


@pytest.fixture
def ends():
    reader, writer = pair()
    with reader, writer, ThreadPoolExecutor(1) as thread:
        yield reader, lambda message: thread.submit(writer.send, message)


def jobs(number: int, spans: bytes = b"", logs: bytes = b"") -> list[Job]:
    return [a_job(number=n, spans=spans + bytes((n % 256,)), logs=logs) for n in range(1, number + 1)]


@pytest.mark.parametrize(
    "message",
    [
        ("no job", {"among": [1, None]}),
        jobs(1),
        jobs(2, logs=b"logs"),
        jobs(3, b"s" * 100_000),
        jobs(600, b"s" * 1_000, b"l" * 200),
        jobs(2, b"s" * KEPT_BYTES),
    ],
    ids=["none", "one", "with logs", "more than a pipe holds", "more parts than one call takes", "more than is kept"],
)
def test_a_message_arrives_as_it_was(ends, message):
    reader, send = ends
    sent = send(message)
    assert reader.recv() == message
    sent.result()


def test_what_came_is_not_changed_by_what_comes_next(ends):
    reader, send = ends
    first, second = jobs(2, b"first"), jobs(2, b"other")
    send(first)
    send(second)
    received = reader.recv()
    assert (reader.recv(), received) == (second, first)


def test_telemetry_lies_beside_the_pickle():
    apart: list[pickle.PickleBuffer] = []
    (job,) = jobs(1, b"s" * 10_000, b"l" * 10_000)
    told = pickle.dumps(job, PICKLES_BUFFERS, buffer_callback=apart.append)
    assert len(told) < 1_000
    assert [bytes(part) for part in apart] == [job.spans, job.logs]


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_job_can_be_pickled_anywhere(protocol):
    (job,) = jobs(1, b"spans", b"logs")
    assert pickle.loads(pickle.dumps(job, protocol)) == job


def test_the_end_of_the_other_side_is_told():
    reader, writer = pair()
    writer.close()
    with reader, pytest.raises(EOFError):
        reader.recv()


def test_the_end_of_the_other_side_in_the_middle_of_a_message_is_told():
    reader, writer = pair()
    os.write(writer.fileno(), b"half a head")
    writer.close()
    with reader, pytest.raises(OSError, match="middle of a message"):
        reader.recv()


def test_these_pipes_lead_one_way():
    with pytest.raises(ValueError, match="one way"):
        Copying().Pipe()


@pytest.mark.parametrize("context", [Copying(), Spawning()], ids=["copied", "spawned"])
def test_the_pool_gets_these_pipes_for_its_processes(context):
    reader, writer = context.Pipe(duplex=False)
    with reader, writer:
        assert isinstance(reader, PipeEnd)
        assert isinstance(writer, PipeEnd)
        assert context.get_start_method() in multiprocessing.get_all_start_methods()
