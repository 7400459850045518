"""``POST /v1/feedback``: what is taken, what it means, and what is refused in which words."""

import json

import httpx
import pytest
from fakes import FakeIntake, overloaded
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.trace import Feedback, FeedbackTarget
from collector.intake import Refusal, Refused, Source
from collector.receivers.feedback import MAX_BODY, feedback_router
from collector.receivers.feedback_request import FeedbackRequest, parse_feedback

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"


async def post(intake: FakeIntake, content: object, media_type: str | None = "application/json") -> httpx.Response:
    app = FastAPI()
    app.include_router(feedback_router(intake, clock=lambda: 42))
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Content-Type": media_type} if media_type else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sidecheck") as client:
        return await client.post("/v1/feedback", content=body, headers=headers)


def parsed(**parts: object) -> Feedback:
    return parse_feedback(json.dumps({"trace_id": TRACE_ID, **parts}).encode()).feedback(42)


def complaint(content: object) -> str:
    with pytest.raises(Refused) as caught:
        parse_feedback(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(caught.value)


async def test_feedback_on_a_known_trace_is_accepted():
    intake = FakeIntake(known_trace=TRACE_ID)
    response = await post(intake, {"trace_id": TRACE_ID, "thumbs_up": False, "comment": "wrong", "user_id": "u1"})
    assert (response.status_code, response.json()) == (202, {"traceId": TRACE_ID, "status": "accepted"})
    assert intake.feedback == [
        (FeedbackTarget(trace_id=TRACE_ID), Feedback(0.0, thumbs_up=False, comment="wrong", user_id="u1", time_ns=42))
    ]


async def test_feedback_that_comes_before_its_trace_waits():
    response = await post(FakeIntake(), {"session_id": "s-1", "score": 0.5})
    assert (response.status_code, response.json()) == (202, {"traceId": None, "status": "waiting"})


async def test_camel_case_keys_mean_the_same():
    intake = FakeIntake()
    await post(intake, {"spanId": SPAN_ID.upper(), "thumbsUp": True, "userId": "u1"})
    ((target, feedback),) = intake.feedback
    assert target == FeedbackTarget(span_id=SPAN_ID)
    assert (feedback.thumbs_up, feedback.user_id, feedback.span_id) == (True, "u1", SPAN_ID)


@pytest.mark.parametrize(
    ("given", "thumbs_up", "score"),
    [
        ({"thumbs_up": True}, True, 1.0),
        ({"thumbs_up": False}, False, 0.0),
        ({"score": 0.25}, None, 0.25),
        ({"score": 1}, None, 1.0),
        ({"thumbs_up": True, "score": 0.75}, True, 0.75),
        ({"rating": "good"}, True, 1.0),
        ({"rating": "up"}, True, 1.0),
        ({"rating": "bad"}, False, 0.0),
        ({"rating": "down"}, False, 0.0),
        ({"rating": "4/5"}, None, 0.75),
        ({"rating": {"value": 1, "scale": 5}}, None, 0.0),
        ({"rating": {"value": 4.5, "scale": 5}}, None, 0.875),
        ({"comment": "only words"}, None, None),
    ],
    ids=str,
)
def test_each_form_of_feedback_has_its_meaning(given, thumbs_up, score):
    feedback = parsed(**given)
    assert (feedback.thumbs_up, feedback.score) == (thumbs_up, score)


def test_a_blank_comment_is_none():
    assert parsed(thumbs_up=True, comment=" \n").comment is None


def test_nul_is_taken_out_of_a_comment():
    assert parsed(comment="a\x00b").comment == "ab"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "give exactly one of trace_id, span_id, session_id, response_id; the request has none of them"),
        ({"trace_id": TRACE_ID, "span_id": SPAN_ID}, "the request has trace_id and span_id"),
        ({"trace_id": "4bf9"}, "trace_id: must be 32 hex digits"),
        ({"trace_id": "0" * 32}, "trace_id: must be 32 hex digits, not all zeros"),
        ({"trace_id": "g" * 32}, "trace_id: must be 32 hex digits"),
        ({"trace_id": TRACE_ID + "\n"}, "trace_id: must be 32 hex digits"),
        ({"traceId": 5}, "traceId: must be 32 hex digits"),
        ({"span_id": "1" * 15}, "span_id: must be 16 hex digits"),
        ({"session_id": ""}, "session_id: must be a string of 1 to 256"),
        ({"session_id": "a\x00b"}, "session_id: must be a string of 1 to 256"),
        ({"response_id": "x" * 257}, "response_id: must be a string of 1 to 256"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_wrong_target_is_named_with_its_rule(parts, words):
    assert words in complaint({"thumbs_up": True, **parts})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({}, "give at least one of thumbs_up, score, rating, comment"),
        ({"comment": "  "}, "give at least one of"),
        ({"thumbs_up": "yes"}, "thumbs_up: must be true or false"),
        ({"thumbs_up": 1}, "thumbs_up: must be true or false"),
        ({"score": 1.01}, "score: must be a number from 0 to 1"),
        ({"score": -0.1}, "score: must be a number from 0 to 1"),
        ({"score": True}, "score: must be a number from 0 to 1"),
        ({"score": "0.5"}, "score: must be a number from 0 to 1"),
        ({"score": float("nan")}, "score: must be a number from 0 to 1"),
        ({"rating": 4}, "rating: must be"),
        ({"rating": "nice"}, "rating: must be"),
        ({"rating": "6/5"}, "rating: must be"),
        ({"rating": "0/5"}, "rating: must be"),
        ({"rating": "1/1"}, "rating: must be"),
        ({"rating": {"value": 6, "scale": 5}}, "rating: must be"),
        ({"rating": {"value": 3}}, "rating: must be"),
        ({"rating": {"value": 3, "scale": 5, "unit": "stars"}}, "rating: must be"),
        ({"rating": "good", "thumbs_up": True}, "rating stands in for score and thumbs_up"),
        ({"thumbs_up": True, "comment": "x" * 10_001}, "comment: must be a string of at most 10000"),
        ({"thumbs_up": True, "user_id": ["u"]}, "user_id: must be a string"),
        ({"thumbs_up": True, "thumbs": True}, "thumbs: unknown key"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_wrong_content_is_named_with_its_rule(parts, words):
    assert words in complaint({"trace_id": TRACE_ID, **parts})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 60_000, "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"comment":"\xff"}', "not valid JSON"),
        (b'{"comment":"\\ud800"}', "not valid JSON"),
        (b'{"score":' + b"1" * 60_000 + b"}", "not valid JSON"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body_that_is_no_json_object_is_refused(body, words):
    assert words in complaint(body)


async def test_a_refusal_is_a_counted_400_that_repeats_no_captured_text():
    intake = FakeIntake()
    response = await post(intake, {"trace_id": TRACE_ID, "comment": ["my secret"], "user_id": "my\nsecret"})
    assert response.status_code == 400
    assert "comment: must be a string" in response.json()["detail"]
    assert "secret" not in response.text
    assert intake.refusals == {(Source.API, Refusal.MALFORMED): 1}


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_415(media_type):
    response = await post(FakeIntake(), {"trace_id": TRACE_ID, "thumbs_up": True}, media_type)
    assert (response.status_code, response.json()["detail"]) == (415, "the Content-Type must be application/json")


async def test_a_charset_is_no_other_content_type():
    response = await post(FakeIntake(), {"session_id": "s", "thumbs_up": True}, "application/json; charset=utf-8")
    assert response.status_code == 202


async def test_a_large_body_is_413():
    response = await post(FakeIntake(), b"x" * (MAX_BODY + 1))
    assert (response.status_code, response.json()["detail"]) == (413, f"the body is larger than {MAX_BODY} bytes")


async def test_an_overloaded_intake_is_503_with_the_time_to_come_back():
    response = await post(FakeIntake(refuse=overloaded(6.2)), {"trace_id": TRACE_ID, "thumbs_up": True})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")


async def test_a_bug_in_the_intake_is_503_and_says_nothing_of_it():
    response = await post(FakeIntake(refuse=KeyError("my secret")), {"trace_id": TRACE_ID, "thumbs_up": True})
    assert response.status_code == 503
    assert "secret" not in response.text


def test_the_api_description_has_the_request_and_its_answers():
    app = FastAPI()
    app.include_router(feedback_router(FakeIntake()))
    operation = app.openapi()["paths"]["/v1/feedback"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == set(FeedbackRequest.model_fields)
    assert set(operation["responses"]) == {"202", "400", "413", "415", "503"}
    assert "$ref" not in json.dumps(schema)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.lists(st.integers())
values |= st.dictionaries(st.sampled_from(["value", "scale"]), values)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*FeedbackRequest.model_fields, "traceId", "other"]), values))
def test_any_object_is_read_or_refused(document):
    try:
        parse_feedback(json.dumps(document).encode()).feedback(1)
    except Refused as refused:
        assert str(refused)  # noqa: PT017  # either way is right


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(body):
    assert complaint(body)
