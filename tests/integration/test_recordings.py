"""Real recordings, each read to exactly what its library recorded."""

import orjson
import pytest
from expectations import Recording, expectations, meets, recordings

from checks.view import view
from collector.conventions.read import read

DISAGREEMENTS: dict[tuple[str, str], str] = {}
"""(recording, key) of expectations that are held to be wrong, each with the reason."""

CASES = [pytest.param(each, key, id=f"{each.name}:{key}") for each, key in expectations()]
FOLDERS = {
    "openinference": "openinference",
    "openllmetry": "traceloop",
    "genai": "openai-v2",
}


@pytest.mark.parametrize(("recording", "key"), CASES)
def test_the_view_says_what_was_recorded_and_nothing_else(recording: Recording, key: str, request) -> None:
    if (recording.name, key) in DISAGREEMENTS:
        request.applymarker(pytest.mark.xfail(reason=DISAGREEMENTS[recording.name, key]))
    seen = [view(read(trace)).get(key) for trace in recording.traces]
    if key in recording.expected:
        assert any(meets(key, value, recording.expected[key]) for value in seen), seen
    else:
        assert not any(seen)


@pytest.mark.parametrize("recording", recordings(), ids=lambda each: each.name)
def test_a_recording_is_read_by_the_convention_of_its_library(recording: Recording) -> None:
    conventions = {read(trace).convention for trace in recording.traces}
    assert conventions == {name for name, part in FOLDERS.items() if part in recording.name}


@pytest.mark.parametrize("recording", recordings(), ids=lambda each: each.name)
def test_the_view_of_a_recording_can_be_written_as_json(recording: Recording) -> None:
    for trace in recording.traces:
        found = view(read(trace))
        assert orjson.loads(orjson.dumps(found)) == found


def test_every_disagreement_is_about_an_expectation_that_exists() -> None:
    assert {(each.name, key) for each, key in expectations()} >= DISAGREEMENTS.keys()


def test_the_recordings_are_all_there() -> None:
    assert len(recordings()) == 127
    assert len(CASES) == 1125
