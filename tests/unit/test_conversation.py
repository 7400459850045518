"""A trace as a conversation, with a place for every text that a finding may point at."""

import pytest
from expectations import recordings

from checks.finding import Evidence, Finding
from checks.interaction import Interaction, Message, ModelCall, ToolCall, ToolRequest
from checks.report import Outcome, Verdict
from checks.trace import Trace
from checks.view import view
from collector.conventions.read import read
from exporters.review.conversation import of_interaction, of_view
from exporters.review.evidence import WHOLE, marks, numbered
from exporters.review.marks import EVIDENCE

SYSTEM, HELLO = Message("system", "Be brief."), Message("user", "Hello")


def an_interaction(*calls: ModelCall, **parts) -> Interaction:
    return Interaction(Trace("0" * 32, ()), steps=calls, **parts)


def roles(conversation) -> list[tuple[str, str | None, str | None]]:
    return [(turn.role, turn.text, turn.path) for turn in conversation.turns]


def test_messages_that_a_later_call_repeats_are_told_once():
    answer = Message("assistant", None, tool_requests=(ToolRequest("look_up", "1", {"id": 7}),))
    result = Message("tool", "found", tool_call_id="1")
    first = ModelCall("a", input=(SYSTEM, HELLO), output=(answer,))
    second = ModelCall("b", input=(SYSTEM, HELLO, answer, result), output=(Message("assistant", "Hi"),))
    said = of_interaction(an_interaction(first, second, system="Be brief.", user_input="Hello", final_output="Hi"))
    assert roles(said) == [
        ("system", "Be brief.", "system"),
        ("user", "Hello", "input"),
        ("assistant", None, None),
        ("tool", "found", None),
        ("assistant", "Hi", "output"),
    ]
    assert said.turns[2].requests == (("look_up", '{\n  "id": 7\n}'),)


def test_the_input_is_not_looked_for_in_what_the_assistant_said():
    call = ModelCall("a", input=(HELLO,), output=(Message("assistant", "Hello"),))
    said = of_interaction(an_interaction(call, user_input="Hello", final_output="Hello"))
    assert roles(said) == [("user", "Hello", "input"), ("assistant", "Hello", "output")]


def test_texts_that_no_message_has_are_turns_of_their_own():
    call = ModelCall("a", input=(SYSTEM, Message("user", "Context: x. Question: Hello")))
    said = of_interaction(an_interaction(call, system="Be brief.", user_input="Hello", final_output="Hi"))
    assert [path for _, _, path in roles(said)] == ["system", "input", None, "output"]


def test_what_was_not_recorded_has_no_turn():
    assert of_interaction(an_interaction()).turns == ()
    assert of_view({}).turns == ()


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_every_text_of_a_recording_has_its_place(recording):
    for trace in recording.traces:
        interaction = read(trace)
        wanted = {path: text for path, _, text in interaction.texts()}
        for said in (of_interaction(interaction), of_view(view(interaction))):
            assert wanted.items() <= said.texts.items()


def test_findings_are_numbered_over_all_verdicts_and_point_into_the_texts():
    found = Finding("email", "an e-mail", evidence=(Evidence("aa", "output", 3, 7), Evidence("bb")))
    all_of_it = Finding("missing", "nothing is cited", evidence=(Evidence("aa", "output", 0, 10),))
    verdicts = [Verdict("pii", "1", Outcome.FAILED, findings=(found,))]
    verdicts.append(Verdict("citations", "1", Outcome.FAILED, findings=(all_of_it,)))
    items = numbered(verdicts)
    assert [(item.number, item.check, item.paths, item.spans) for item in items] == [
        (1, "pii", ("output",), ("aa", "bb")),
        (2, "citations", ("output",), ("aa",)),
    ]
    placed = marks(items, {"output": "0123456789"})["output"]
    assert [(mark.start, mark.end, mark.kind) for mark in placed] == [(3, 7, EVIDENCE), (0, 10, WHOLE)]
    assert placed[0].label == "1: pii, an e-mail"


def test_evidence_without_offsets_is_all_of_its_text():
    call = ToolCall("a", "send", arguments={"to": "ann@example.com"})
    said = of_interaction(an_interaction(call))
    finding = Finding("email", "an e-mail", evidence=(Evidence("a", "tool_calls[0].arguments"),))
    (item,) = numbered([Verdict("pii", "1", Outcome.FAILED, findings=(finding,))])
    (mark,) = marks([item], said.texts)["tool_calls[0].arguments"]
    assert (mark.start, mark.end) == (0, len('{\n  "to": "ann@example.com"\n}'))


def test_evidence_in_a_text_that_is_not_there_marks_nothing():
    finding = Finding("email", "an e-mail", evidence=(Evidence("a", "documents[7].content", 0, 3),))
    assert marks(numbered([Verdict("pii", "1", Outcome.FAILED, findings=(finding,))]), {"output": "x"}) == {}
