"""The OpenAI chat completions API on loopback, as far as an app needs it: answers, streams, tool calls and failures.

What it answers depends on the last thing the user said (``SCRIPT``), so that every run of an app gets the same.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-mini-2024-07-18"
PATH = "/v1/chat/completions"
TOOL_CALL = {
    "id": "call_9f2",
    "type": "function",
    "function": {"name": "get_invoice", "arguments": '{"number": "2025-118"}'},
}


@dataclass(frozen=True)
class Reply:
    """What the model says. ``tool_calls`` come first; ``text`` follows once their results are in the request."""

    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish_reason: str = "stop"
    status: int = 200
    usage: Mapping[str, int] = field(
        default_factory=lambda: {"prompt_tokens": 31, "completion_tokens": 17, "total_tokens": 48}
    )


SCRIPT: Mapping[str, Reply] = {
    "What is the capital of Portugal?": Reply("The capital of Portugal is Lisbon."),
    "Tell me about Lisbon, word by word.": Reply("Lisbon lies on seven hills above the Tagus."),
    "Give me the order as JSON.": Reply('{"order_id": "A-1042", "items": [{"sku": "MUG-7", "qty": 2}]}'),
    "Give me the long order as JSON.": Reply('{"order_id": "A-1042", "items": [{"sku": "MUG-7", "qty": 2'),
    "How do I reach Lena?": Reply("Write to lena.vogt@northwind-cloud.de or call +49 30 901820."),
    "Is invoice 2025-118 paid?": Reply("Invoice 2025-118 is paid.", (TOOL_CALL,)),
    "Please fail.": Reply(status=500),
}


@contextmanager
def openai_stub() -> Iterator[str]:
    """Serve the stub; give the base URL for the client."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = SCRIPT.get(_question(request), Reply(status=404))
        if self.path != PATH or reply.status != 200:
            self._send(reply.status if self.path == PATH else 404, json.dumps(_error(reply.status)).encode())
        elif request.get("stream"):
            self._send(200, b"".join(_events(request, reply)), "text/event-stream")
        else:
            self._send(200, json.dumps(_completion(request, reply)).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing on standard error."""

    def _send(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _question(request: Mapping[str, Any]) -> str:
    said = [message["content"] for message in request["messages"] if message["role"] == "user"]
    return said[-1] if said else ""


def _calls_tools(request: Mapping[str, Any], reply: Reply) -> bool:
    return bool(reply.tool_calls) and request["messages"][-1]["role"] != "tool"


def _completion(request: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    calls = _calls_tools(request, reply)
    message = {
        "role": "assistant",
        "content": None if calls else reply.text,
        **({"tool_calls": list(reply.tool_calls)} if calls else {}),
    }
    finish = "tool_calls" if calls else reply.finish_reason
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": dict(reply.usage)}


def _events(request: Mapping[str, Any], reply: Reply) -> Iterator[bytes]:
    """The answer as server-sent events: a word each, the end, the usage where it was asked for."""
    head = _head(request, "chat.completion.chunk")
    words = reply.text.split(" ")
    pieces = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]})
    if (request.get("stream_options") or {}).get("include_usage"):
        yield _event({**head, "choices": [], "usage": dict(reply.usage)})
    yield b"data: [DONE]\n\n"


def _event(chunk: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _head(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    # The id depends on the request only, so that two runs of an app differ in nothing but their span ids.
    return {"id": f"chatcmpl-{len(json.dumps(request)):05d}", "object": kind, "created": 1_763_900_000, "model": MODEL}


def _error(status: int) -> dict[str, Any]:
    return {"error": {"message": "The server had an error.", "type": "server_error", "code": f"http_{status}"}}
