"""Which traces a check is for: the ``when`` and ``sample`` of its configuration. Decides by the trace alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any

from checks.check import OptionError
from checks.interaction import Interaction
from checks.trace import Trace

WHEN_KEYS = ("service", "route", "model", "attribute")

_LONGEST_INTEGER = 256  # bits; writing an integer of thousands of digits is slow, and refused by Python


@dataclass(frozen=True, slots=True)
class Selection:
    """The traces that a check runs on. Every part that is set must match; a part does where one of its globs does."""

    service: tuple[str, ...] = ()
    route: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    attribute: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sample: float = 1.0
    leaves_out: bool = field(init=False, repr=False, compare=False)
    """Whether there is any trace that it does not take: a usual one takes all, and need not be asked."""

    def __post_init__(self) -> None:
        if not 0 <= self.sample <= 1:  # false for NaN too
            raise OptionError("sample", f"{self.sample!r} is no share: give a number from 0 (none) to 1 (every trace)")
        leaves_out = bool(self.service or self.route or self.model or self.attribute) or self.sample < 1
        object.__setattr__(self, "leaves_out", leaves_out)

    def matches(self, interaction: Interaction) -> bool:
        """Whether service, route, model and attributes are those that were asked for."""
        return self.unmet(interaction) is None

    def unmet(self, interaction: Interaction) -> str | None:
        """The first part of ``when`` that does not match, such as ``service`` or ``attribute.tenant``."""
        if self.service and not matches_any(self.service, (interaction.service,)):
            return "service"
        if self.route and not matches_any(self.route, routes_of(interaction.trace)):
            return "route"
        if self.model and not matches_any(self.model, _models_of(interaction)):
            return "model"
        asked = self.attribute.items()
        unmet = (key for key, patterns in asked if not matches_any(patterns, _values_of(interaction.trace, key)))
        key = next(unmet, None)
        return None if key is None else f"attribute.{key}"

    def samples(self, trace_id: str) -> bool:
        """Whether the trace is in the sample.

        Decided by a hash of the trace id alone, so that every check and every replica draws the same, a replay draws
        the same again, and what is in a sample of 0.1 is also in one of 0.5.
        """
        return self.sample == 1 or _draw(trace_id) < self.sample


def read_selection(when: object, sample: float) -> Selection:
    """Make a selection of the configuration's ``when`` (``None`` or a mapping) and ``sample``.

    Raises:
        checks.check.OptionError: a key is unknown or a value has the wrong shape; ``option`` is the path, such as
            ``when.service``.
    """
    if when is None:
        return Selection(sample=sample)
    if not isinstance(when, Mapping):
        raise OptionError("when", f"must be a mapping with some of {', '.join(WHEN_KEYS)}")
    for key in when:
        if key not in WHEN_KEYS:
            raise OptionError(f"when.{key}", f"unknown key; the keys are {', '.join(WHEN_KEYS)}")
    named = {key: _globs(f"when.{key}", when[key]) for key in WHEN_KEYS[:3] if key in when}
    return Selection(**named, attribute=_attribute_globs(when.get("attribute", {})), sample=sample)


def routes_of(trace: Trace) -> tuple[str, ...]:
    """The names a route goes by: the root's ``http.route``, its name, and method and route together."""
    root = trace.root
    if root is None:
        return ()
    route = root.attributes.get("http.route")
    if not isinstance(route, str) or not route:
        return (root.name,)
    method = root.attributes.get("http.request.method") or root.attributes.get("http.method")
    return (root.name, route, f"{method} {route}") if isinstance(method, str) else (root.name, route)


def matches_any(patterns: Sequence[str], values: Sequence[str] | Iterator[str]) -> bool:
    """Whether a value is one of the patterns or matches one as a glob, case-sensitively.

    Equality counts beside the glob because routes such as ``/users/[id]`` hold a glob's own characters.
    """
    return any(value == pattern or fnmatchcase(value, pattern) for value in values for pattern in patterns)


def _draw(trace_id: str) -> float:
    """A number in [0, 1), evenly spread: 53 bits, since a float holds no more and must not round up to 1.

    The id is hashed, not read as a number: ids from other tracing systems are padded with zeros or begin with a time.
    """
    digest = blake2b(trace_id.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def _models_of(interaction: Interaction) -> Iterator[str]:
    for call in interaction.model_calls:
        yield from (model for model in (call.model, call.response_model) if isinstance(model, str))


def _values_of(trace: Trace, key: str) -> Iterator[str]:
    """The values of an attribute on any span of the trace or its resource, as text; an element of a list counts."""
    for span in trace.spans:
        for attributes in (span.attributes, span.resource):
            value = attributes.get(key)
            for item in value if isinstance(value, list | tuple) else (value,):
                text = _text(item)
                if text is not None:
                    yield text


def _text(value: Any) -> str | None:
    """A value as it is written in YAML; ``None`` for what cannot be compared to a pattern."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _LONGEST_INTEGER else None
    return repr(value) if isinstance(value, float) else None


def _attribute_globs(value: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise OptionError("when.attribute", "must be a mapping of attribute names to values")
    return {key: _globs(f"when.attribute.{key}", wanted) for key, wanted in value.items()}


def _globs(option: str, value: object) -> tuple[str, ...]:
    texts = tuple(_text(item) for item in (value if isinstance(value, list | tuple) else (value,)))
    wanted = tuple(text for text in texts if text is not None)
    if not wanted or len(wanted) < len(texts):
        raise OptionError(option, "must be a value or a list of values; * and ? match any text and any character")
    return wanted
