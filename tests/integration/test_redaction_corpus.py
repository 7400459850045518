"""Of labelled texts and of all recordings, nothing that was found is left in any file of any dataset format."""

import io
import json
import os
from collections.abc import Iterator
from functools import cache
from itertools import islice

import pytest
import yaml
from expectations import recordings
from pii_scores import corpus

from checks.builtin.pii.engine import PiiEngine
from checks.report import Outcome, Report, Verdict
from checks.secrets import find_secrets
from collector.conventions.read import read
from exporters.dataset import captured, jsontext
from exporters.dataset.case import Case, Context, Expectation, Source
from exporters.dataset.fakes import KINDS
from exporters.dataset.formats import FORMATS
from exporters.dataset.placeholders import masked
from exporters.dataset.promote import draft
from exporters.dataset.redact import Redactor
from exporters.dataset.shape import to_json

IS_SOAK = os.environ.get("SIDECHECK_SOAK", "") not in ("", "0")
EVERY = 1 if IS_SOAK else 18
"""One in so many of the 3,609 shorter texts; a soak takes them all."""
ALL_FILES_EVERY = 1 if IS_SOAK else 6
"""One in so many cases is written in all formats, the others in the first."""
STOCK_EVERY = 1 if IS_SOAK else 20
"""One in so many is searched by Presidio's own engine, which takes 200 times as long as the gated one."""
ENGINE = PiiEngine()
FILES = [file for format_ in FORMATS.values() for file in format_.files]
MODES = pytest.mark.parametrize("fakes", [False, True], ids=["tags", "fakes"])


@cache
def stock() -> PiiEngine:
    return PiiEngine(mode="presidio").load()


def a_case(name: str, text: str) -> Case:
    """The text as it stands in everything that an app records, JSON of it within JSON too."""
    call = {"id": "call_1", "name": "note", "arguments": {"text": text, "raw": json.dumps({"note": text})}}
    return Case(
        id=f"case-{name}",
        fingerprint="f",
        source=Source("4bf92f3577b34da6a3ce929d0e0e4736", "shop", "gpt-4o", ("citations",)),
        input=text,
        context=Context(
            documents=({"id": "kb-7", "content": text, "title": "T"},),
            messages=({"role": "assistant", "content": None, "toolCalls": [call]},),
            system=f"Context:\n{text}",
            tools=({"name": "note", "description": text, "parameters": {"default": text}},),
        ),
        observed_output=f"```json\n{json.dumps({'answer': text, 'n': 1.50})}\n```",
        expectation=Expectation(
            must_mention=(text,), expected_tool_calls=({"name": "note", "arguments": {"to": text}},)
        ),
    )


def labelled_cases() -> Iterator[Case]:
    for item in (*corpus("llm_outputs_dev"), *islice(corpus("presidio_research"), 0, None, EVERY)):
        yield a_case(item.id, item.text)


def recorded_cases() -> Iterator[Case]:
    for recording in recordings():
        for trace in recording.traces:
            case = draft(Report(read(trace), (Verdict("own", "1", Outcome.FAILED),)))
            assert case is not None
            yield case


def texts_of(case: Case) -> list[str]:
    return captured.texts(captured.captured(to_json(case)))


def values_in(case: Case) -> set[str]:
    """What the finder finds in any text of the case by itself, decoded where it is JSON."""
    return {
        view[m.start : m.end].strip()
        for text in {*texts_of(case)}
        for view in captured.views(text)
        for m in (*ENGINE.find(view), *find_secrets(view))
    }


def written(case: Case, number: int) -> Iterator[tuple[str, bytes]]:
    for file in FILES if number % ALL_FILES_EVERY == 0 else FILES[:1]:
        out = io.BytesIO()
        file.write([case], out)
        yield file.name, out.getvalue()


def strings_in(name: str, content: bytes) -> set[str]:
    """All text of a file, decoded where its form is known, else as it stands there."""
    text = content.decode(errors="replace")
    if name.endswith((".json", ".jsonl")):
        documents = [json.loads(part) for part in (text.split("\n") if name.endswith(".jsonl") else [text]) if part]
    elif name.endswith(".yaml"):
        documents = [yaml.safe_load(text)]
    else:
        documents = [text.split("\n")]
    return {view for document in documents for part in captured.texts(document) for view in captured.views(part)}


def found_again(case: Case, strings: set[str], engine: PiiEngine) -> list[str]:
    own = {case.id, case.fingerprint, case.source.trace_id}
    views = (masked(string, case.redacted or ()) for string in strings if not any(part in string for part in own))
    return [f"{m.entity} in {view[:60]!r}" for view in views for m in (*engine.find(view), *find_secrets(view))]


@MODES
@pytest.mark.parametrize("cases", [labelled_cases, recorded_cases], ids=["labelled", "recorded"])
def test_nothing_that_was_found_is_left_in_any_file(cases, fakes):
    redactor = Redactor(ENGINE.find, fakes)
    seen = 0
    for number, case in enumerate(cases()):
        values = values_in(case)
        clean = redactor(case)
        seen += len(values)
        engine = ENGINE if number % STOCK_EVERY else stock()
        for name, content in written(clean, number):
            strings = strings_in(name, content)
            assert [v for v in values if any(v in s for s in strings)] == [], (case.id, name)
            assert found_again(clean, strings, engine) == [], (
                case.id,
                name,
            )
    assert seen > 0


@MODES
@pytest.mark.parametrize("cases", [labelled_cases, recorded_cases], ids=["labelled", "recorded"])
def test_every_json_text_is_one_afterwards(cases, fakes):
    redactor = Redactor(ENGINE.find, fakes)
    for case in cases():
        clean = redactor(case)
        for before, after in zip(texts_of(case), texts_of(clean), strict=True):
            assert jsontext.is_json(after) == jsontext.is_json(before), case.id


@MODES
def test_a_text_reads_the_same_wherever_it_stands(fakes):
    redactor = Redactor(ENGINE.find, fakes)
    for case in labelled_cases():
        clean = redactor(case)
        call = clean.context.messages[0]["toolCalls"][0]["arguments"]
        answer = json.loads(clean.observed_output.removeprefix("```json\n").removesuffix("\n```"))
        assert {
            clean.input,
            clean.context.documents[0]["content"],
            call["text"],
            json.loads(call["raw"])["note"],
            clean.context.system.removeprefix("Context:\n"),
            clean.context.tools[0]["parameters"]["default"],
            answer["answer"],
            *clean.expectation.must_mention,
        } == {clean.input}, case.id


def test_most_of_what_has_a_fake_gets_one():
    redactor = Redactor(ENGINE.find, fakes=True)
    for case in labelled_cases():
        clean = redactor(case)
        assert not [e for e in clean.redacted or () if e in KINDS and f"<{e}_" in (clean.input or "")], case.id
