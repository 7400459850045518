"""What kind of example a trace makes, proposed by rules that look at the trace alone; a reviewer may say otherwise.

Each rule that holds leaves its name as a tag; the first one's kind is the case's. Nothing here is a verdict: an input
that reads like an attack may be none, and is worth a look.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from checks.interaction import Interaction
from checks.trace import CloseReason
from exporters.dataset.case import ExampleType

LONG_INPUT = 8_000
"""Characters: some 2,000 tokens, more than a person types."""
MANY_MODEL_CALLS = 8
"""An agent that needs more for one answer goes astray, or has much to do."""
LOOKED_AT = 20_000
"""Characters of a text that rules look at."""
MOST_TEXTS = 20
"""Documents and tool results that are looked at for instructions."""
LATIN = "\u0250"
"""Letters before it are Latin."""
FEW = 5
"""Letters that are too few to tell a script by."""
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())

_LIMITS = frozenset({CloseReason.SPAN_LIMIT, CloseReason.BYTE_LIMIT, CloseReason.MAX_AGE})
_INJECTION = re.compile(
    r"(?:ignor\w{0,6}|disregard|forget|override|vergiss|oublie\w{0,2}|olvida)\W{1,5}(?:\w{1,30}\W{1,5}){0,4}"
    r"(?:instructions?|prompts?|rules|guidelines|anweisung|instruktion|instrucci[oó]n|consignes)"
    r"|\b(?:jailbreak|do anything now|developer mode|dan mode)\b"
    r"|(?:reveal|print|repeat|show|tell me|output)\W{1,5}(?:\w{1,30}\W{1,5}){0,3}"
    r"(?:system prompt|initial instructions|hidden prompt)"
    r"|\b(?:answer|respond|reply|act|behave)\W{1,5}(?:\w{1,30}\W{1,5}){0,4}"
    r"(?:without|no) (?:any )?(?:restrictions|filters|safety rules|content policy)\b"
    r"|<\|(?:im_start|system)\|>"
)
"""Phrases by which jailbreaks and injected instructions are known (OWASP LLM01: prompt injection)."""
_PERSONAL = re.compile(
    r"\b(?:list|show|give|tell|print|repeat|send|what(?:'s| is| are))\b[^.?!\n]{0,40}?"
    r"\b(?:all|every\w*|other|his|her|their|customers?|users?|employees?|patients?)\b[^.?!\n]{0,40}?"
    r"\b(?:e-?mails?|phones?|address(?:es)?|ssns?|social security|credit cards?|passwords?|api keys?)\b",
)
"""Asks for the personal data of others (OWASP LLM02: sensitive information disclosure)."""
_Hints = tuple[tuple[str, ...], ...]
_INJECTION_HINTS: _Hints = (
    (
        *("instru", "prompt", "rules", "guidelines", "anweisung", "consignes", "jailbreak", "anything now", " mode"),
        *("restrictions", "filters", "content policy", "<|"),
    ),
    (
        *("ignor", "disregard", "forget", "override", "vergiss", "oublie", "olvida", "jailbreak", "anything now"),
        *("developer mode", "dan mode", "system prompt", "initial instructions", "hidden prompt", "restrictions"),
        *("filters", "safety rules", "content policy", "im_start", "system|>"),
    ),
)
_PERSONAL_HINTS: _Hints = (
    ("mail", "phone", "address", "ssn", "social security", "credit card", "password", "api key"),
    ("list", "show", "give", "tell", "print", "repeat", "send", "what"),
)
"""One of each group stands in all that the patterns match. To look for them first takes a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Proposes ``kind`` where it ``holds``. ``name`` becomes a tag, ``reason`` tells a person why."""

    name: str
    kind: ExampleType
    reason: str
    holds: Callable[[Interaction], bool]


def propose(interaction: Interaction, otherwise: ExampleType) -> tuple[ExampleType, tuple[str, ...]]:
    """The kind of the first rule that holds, and the names of all; ``otherwise`` where none does."""
    holding = [rule for rule in RULES if rule.holds(interaction)]
    return (holding[0].kind if holding else otherwise), tuple(rule.name for rule in holding)


def _has_injection(interaction: Interaction) -> bool:
    texts = [text[:LOOKED_AT].casefold() for text in _texts(interaction)]
    # Together first: mostly none of them holds anything.
    return _hints_at(_INJECTION_HINTS, "\n".join(texts)) and any(_finds(_INJECTION, _INJECTION_HINTS, t) for t in texts)


def _asks_for_personal_data(interaction: Interaction) -> bool:
    return _finds(_PERSONAL, _PERSONAL_HINTS, (interaction.user_input or "")[:LOOKED_AT].casefold())


def _finds(pattern: re.Pattern[str], hints: _Hints, folded: str) -> bool:
    return _hints_at(hints, folded) and pattern.search(folded) is not None


def _hints_at(hints: _Hints, folded: str) -> bool:
    return all(any(hint in folded for hint in group) for group in hints)


def _texts(interaction: Interaction) -> Iterator[str]:
    """What comes from outside: the user's words, documents, tool results."""
    yield interaction.user_input or ""
    yield from (document.content or "" for document in interaction.documents[:MOST_TEXTS])
    yield from (call.result for call in interaction.tool_calls[:MOST_TEXTS] if isinstance(call.result, str))


