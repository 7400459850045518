"""Webhooks, as the sidecar runs them: made from the settings, fed with what the store took.

Owns their tasks and the rhythm. What is worth telling is ``exporters.notify.watch``'s business.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from collector.settings import ConfigError, Problem, Settings
from collector.settings_backends import NotifySection
from exporters.metrics.prometheus import Metrics
from exporters.notify.event import DEFAULT_TEMPLATE, Event, Kind, Template, TemplateProblem
from exporters.notify.watch import Threshold, Watch
from exporters.notify.webhook import Counts, Webhook, key_of
from exporters.packed import Packed
from exporters.store import SaveResult

LOOK_EVERY_S = 5.0


class Notifying:
    """Tells webhooks of what happens.

    Raises:
        ConfigError: a template or the file of a secret cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        wall_ns: Callable[[], int] = time.time_ns,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        counts = Counts(
            sent=lambda name: metrics.inc("sidecheck_notifications_sent_total", hook=name),
            dropped=lambda reason: metrics.inc("sidecheck_dropped_total", what="notification", reason=reason),
        )
        self._wall_ns = wall_ns
        self._look_every_s = look_every_s
        self._hooks = [
            (_webhook(f"notify.{index}", section, counts), _watch(section), frozenset(section.events))
            for index, section in enumerate(settings.notify)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def saved(self, records: Sequence[Packed], result: SaveResult) -> None:
        """Take in what the store took."""
        now_ns = self._wall_ns()
        for _, watch, _ in self._hooks:
            watch.saw(records, result.clusters_opened, now_ns)

    @property
    def teller_of_budgets(self) -> Callable[[Event], None] | None:
        """What tells webhooks of budgets, on the loop's thread; ``None`` where none is to be told."""
        hooks = [hook for hook, _, kinds in self._hooks if Kind.BUDGET in kinds]

        def tell(event: Event) -> None:
            for hook in hooks:
                hook.tell(event)

        return tell if hooks else None

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(hook.run(), name="webhook") for hook, _, _ in self._hooks]
        self._tasks.append(asyncio.create_task(self._look_for_ever(), name="notify"))

    async def stop(self) -> None:
        """End; what waits is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for hook, _, _ in self._hooks:
            await hook.close()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            for hook, watch, kinds in self._hooks:
                for event in watch.events(self._wall_ns()):
                    if event.kind in kinds:
                        hook.tell(event)


def _watch(section: NotifySection) -> Watch:
    if Kind.THRESHOLD not in section.events:
        return Watch()
    return Watch([Threshold(t.check, t.below, t.over, t.at_least) for t in section.thresholds])


def _webhook(key: str, section: NotifySection, counts: Counts) -> Webhook:
    try:
        template = Template(section.template or DEFAULT_TEMPLATE)
    except TemplateProblem as problem:
        raise ConfigError(Problem(f"{key}.template", str(problem))) from problem
    try:
        secret = None if section.secret_file is None else key_of(section.secret_file.read_text(encoding="ascii"))
    except OSError as error:
        text = f"{section.secret_file} cannot be read: {error.strerror}"
        raise ConfigError(Problem(f"{key}.secret_file", text)) from error
    except ValueError as error:
        raise ConfigError(Problem(f"{key}.secret_file", f"{section.secret_file}: {error}")) from error
    return Webhook(section.label, section.url, secret, template, counts)
