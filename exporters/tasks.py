"""Tasks that outlive whoever starts them.

A task runs in a copy of the context that it is made in, for as long as it lives: what a reload sets about would have
the reload's span, and each of its log lines the id of that trace, for days. Owns nothing but that.
"""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any


def lasting(work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
    """Start a task that belongs to nothing that is under way."""
    return asyncio.create_task(work, name=name, context=Context())
