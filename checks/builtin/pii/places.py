"""Where the PII check looks: the captured texts of an interaction, and the strings inside structured tool data."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

from checks.finding import Evidence
from checks.interaction import Interaction

Place = Literal["output", "input", "system", "documents", "tool_arguments", "tool_results"]
PLACES: tuple[Place, ...] = get_args(Place)

_DEFAULT: tuple[Place, ...] = ("output",)
_TOOL_PLACES: tuple[Place, ...] = ("tool_arguments", "tool_results")

NAMES: Mapping[Place, str] = {
    "output": "the answer",
    "input": "the user's input",
    "system": "the system prompt",
    "documents": "a retrieved document",
    "tool_arguments": "the arguments of a tool call",
    "tool_results": "the result of a tool call",
}

_PLAIN: Mapping[str, Place] = {"output": "output", "input": "input", "system": "system"}

MOST_STRINGS = 2000
"""How many strings inside one tool's arguments or result are looked at."""
_LARGEST_NUMBER = 10**20  # longer than any card or phone number; str() refuses integers of thousands of digits


class PlacedText(NamedTuple):
    """One captured text. ``path`` is as in ``Interaction.texts``; without ``has_offsets`` it is only a part of that.

    ``is_last`` of too many: behind it come strings that are not looked at.
    """

    place: Place
    text: str
    path: str
    span_id: str | None = None
    has_offsets: bool = True
    is_last: bool = False

    def evidence(self, start: int, end: int) -> Evidence:
        """Points at a part of the text, or where that has no offsets at the whole of ``path``."""
        if self.has_offsets:
            return Evidence(self.span_id, self.path, start, end)
        return Evidence(self.span_id, self.path)


def texts_in(interaction: Interaction, places: tuple[Place, ...]) -> Iterator[PlacedText]:
    """The recorded texts in these places, as they come in ``Interaction.texts``, then the structured tool data."""
    if places == _DEFAULT:
        if interaction.final_output is not None:
            yield PlacedText("output", interaction.final_output, "output", interaction.output_span)
        return
    last, of_tools = _extent(places)
    for path, span_id, text in interaction.texts():
        place = _place_of(path)
        if place in places:
            yield PlacedText(place, text, path, span_id)
        elif not of_tools and PLACES.index(place) > last:
            return  # texts come in the order of the places, but that those of tools alternate
    for n, call in enumerate(interaction.tool_calls if of_tools else ()):
        for place, part, value in _structured(call.arguments, call.result):
            if place in places:
                yield from _parts(place, value, f"tool_calls[{n}].{part}", call.span_id)


@cache
def _extent(places: tuple[Place, ...]) -> tuple[int, bool]:
    """The number of the last of the places, and whether any is of tool calls."""
    return max(map(PLACES.index, places)), any(place in _TOOL_PLACES for place in places)


def was_recorded(interaction: Interaction, places: tuple[Place, ...]) -> bool:
    """Whether any text in these places was recorded, an empty one too."""
    if interaction.final_output is not None and "output" in places:
        return True
    if any(_place_of(path) in places for path, _, _ in interaction.texts()):
        return True
    return any(
        place in places for call in interaction.tool_calls for place, _, _ in _structured(call.arguments, call.result)
    )


def strings(value: Any) -> tuple[list[str], bool]:
    """The strings in parsed JSON, keys too, and its integers as strings, however deep.

    Returns:
        ``MOST_STRINGS`` of them at most, and whether there are more.
    """
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack += [part for pair in item.items() for part in pair]
        elif isinstance(item, list | tuple):
            stack += item
        elif isinstance(item, str) or (isinstance(item, int) and abs(item) < _LARGEST_NUMBER):
            if len(found) == MOST_STRINGS:
                return found, True
            found.append(str(item))
    return found, False


def _parts(place: Place, value: Any, path: str, span_id: str | None) -> Iterator[PlacedText]:
    found, more = strings(value)
    for number, text in enumerate(found, 1):
        yield PlacedText(place, text, path, span_id, has_offsets=False, is_last=more and number == len(found))


def _structured(arguments: Any, result: Any) -> Iterator[tuple[Place, str, Any]]:
    """What ``Interaction.texts`` leaves out: arguments and results that are no strings."""
    if arguments is not None and not isinstance(arguments, str):
        yield "tool_arguments", "arguments", arguments
    if result is not None and not isinstance(result, str):
        yield "tool_results", "result", result


def _place_of(path: str) -> Place:
    plain = _PLAIN.get(path)
    if plain is not None:
        return plain
    if path.startswith("documents["):
        return "documents"
    return "tool_arguments" if path.endswith(".arguments") else "tool_results"
