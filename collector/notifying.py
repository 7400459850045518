"""Webhooks, as the sidecar runs them: made from the settings, fed with what the store took, changed while they run.

Owns their tasks and the rhythm. What is worth telling is ``exporters.notify.watch``'s business.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from collector.settings import ConfigError, Problem, Settings
from collector.settings_backends import NotifySection
from collector.settings_values import webhook_address
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import DEFAULT_TEMPLATE, Event, Kind, Template, TemplateProblem
from exporters.notify.watch import Links, Threshold, Watch
from exporters.notify.webhook import Counts, Receiver, Webhook, client, key_of
from exporters.packed import Packed
from exporters.reread import Reread, said, text_of
from exporters.store import SaveResult
from exporters.tasks import lasting

LOOK_EVERY_S = 5.0
LEAVE_WITHIN_S = 30.0
"""How long a webhook that was taken out is still told of what waits for it."""
FLUSH_WITHIN_S = 2.0
"""How long an end waits for messages that were not sent yet: they are in memory, and nobody else tells of them."""

log = structlog.get_logger()
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook as the settings want it, everything read and tried. ``receiver`` looks whether files have changed."""

    name: str
    receiver: Callable[[], Receiver]
    kinds: frozenset[str]
    thresholds: tuple[Threshold, ...]
    links: Links


def hooks_of(settings: Settings) -> tuple[Hook, ...]:
    """The webhooks that the settings want.

    Raises:
        ConfigError: a template, the file of a secret, or what the environment says of proxies and certificates cannot
            be used.
    """
    if settings.notify:
        _try_client()
    links = Links(settings.api.public_url, settings.api.trace_url)
    return tuple(
        Hook(
            section.label, _receiver(f"notify.{index}", section), frozenset(section.events), _thresholds(section), links
        )
        for index, section in enumerate(settings.notify)
    )


@dataclass(slots=True)
class _Running:
    """A webhook that is told of things. ``wanted`` is what it goes by now."""

    wanted: Hook
    webhook: Webhook
    watch: Watch
    task: "asyncio.Task[None]"


