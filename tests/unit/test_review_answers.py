"""Requests that end before they were read."""

import pytest
from starlette.types import Message

from exporters.review.routes import create_api
from exporters.store import Store


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/review/case-1/check", "application/x-www-form-urlencoded"),
        ("/api/datasets/commit", "application/json"),
    ],
)
async def test_who_leaves_in_the_middle_of_a_body_makes_no_request_crash(tmp_path, path, content_type):
    sent: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    answered: list[Message] = []

    async def receive() -> Message:
        return sent.pop(0)

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", content_type.encode())],
    }
    with Store.open(None, tmp_path) as store:
        await create_api(store)(scope, receive, send)
    assert not sent
    assert answered[0]["status"] == 400
