"""One webhook: messages signed, sent in order, tried again, and counted where they are given up.

Signed as https://www.standardwebhooks.com says. Owns a bounded queue in memory; what happened is ``watch``'s business.
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import uuid4

import httpx
import structlog

from exporters.notify.event import Event, Template, TemplateProblem
from exporters.otlp.backoff import Backoff, Patience, Sleep
from exporters.otlp.client import seconds_of

MOST_WAITING = 100
TRIES = 8
"""Of one message, over some two minutes; then the next one has its turn."""
TIMEOUT_S = 10.0
SHORTEST_SECRET = 24
"""Bytes; the specification says 24 to 64."""
_PREFIX = "whsec_"
_TRY_AGAIN = frozenset({408, 425, 429})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counts:
    """Told of what became of messages: sent (by the hook's name), dropped (a reason)."""

    sent: Callable[[str], None]
    dropped: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where messages go, what they are signed with (``None``: nothing), and what makes them."""

    url: str
    key: bytes | None
    template: Template


def key_of(secret: str) -> bytes:
    """The key of a secret as it is handed out: ``whsec_`` and base64, or any text. Raises ``ValueError``."""
    text = secret.strip()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True) if text.startswith(_PREFIX) else text.encode()
    except binascii.Error:
        raise ValueError(f"what follows {_PREFIX} is no base64") from None
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"the secret has less than {SHORTEST_SECRET} bytes; `openssl rand -hex 32` makes a good one")
    return key


def signed(key: bytes, message_id: str, time_s: int, body: bytes) -> dict[str, str]:
    """The headers that prove who sent a body, and when."""
    content = f"{message_id}.{time_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(time_s), "webhook-signature": f"v1,{signature}"}


def client() -> httpx.AsyncClient:
    """What asks receivers.

    Raises:
        ImportError, OSError, ValueError: the environment names a proxy or certificates that cannot be used.
    """
    return httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, headers={"User-Agent": "sidecheck"})


class Webhook:
    """Sends messages to one receiver until it is stopped, and to no other: redirects are not followed."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        counts: Counts,
        *,
        backoff: Backoff | None = None,
        sleep: Sleep = asyncio.sleep,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self.receiver = receiver
        self._counts = counts
        self._backoff = backoff or Backoff()
        self._patience = Patience(sleep)
        self._wall_s = wall_s
        self._queue: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)
        self._under_way = False
        self._http = client()

    def tell(self, event: Event) -> None:
        """Queue a message; where there is no room, or nobody sends any more, it is dropped and counted."""
        if self._http.is_closed:
            self._counts.dropped("shutdown")
            return
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._counts.dropped("queue_full")

    def turn_to(self, receiver: Receiver) -> None:
        """Send what waits and what comes to another receiver, and at once: whatever the last one had to wait for."""
        self.receiver = receiver
        self._backoff.reset()
        self._patience.end()

    @property
    def waiting(self) -> int:
        """Messages that are not sent yet."""
        return self._queue.qsize() + self._under_way

    async def run(self) -> None:
        """Send what comes, for ever."""
        while True:
            event = await self._queue.get()
            self._under_way = True
            await self._tell(event)
            self._under_way = False
            self._queue.task_done()

    async def emptied(self) -> None:
        """Wait until nothing waits."""
        await self._queue.join()

    async def close(self, reason: str) -> int:
        """End, when ``run`` has ended. What waits, or was under way, is dropped and counted; returns how much."""
        if self._http.is_closed:
            return 0
        left = self.waiting
        for _ in range(left):
            self._counts.dropped(reason)
        await self._http.aclose()
        return left

    async def _tell(self, event: Event) -> None:
        try:
            body = self.receiver.template.render(event, int(self._wall_s()))
        except TemplateProblem as problem:
            log.error("a message could not be made", hook=self._name, problem=str(problem))
            self._counts.dropped("template")
            return
        await self._deliver(body)

    async def _deliver(self, body: bytes) -> None:
        message_id = f"msg_{uuid4().hex}"
        problem, is_final = "", False
        for _ in range(TRIES):
            receiver = self.receiver
            problem, after_s, is_final = await self._post(receiver, message_id, body)
            if not problem:
                self._backoff.reset()
                self._counts.sent(self._name)
                return
            if receiver is not self.receiver:
                continue
            if is_final:
                break
            await self._patience.wait(self._backoff.wait_s(after_s))
        log.warning("a message was given up", hook=self._name, problem=problem)
        self._backoff.reset()
        self._counts.dropped("refused" if is_final else "retries")

    async def _post(self, receiver: Receiver, message_id: str, body: bytes) -> tuple[str, float | None, bool]:
        """What went wrong (empty: nothing), the seconds that the receiver asks for, and whether it is of no use."""
        headers = {"Content-Type": "application/json"}
        if receiver.key is not None:
            headers |= signed(receiver.key, message_id, int(self._wall_s()), body)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._http.stream("POST", receiver.url, content=body, headers=headers) as r,
            ):
                status, retry_after = r.status_code, r.headers.get("retry-after")
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            return type(error).__name__, None, False
        except (httpx.InvalidURL, UnicodeError) as error:  # no name of a host, as only the client finds out
            return type(error).__name__, None, True
        if status in range(200, 300):
            return "", None, False
        is_final = status < 500 and status not in _TRY_AGAIN
        return f"HTTP {status}", seconds_of(retry_after, self._wall_s()), is_final
