"""What people are told of: plain data, which a template makes a message of. Holds no captured text.

Templates run in jinja2's sandbox: they are configuration, and still they get plain values and nothing else.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from checks.money import dollars


class Kind(StrEnum):
    """What happened."""

    NEW_CLUSTER = "new_cluster"
    THRESHOLD = "threshold"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class NewCluster:
    """A kind of failure that was not known: the checks that failed, each with its finding codes, and where to look.

    ``traces`` failed in this way so far; ``trace_id`` is the first of them, ``page`` its page here, ``trace_url`` its
    place in the tracing backend, ``None`` where that is not configured.
    """

    id: str
    failures: Mapping[str, tuple[str, ...]]
    traces: int
    trace_id: str
    page: str | None = None
    trace_url: str | None = None

    @property
    def text(self) -> str:
        """The cluster in a line."""
        failed = ", ".join(
            f"{check} ({', '.join(codes)})" if codes else check for check, codes in self.failures.items()
        )
        link = self.page or self.trace_url
        return f"{failed}: {self.traces} trace{'s' * (self.traces != 1)}, {link or f'trace {self.trace_id}'}"

    def context(self) -> dict[str, Any]:
        """What a template may use of it."""
        failures = {check: list(codes) for check, codes in self.failures.items()}
        return {
            "id": self.id,
            "failures": failures,
            "traces": self.traces,
            "trace_id": self.trace_id,
            "page": self.page,
            "trace_url": self.trace_url,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: in which service, and the figures of its kind.

    ``new_cluster``: ``count`` kinds of failure that were not known before; ``clusters`` are the first of them.
    ``threshold``: of ``count`` results of ``check`` in the last ``minutes``, the share ``rate`` passed, which is
    ``below`` what it should be. ``budget``: the day (UTC) cost ``spent`` dollars, at least ``percent`` of what it may,
    which is ``budget``.
    """

    kind: Kind
    service: str
    count: int = 0
    check: str | None = None
    rate: float | None = None
    below: float | None = None
    minutes: float | None = None
    clusters: tuple[NewCluster, ...] = ()
    percent: int | None = None
    spent: float | None = None
    budget: float | None = None

    def context(self, time_s: int) -> dict[str, Any]:
        """What a template may use."""
        return {
            "event": self.kind.value,
            "service": self.service,
            "count": self.count,
            "check": self.check,
            "rate": self.rate,
            "below": self.below,
            "minutes": self.minutes,
            "percent": self.percent,
            "spent": self.spent,
            "budget": self.budget,
            "clusters": [cluster.context() for cluster in self.clusters],
            "more": self.more,
            "time": time_s,
            "text": self.text,
        }

    @property
    def more(self) -> int:
        """How many new kinds of failure are not among ``clusters``."""
        return self.count - len(self.clusters) if self.kind is Kind.NEW_CLUSTER else 0

    @property
    def _used(self) -> int:
        """Percent of the budget, rounded down: 100 is all of it. A sum of tenths is what it is short of by a hair."""
        return math.floor(round(100 * (self.spent or 0) / (self.budget or 1), 6))

    @property
    def text(self) -> str:
        """The event in a sentence, with a line for each new kind of failure."""
        if self.kind is Kind.NEW_CLUSTER:
            first = f"{self.service}: {self.count} new kind{'s' * (self.count != 1)} of failure"
            rest = [f"and {self.more} more"] if self.clusters and self.more else []
            return "\n".join([first, *(cluster.text for cluster in self.clusters), *rest])
        if self.kind is Kind.BUDGET:
            spent, budget = dollars(self.spent or 0), dollars(self.budget or 0)
            return f"{self.service}: this day's model calls cost {spent}, {self._used}% of the budget of {budget}"
        passed = f"{self.check} passed {self.rate or 0:.0%} of {self.count} traces in {self.minutes:g} minutes"
        return f"{self.service}: {passed}, which is below {self.below or 0:.0%}"


_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_CLUSTER = NewCluster("5f2b", {"citations": ("unknown_source",)}, 3, _TRACE)
EXAMPLES: Mapping[Kind, Event] = MappingProxyType(
    {
        Kind.NEW_CLUSTER: Event(Kind.NEW_CLUSTER, "shop", 2, clusters=(_CLUSTER,)),
        Kind.THRESHOLD: Event(Kind.THRESHOLD, "shop", 50, "citations", 0.8, 0.9, 10.0),
        Kind.BUDGET: Event(Kind.BUDGET, "shop", percent=80, spent=20.5, budget=25.0),
    }
)
DEFAULT_TEMPLATE = '{"text": {{ text | tojson }}, "event": {{ event | tojson }}, "service": {{ service | tojson }}}'
"""What Slack, Mattermost and the like show; whoever reads JSON gets the rest."""
LONGEST = 64 * 1024


class TemplateProblem(ValueError):
    """A template that cannot be used. The text says why."""


class Template:
    """A template that makes the JSON body of a message. Raises ``TemplateProblem`` where it does not, for any kind."""

    def __init__(self, text: str = DEFAULT_TEMPLATE) -> None:
        environment = SandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
        try:
            self._template = environment.from_string(text)
        except jinja2.TemplateError as error:
            raise TemplateProblem(f"the template is none: {error}") from error
        for event in EXAMPLES.values():
            self.render(event, 0)

    def render(self, event: Event, time_s: int) -> bytes:
        """The body. Raises ``TemplateProblem``."""
        try:
            body = self._template.render(event.context(time_s))
            json.loads(body)
        except json.JSONDecodeError as error:
            raise TemplateProblem(f"the template makes no JSON of {event.kind.value}: {error.msg}") from error
        except Exception as error:  # a template may do anything that the sandbox lets it
            raise TemplateProblem(f"the template fails for {event.kind.value}: {error}") from error
        if len(body) > LONGEST:
            raise TemplateProblem(f"the template makes more than {LONGEST} characters of {event.kind.value}")
        return body.encode()
