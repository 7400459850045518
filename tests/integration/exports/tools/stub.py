"""A hosted tool's API on the loopback interface, as far as its SDK asks for it. It keeps what was sent."""

import gzip
import json
import re
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub:
    """Answers by ``routes``, ``(method, pattern of the path) -> function of (match, body)``; what fits none is ``{}``.

    ``requests`` holds ``(method, path, decoded body)`` of all, in their order.
    """

    def __init__(self, routes):
        self.requests, self._routes = [], [(method, re.compile(path), reply) for method, path, reply in routes]
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    sent = gzip.decompress(sent)
                status, body = stub.reply(self.command, self.path, _decoded(self.headers.get("Content-Type"), sent))
                written = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815 -- the names that the base class calls

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reply(self, method, path, body):
        self.requests.append((method, path, body))
        for wanted, pattern, answer in self._routes:
            if wanted == method and (match := pattern.fullmatch(path)):
                return answer(match, body)
        return 200, {}

    def sent(self, method, path):
        """The bodies of the requests that fit."""
        return [body for m, p, body in self.requests if m == method and re.fullmatch(path, p)]


def _decoded(content_type, sent):
    """JSON as its value, ``multipart/form-data`` as the decoded parts by name, anything else as nothing."""
    if (content_type or "").startswith("application/json"):
        return json.loads(sent)
    if (content_type or "").startswith("multipart/"):
        message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + sent)
        parts = {}
        for part in message.get_payload():
            name = part.get_param("name", header="Content-Disposition")
            parts[name] = json.loads(part.get_payload(decode=True))
        return parts
    return None