class Notifying:
    """Tells webhooks of what happens. Used on one event loop."""

    def __init__(
        self,
        metrics: Metrics,
        wall_ns: Callable[[], int] = time.time_ns,
        leave_within_s: float = LEAVE_WITHIN_S,
        flush_within_s: float = FLUSH_WITHIN_S,
    ) -> None:
        self._counts = Counts(
            sent=lambda name: metrics.inc("sidecheck_notifications_sent_total", hook=name),
            dropped=lambda reason: metrics.inc("sidecheck_dropped_total", what="notification", reason=reason),
        )
        self._wall_ns = wall_ns
        self._leave_within_s = leave_within_s
        self._flush_within_s = flush_within_s
        self._running: dict[str, _Running] = {}
        self._leaving: dict[asyncio.Task[None], _Running] = {}
        self._looking: asyncio.Task[None] | None = None

    def adopt(self, hooks: Sequence[Hook]) -> None:
        """Tell these from now on, and no others.

        What waits for one whose name stays goes to where that name leads now. One that is left out gets what waits for
        a while; what is left then is dropped and counted.
        """
        self.look()  # what was seen so far is for those that were there
        wanted = {hook.name: hook for hook in hooks}
        for name in self._running.keys() - wanted.keys():
            running = self._running.pop(name)
            seeing_off = lasting(self._see_off(running), "webhook ends")
            self._leaving[seeing_off] = running
            seeing_off.add_done_callback(self._leaving.pop)
        for hook in hooks:
            self._keep(hook)

    def saved(self, records: Sequence[Packed], result: SaveResult) -> None:
        """Take in what the store took."""
        now_ns = self._wall_ns()
        for running in self._running.values():
            running.watch.saw(records, now_ns, result.opened, result.joined)

    @property
    def teller_of_budgets(self) -> Callable[[Event], None] | None:
        """What tells webhooks of budgets, on the loop's thread; ``None`` where none is to be told."""
        return self._tell_of_budget if self._told_of(Kind.BUDGET) else None

    def look(self) -> None:
        """Tell of what there is to tell since the last time."""
        for running in self._running.values():
            receiver = running.wanted.receiver()
            if receiver != running.webhook.receiver:
                running.webhook.turn_to(receiver)
            for event in running.watch.events(self._wall_ns()):
                if event.kind in running.wanted.kinds:
                    running.webhook.tell(event)

    def start(self, look_every_s: float = LOOK_EVERY_S) -> None:
        """Look so often."""
        self._looking = lasting(self._look_for_ever(look_every_s), "notify")

    async def stop(self) -> None:
        """Send what waits, for a moment; then end. What is left is dropped and counted."""
        hooks = [*self._running.values(), *self._leaving.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._flush_within_s):
                await asyncio.gather(*(hook.webhook.emptied() for hook in hooks))
        tasks = [*(hook.task for hook in hooks), *self._leaving, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for hook in hooks:
            await hook.webhook.close("shutdown")

    def _told_of(self, kind: Kind) -> list[Webhook]:
        return [running.webhook for running in self._running.values() if kind in running.wanted.kinds]

    def _tell_of_budget(self, event: Event) -> None:
        """Tell those that are there by now: a reload may have come since somebody was to be told."""
        webhooks = self._told_of(Kind.BUDGET)
        for webhook in webhooks:
            webhook.tell(event)
        if not webhooks:
            self._counts.dropped("no_destination")

    def _keep(self, hook: Hook) -> None:
        """Go on with a webhook in its new form, or begin with it."""
        running = self._running.get(hook.name)
        if running is None:
            webhook = Webhook(hook.name, hook.receiver(), self._counts)
            task = lasting(webhook.run(), "webhook")
            self._running[hook.name] = _Running(hook, webhook, Watch(hook.thresholds, hook.links), task)
            return
        running.wanted = hook
        running.watch.adopt(hook.thresholds, hook.links)
        running.webhook.turn_to(hook.receiver())

    async def _see_off(self, running: _Running) -> None:
        """End a webhook once it is told of all that waits, or has had its time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._leave_within_s):
                await running.webhook.emptied()
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
        left = await running.webhook.close("no_destination")
        log.info("a webhook that was taken out has ended", hook=running.wanted.name, dropped=left)

    async def _look_for_ever(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self.look()


def _thresholds(section: NotifySection) -> tuple[Threshold, ...]:
    if Kind.THRESHOLD not in section.events:
        return ()
    return tuple(Threshold(t.check, t.below, t.over, t.at_least) for t in section.thresholds)


def _try_client() -> None:
    """Later, amid a change, it would be too late to refuse."""
    try:
        client()
    except (ImportError, OSError, ValueError) as error:
        text = f"no HTTP client can be made ({type(error).__name__}): look at HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        raise ConfigError(Problem("notify", text)) from error


def _receiver(key: str, section: NotifySection) -> Callable[[], Receiver]:
    try:
        template = Template(section.template or DEFAULT_TEMPLATE)
    except TemplateProblem as problem:
        raise ConfigError(Problem(f"{key}.template", str(problem))) from problem
    secret = _file(f"{key}.secret_file", section.secret_file, key_of)
    address = _file(f"{key}.url_file", section.url_file, webhook_address)

    def now() -> Receiver:
        return Receiver(section.url or (address.now() if address else ""), secret.now() if secret else None, template)

    return now


def _file(key: str, path: Path | None, parse: Callable[[str], _Value]) -> Reread[_Value] | None:
    """What a file holds. Raises ``ConfigError`` where it holds nothing of use at the start."""
    if path is None:
        return None
    try:
        return Reread(key, path, parse, parse(text_of(path)))
    except OSError as error:
        raise ConfigError(Problem(key, f"{path} cannot be read: {error.strerror}")) from error
    except ValueError as error:
        raise ConfigError(Problem(key, f"{path}: {said(error)}")) from error
