"""Calls the app that is tested: the function which the variable ``SIDECHECK_APP`` names, as ``module:function``.

The function takes a case (``input``, ``context``; see ``cases.jsonl``) and gives its answer: a text, a JSON value, or
a message or response as OpenAI, Anthropic or Google give it; or a pair, the answer and the tool calls that were made
on the way to it, ``[{"name": ..., "arguments": {...}}]``. It may be a coroutine function.
"""

import asyncio
import importlib
import inspect
import os
import sys
import time


def call_app(case):
    """The app's answer to a case: ``(output, tool calls or None, milliseconds)``."""
    app, start = _app(), time.perf_counter()
    answer = app(case)
    if inspect.isawaitable(answer):
        answer = asyncio.run(_wait(answer))
    output, tool_calls = answer if isinstance(answer, tuple) else (answer, None)
    return output, tool_calls, (time.perf_counter() - start) * 1000


def _app():
    module, _, function = os.environ.get("SIDECHECK_APP", "").partition(":")
    if not module or not function:
        raise RuntimeError("set SIDECHECK_APP=module:function to the function of your app that answers a case")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the folder that this was started in
    return getattr(importlib.import_module(module), function)


async def _wait(answer):
    return await answer