def _found_nothing(interaction: Interaction) -> bool:
    return bool(interaction.retrievals) and not interaction.documents


def _has_no_input(interaction: Interaction) -> bool:
    return not (interaction.user_input or "").strip()


def _is_cut(interaction: Interaction) -> bool:
    """Whether the call that gave the answer met its limit of tokens; where that is not known, the last call."""
    calls = interaction.model_calls
    answering = [call for call in calls if call.span_id == interaction.output_span] or calls[-1:]
    return any("length" in call.finish_reasons for call in answering)


def _meets_a_limit(interaction: Interaction) -> bool:
    return interaction.trace.truncated or interaction.trace.closed_by in _LIMITS


def _is_long(interaction: Interaction) -> bool:
    return len(interaction.user_input or "") > LONG_INPUT


def _calls_often(interaction: Interaction) -> bool:
    return len(interaction.model_calls) > MANY_MODEL_CALLS


def _is_one_word(interaction: Interaction) -> bool:
    text = (interaction.user_input or "")[:100].strip()
    return bool(text) and text.isascii() and len(text.split()) == 1


def _is_in_another_script(interaction: Interaction) -> bool:
    said, told = (_is_latin(text) for text in (interaction.user_input, interaction.system))
    return said is not None and told is not None and said != told


def _is_latin(text: str | None) -> bool | None:
    """Whether most letters are Latin; ``None`` where there are hardly any."""
    beginning = (text or "")[:200]
    if beginning.isascii():
        return True if len(beginning.encode().translate(None, _NO_LETTERS)) >= FEW else None
    letters = list(filter(str.isalpha, beginning))
    return None if len(letters) < FEW else sum(letter < LATIN for letter in letters) * 2 > len(letters)


def _rules(kind: ExampleType, *rules: tuple[str, str, Callable[[Interaction], bool]]) -> Iterable[Rule]:
    return (Rule(name, kind, reason, holds) for name, reason, holds in rules)


RULES: tuple[Rule, ...] = (
    *_rules(
        ExampleType.ADVERSARIAL,
        ("injection", "the input, a document or a tool result tells the model to break its rules", _has_injection),
        ("personal_data_request", "the user asks for the personal data of others", _asks_for_personal_data),
        ("refusal", "the provider marked the answer as refused", lambda i: i.refusal),
    ),
    *_rules(
        ExampleType.MISSING_DATA,
        ("nothing_retrieved", "documents were looked for and none was found", _found_nothing),
        ("no_input", "no input was recorded, or it is empty", _has_no_input),
    ),
    *_rules(
        ExampleType.EDGE,
        ("cut_answer", "the answer met its limit of tokens", _is_cut),
        ("empty_answer", "the answer is empty", lambda i: i.final_output is not None and not i.final_output.strip()),
        ("trace_limit", "the trace met a limit: it is large, or ran long", _meets_a_limit),
        ("long_input", f"the input has more than {LONG_INPUT} characters", _is_long),
        ("short_input", "the input is one word", _is_one_word),
        ("many_model_calls", f"more than {MANY_MODEL_CALLS} model calls", _calls_often),
        ("another_script", "the input is written in another script than the system prompt", _is_in_another_script),
    ),
)
"""The first that holds decides; all that hold are named."""
