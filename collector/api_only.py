"""The page and the API over a shared store, alone: ``sidecheck serve --only api``.

Takes no telemetry, judges nothing and keeps no journal. Its one worker is started when somebody asks for a trace, or
promotes one that has no case. Feedback goes into the store, and from there to the processes that judge. Retention is
theirs as well: a store that none of them writes to does not grow.
"""

import asyncio
import time
from collections.abc import Iterable

from checks import catalogue
from collector.budgets import LOOK_EVERY_S, Budgets
from collector.part_options import judge_options
from collector.pipeline import upkeep
from collector.pipeline.drafting import Admission, Drafting
from collector.pipeline.explanation import Explainer
from collector.pipeline.feedback import FeedbackDesk
from collector.pipeline.forgetting import forget_beside
from collector.pipeline.inspection import InspectionPool
from collector.pipeline.losses import Losses
from collector.pipeline.rolling import RollingPool
from collector.pipeline.showing import Showing, read_trace
from collector.ports import Ports
from collector.process import Addresses, Process
from collector.settings import Settings
from exporters.review.routes import create_api
from exporters.store import ForgetTarget, Forgotten

GAUGES_EVERY_S = 5.0


class ApiOnly(Process):
    """The page, the API and their metrics."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._forgetting = asyncio.Lock()

    async def _start(self) -> None:
        settings = self.settings
        ports = Ports(settings, self._stack, ("api", "metrics"), self.spans)
        # Nothing is held back for this process: it judges nothing.
        self.store = await self._open_store(hold_ns=0)
        pool = RollingPool(self._make_pool(), self.spans)
        self._stack.push_async_callback(asyncio.to_thread, pool.close)
        desk = FeedbackDesk(self.store, self.metrics, Losses(self.metrics, time.time_ns), time.time_ns)
        budgets = Budgets(settings.budgets, self.store, self.metrics)
        metrics = ports.serve_metrics(self.metrics, self.health)
        api = create_api(
            self.store,
            trace_url=settings.api.trace_url,
            draft_case=Drafting(self.store, pool, asyncio.get_running_loop()),
            admit_cases=Admission(pool, asyncio.get_running_loop()),
            forget=self._forget,
            problems=lambda: self.health().problems,
            read_trace=read_trace,
            show_trace=Showing(pool, asyncio.get_running_loop()),
            explain=Explainer(self.store, settings.checks, settings.data_dir / "quarantine"),
            budgets=lambda: budgets.states,
        )
        self.addresses = Addresses(api=ports.serve_api(api, desk), metrics=metrics)
        self._repeat(GAUGES_EVERY_S, "gauges", self._refresh_gauges)
        self._repeat(LOOK_EVERY_S, "budgets", budgets.look)

    def _make_pool(self) -> InspectionPool:
        settings = self.settings
        plan = catalogue.build(settings.checks)
        return InspectionPool(judge_options(settings), plan, 1, settings.data_dir / "quarantine")

    def _problems(self) -> Iterable[str | None]:
        return ()

    async def _refresh_gauges(self) -> None:
        await asyncio.to_thread(upkeep.refresh_gauges, self.store, self.metrics)

    async def _forget(self, target: ForgetTarget) -> Forgotten:
        async with self._forgetting:
            return await asyncio.to_thread(forget_beside, self.store, self.settings.data_dir, target, time.time_ns())
