"""A changed configuration, taken while the sidecar runs: what may change at once, and what has to wait for a restart.

Owns which is which, the answer, and the route that asks. A configuration that cannot be used is refused whole, and the
old one stays. What is done with a new one is the sidecar's business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from collector.logs import place_of
from collector.settings import ConfigError, Settings, changed_keys, warnings
from exporters.metrics.prometheus import Metrics
from exporters.review.answers import ApiError, SafeJson

LIVE = (
    "api.public_url",
    "api.trace_url",
    "assembly",
    "budgets",
    "checks",
    "forward",
    "limits",
    "metrics.max_series",
    "notify",
    "prices",
    "promotion",
    "results",
    "store.retention",
)
"""What takes effect at once: these options, and all below them."""

IN_PART = (
    "limits.request",
    "limits.connections",
    "limits.header_timeout",
    "limits.body_timeout",
    "limits.idle_timeout",
)
"""What takes effect at once, but for what a server that runs cannot be told: those of gRPC take these numbers when they
are made, and so does the TLS handshake."""

log = structlog.get_logger()


class CannotReload(Exception):
    """A new configuration that is well formed and cannot be put to use. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload did: the keys that changed and hold now, and those that wait for a restart, in part or whole."""

    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


Apply = Callable[[Settings], Awaitable[None]]
"""Puts settings to use, all or nothing. Raises ``CannotReload``."""


class Reloading:
    """Reloads, one at a time. ``load`` reads the configuration again, on a thread; raises ``ConfigError``."""

    def __init__(self, settings: Settings, load: Callable[[], Settings], apply: Apply, metrics: Metrics) -> None:
        self._settings = self._started = settings
        self._load = load
        self._apply = apply
        self._metrics = metrics
        self._lock = asyncio.Lock()
        metrics.set("sidecheck_config_last_reload_success", 1)

    async def __call__(self) -> Reloaded:
        """Read the configuration and put to use what may change.

        Raises:
            ConfigError, CannotReload: it is refused; nothing has changed.
        """
        async with self._lock:
            try:
                reloaded = await self._reload()
            except (ConfigError, CannotReload) as error:
                log.error("a new configuration is refused; the old one stays", problem=str(error))
                self._count("refused", success=False)
                raise
            except Exception as error:
                log.error("a reload failed; the old configuration stays", error=place_of(error))
                self._count("refused", success=False)
                raise CannotReload(f"it cannot be put to use: {place_of(error)}") from error
            log.info("reloaded", changed=reloaded.changed, needs_restart=reloaded.needs_restart)
            self._count("applied" if reloaded.changed else "unchanged", success=True)
            return reloaded

    async def _reload(self) -> Reloaded:
        new = await asyncio.to_thread(self._load)
        keys = changed_keys(self._settings, new)
        changed = tuple(key for key in keys if _is_live(key))
        if changed:
            effective = with_live(self._settings, new)
            await self._apply(effective)
            self._settings = effective
            for warning in warnings(effective):
                log.warning("a new configuration may surprise", problem=warning)
        waiting = (key for key in changed_keys(self._started, new) if not _is_live(key) or key in IN_PART)
        return Reloaded(changed, tuple(waiting))

    def _count(self, result: str, *, success: bool) -> None:
        self._metrics.inc("sidecheck_config_reloads_total", result=result)
        self._metrics.set("sidecheck_config_last_reload_success", int(success))


def with_live(old: Settings, new: Settings) -> Settings:
    """The old settings with what may change out of the new ones."""
    for key in LIVE:
        old = _with(old, new, key.split("."))
    return old


_Part = TypeVar("_Part", bound=BaseModel)


def _with(old: _Part, new: _Part, path: Sequence[str]) -> _Part:
    """The old section with one option out of the new one."""
    name, *below = path
    value = getattr(new, name)
    return old.model_copy(update={name: _with(getattr(old, name), value, below) if below else value})


def reload_router(reload: Callable[[], Awaitable[Reloaded]]) -> APIRouter:
    """The route that reloads."""
    router = APIRouter(default_response_class=SafeJson, tags=["reload"])

    @router.post("/api/reload")
    async def reload_now() -> SafeJson:
        """Read the configuration again and put to use what may change; 422 where it is refused."""
        try:
            reloaded = await reload()
        except (ConfigError, CannotReload) as error:
            raise ApiError(422, "configuration_refused", str(error)) from None
        return SafeJson({"changed": reloaded.changed, "needsRestart": reloaded.needs_restart})

    return router


def _is_live(key: str) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in LIVE)
