"""``valid_json``: where the app asked for JSON, the answer is JSON (RFC 8259) and keeps the schema.

A refusal that the provider marked is no JSON failure, an answer that only calls tools holds nothing to parse, and one
that was cut on its way here (``limits.attribute_value``) says nothing of the app: the check does not apply to these.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from checks.builtin.valid_json.answer import Answer, Fence, fence_around, find_answer
from checks.builtin.valid_json.grammar import GrammarError
from checks.builtin.valid_json.schema import SchemaError, UndecidedError, Violation, compile_schema, violations
from checks.builtin.valid_json.text import Parsed, locate, parse, repeated_keys
from checks.check import CheckInfo, OptionError
from checks.finding import Evidence, Finding, Severity
from checks.interaction import Interaction

_SHOWN = 10
"""Places that are pointed at, and violations that are told one by one; the rest is counted."""
_LARGE = 50_000
"""Code points above which only the first violation is looked for: telling them all takes about 10 µs each."""


@dataclass(frozen=True, slots=True)
class ValidJson:
    """The answer is JSON where JSON was asked for.

    ``always``: judge every final answer, also where the trace does not say that JSON was asked for.
    ``schema``: the JSON Schema to keep; without one, the schema that the trace recorded (``use_recorded_schema``).
    ``allow_fence``: accept a code block around the JSON. ``allow_duplicate_keys``: accept repeated keys.
    """

    always: bool = False
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    use_recorded_schema: bool = True
    allow_fence: bool = False
    allow_duplicate_keys: bool = False

    info: ClassVar[CheckInfo] = CheckInfo(
        "valid_json",
        "1",
        "The answer is JSON where JSON was asked for.",
        codes={
            "not_json": "The answer is not JSON (RFC 8259).",
            "truncated": "The answer ends before its JSON is complete.",
            "fenced": "A code block stands around the JSON.",
            "schema_violation": "The JSON breaks the schema.",
            "duplicate_key": "A key appears more than once in its object.",
            "empty": "The answer holds nothing but white space.",
            "schema_unusable": "The recorded schema can't be used (a warning: the answer was only parsed).",
        },
    )

    def __post_init__(self) -> None:
        """Refuse options that cannot be.

        Raises:
            OptionError: If a switch is no boolean, or ``schema`` no self-contained JSON Schema.
        """
        for option in ("always", "use_recorded_schema", "allow_fence", "allow_duplicate_keys"):
            if not isinstance(getattr(self, option), bool):
                raise OptionError(option, "it must be true or false")
        if self.schema is None:
            return
        if not isinstance(self.schema, Mapping):
            raise OptionError("schema", "it must be a JSON Schema, given here as a mapping (not a path or an address)")
        try:
            compile_schema(self.schema)
        except SchemaError as error:
            raise OptionError("schema", f"not a usable JSON Schema at {error.place or 'its root'}: {error}") from error

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether there is an answer that has to be JSON."""
        return find_answer(interaction, always=self.always) is not None

    def inspect(self, interaction: Interaction) -> Iterable[Finding]:
        """Yield what keeps the answer from being the JSON that was asked for."""
        answer = find_answer(interaction, always=self.always)
        if answer is None:
            return
        fence = fence_around(answer.text)
        if fence and not self.allow_fence:
            yield Finding("fenced", "a code block stands around the JSON", evidence=(_whole(answer),))
        body = fence or Fence(0, len(answer.text))
        text = answer.text[body.start : body.end]
        if text.strip():
            yield from self._judge(answer, text, body.start)
        else:
            yield Finding("empty", "the answer holds no JSON, only white space", evidence=(_whole(answer),))

    def _judge(self, answer: Answer, text: str, offset: int) -> Iterator[Finding]:
        parsed = parse(text)
        if parsed.problem is not None:
            yield _malformed(answer, text, offset, parsed.problem)
            return
        if parsed.has_repeated_keys and not self.allow_duplicate_keys:
            yield _duplicates(answer, text, offset)
        schema = self.schema
        if schema is None and self.use_recorded_schema:
            schema = answer.schema
        if schema is not None:
            yield from _against(schema, answer, text, offset, parsed)


def _against(schema: Mapping[str, Any], answer: Answer, text: str, offset: int, parsed: Parsed) -> Iterator[Finding]:
    is_large = len(text) > _LARGE
    try:
        found = violations(compile_schema(schema), parsed.value, only_first=is_large)
    except SchemaError:
        # An option's schema was compiled before, so this one is the app's own.
        yield Finding("schema_unusable", "the recorded schema is not a usable JSON Schema", Severity.WARNING)
        return
    except UndecidedError:
        yield Finding("schema_unusable", "a pattern of the schema takes too long on this answer", Severity.WARNING)
        return
    places = locate(text, [v.path for v in found[:_SHOWN]])
    for violation in found[:_SHOWN]:
        start, end = places.get(violation.path, (0, len(text)))
        place = answer.place(offset + start, offset + end)
        yield Finding("schema_violation", _told(violation, only_first=is_large), evidence=(place,))
    if len(found) > _SHOWN:
        more = f"{len(found) - _SHOWN} more violations of the schema ({len(found)} in all)"
        yield Finding("schema_violation", more, evidence=(_whole(answer),))


def _told(violation: Violation, *, only_first: bool) -> str:
    rest = "; the answer is large, so only the first violation is told" if only_first else ""
    where = violation.instance or "the root"
    return f"the value at {where} breaks {violation.keyword!r} (schema {violation.rule or 'root'}){rest}"


def _malformed(answer: Answer, text: str, offset: int, problem: GrammarError) -> Finding:
    """Tell a text that was cut from one that is wrong, at the offending character, or else the last one there is."""
    last = len(text.rstrip()) - 1
    start = last if problem.ends_early else min(problem.start, last)
    place = answer.place(offset + start, offset + start + 1)
    if problem.ends_early:
        return Finding("truncated", f"the JSON is incomplete: {problem}", evidence=(place,))
    if answer.cut:
        message = f"the answer was cut at the token limit and is not JSON: {problem}"
        return Finding("truncated", message, evidence=(place,))
    return Finding("not_json", f"not JSON: {problem}", evidence=(place,))


def _duplicates(answer: Answer, text: str, offset: int) -> Finding:
    found = repeated_keys(text)
    places = tuple(answer.place(offset + start, offset + end) for start, end in found[:_SHOWN])
    return Finding("duplicate_key", f"keys that stand in their object already: {len(found)}", evidence=places)


def _whole(answer: Answer) -> Evidence:
    return answer.place(0, len(answer.text))
