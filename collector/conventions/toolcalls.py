"""Tool calls put together from three records of them: what the model asked for, the tool's span, the tool's answer.

Owns when these mean one call: the same id, or the same name and arguments. Answers come in the messages of a later
model call, which repeats the conversation so far; requests of earlier traces in it are no calls of this one.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import orjson

from checks.constructor import constructor_of
from checks.interaction import Message, ModelCall, ToolCall, ToolRequest
from checks.lazy import lazy
from collector.conventions import merge

_new_call = constructor_of(ToolCall)
_tool_requests = attrgetter("tool_requests")
_NO_RUN = ToolCall(span_id=None)

_Key = tuple[str | None, bytes]


def combine(calls: Sequence[ModelCall], runs: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """Every tool call of a trace once.

    Args:
        calls: The model calls in order of time.
        runs: The tool calls that have spans, in order of time.
    """
    if not runs and not any(map(_asks, calls)):
        return ()
    ledger = _Ledger(earlier=calls[0].input if calls else None)
    is_missing_answers = False
    for call in calls:
        # Where an answer was not recorded, what it asked for may show up in a later conversation only.
        if call.input:
            ledger.hear(call.input, call.start_ns, may_be_new=is_missing_answers)
        if call.output is None:
            is_missing_answers = True
        else:
            ledger.ask(_requests(call.output), call.start_ns + call.duration_ns)
    unmatched = [run for run in runs if not ledger.ran_by_id(run)]
    for run in unmatched:
        ledger.ran(run)
    return tuple(map(_Entry.call, ledger.entries))


def _asks(call: ModelCall) -> bool:
    """Whether any message that it was given or that it answered with holds a request."""
    return any(map(_tool_requests, call.output or ())) or any(map(_tool_requests, call.input or ()))


def _requests(messages: Sequence[Message]) -> list[ToolRequest]:
    return [request for message in messages for request in message.tool_requests]


@dataclass(slots=True)
class _Entry:
    """One tool call as far as it is known."""

    name: str | None
    id: str | None
    arguments: Any
    start_ns: int
    answered_as: str | None = None
    """The id in the later conversation, where the tool's answer names it. The responses API has another one before."""
    result: Any = None
    run: ToolCall | None = None

    def call(self) -> ToolCall:
        run = self.run or _NO_RUN
        call_id = self.answered_as or self.id
        return _new_call(
            run.span_id,
            run.name if self.name is None else self.name,
            run.id if call_id is None else call_id,
            run.arguments if self.arguments is None else self.arguments,
            self.result if run.result is None else run.result,
            self.start_ns if self.run is None else run.start_ns,
            run.duration_ns,
            run.error,
        )


class _Ledger:
    """The tool calls found so far, and by which ids they go.

    By what they ask for they are listed when the first is looked for so: nearly all go by ids.
    """

    def __init__(self, earlier: Sequence[Message] | None) -> None:
        self.entries: list[_Entry] = []
        self._by_id: dict[str, _Entry] = {}
        self._listed = 0
        self._earlier = earlier

    def ask(self, requests: Iterable[ToolRequest], asked_ns: int) -> None:
        """A model's answer asks for tools."""
        for request in requests:
            if request.id is None or request.id not in self._by_id:
                self._add(request.name, request.id, request.arguments, asked_ns)

    def hear(self, conversation: Sequence[Message], heard_ns: int, *, may_be_new: bool) -> None:
        """A model call is given the conversation so far, with earlier requests and the tools' answers."""
        for request in _requests(conversation):
            if request.id in self._by_id:
                continue
            entry = self._under_another_id(request)
            if entry is not None and request.id is not None:
                entry.answered_as = request.id
                self._by_id[request.id] = entry
            elif entry is None and may_be_new and (request.id, request.name) not in self._asked_earlier:
                self.ask((request,), heard_ns)
        for message in conversation if self._by_id else ():
            if message.role == "tool":
                answered = self._by_id.get(message.tool_call_id or "")
                if answered is not None and answered.result is None:
                    answered.result = message.content

    @lazy
    def _by_key(self) -> dict[_Key | None, deque[_Entry]]:
        return defaultdict(deque)

    @lazy
    def _by_name(self) -> dict[tuple[str | None, bool], deque[_Entry]]:
        return defaultdict(deque)

    @lazy
    def _asked_earlier(self) -> set[tuple[str | None, str | None]]:
        """The ids and names of what was asked for before this trace."""
        return {(request.id, request.name) for request in _requests(self._earlier or ())}

    def ran_by_id(self, run: ToolCall) -> bool:
        """A tool ran whose span names a call; false where that call is not known."""
        entry = self._by_id.get(run.id or "")
        if entry is not None:
            entry.run = run if entry.run is None else merge.fill(entry.run, run)
        return entry is not None

    def ran(self, run: ToolCall) -> None:
        """A tool ran whose call must be found by name and arguments, or was never asked for by a model."""
        if self.ran_by_id(run):  # another span of a call that became known just now
            return
        self._list_entries()
        key = _key(run.name, run.arguments)
        same = _waiting(self._by_key[key]) if key is not None else None
        vague = same or _waiting(self._by_name[run.name, run.arguments is None])
        entry = vague or self._add(run.name, run.id, run.arguments, run.start_ns)
        entry.run = run

    def _add(self, name: str | None, call_id: str | None, arguments: Any, start_ns: int) -> _Entry:
        entry = _Entry(name, call_id, arguments, start_ns)
        self.entries.append(entry)
        if call_id is not None:
            self._by_id[call_id] = entry
        return entry

    def _under_another_id(self, request: ToolRequest) -> _Entry | None:
        """The first call with the request's name and arguments that no other id has claimed."""
        if not self.entries:
            return None
        self._list_entries()
        key = _key(request.name, request.arguments)
        known = self._by_key[key] if key is not None else ()
        return next((entry for entry in known if entry.answered_as is None), None)

    def _list_entries(self) -> None:
        """List the calls that were found since by name and arguments."""
        for entry in self.entries[self._listed :]:
            self._by_key[_key(entry.name, entry.arguments)].append(entry)
            self._by_name[entry.name, True].append(entry)  # for a run without arguments: any request by that name
            if entry.arguments is None:
                self._by_name[entry.name, False].append(entry)  # for any run by that name: one without arguments
        self._listed = len(self.entries)


def _waiting(entries: deque[_Entry]) -> _Entry | None:
    """The first of ``entries`` that no run was found for; those before it are dropped."""
    while entries and entries[0].run is not None:
        entries.popleft()
    return entries[0] if entries else None


def _key(name: str | None, arguments: Any) -> _Key | None:
    """What tells calls without an id apart; ``None`` where the arguments were not recorded or cannot be compared."""
    if arguments is None:
        return None
    try:
        return name, orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):
        return None
