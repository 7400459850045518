"""The checks there are, by name, and the plan that a configuration's ``checks:`` makes of them.

A name is looked up among the built-in checks, then among installed plugins (entry points of the group
``sidecheck.checks``); ``use`` names another check or any class as ``module:Class``. Nothing is imported before it is
used.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Protocol

from checks.check import Check, CheckInfo, OptionError
from checks.duration import parse_duration
from checks.loading import COMMON_KEYS, load
from checks.options import CheckConfigError, OptionInfo, make, nearest, options_of, typed_value
from checks.plan import PlannedCheck
from checks.selection import Selection, read_selection

__all__ = [
    "BUILTINS",
    "DEFAULT_CHECKS",
    "CheckConfigError",
    "CheckDescription",
    "PlannedCheck",
    "available",
    "build",
    "installed_plugins",
]

BUILTINS: Mapping[str, str] = {
    "valid_json": "checks.builtin.valid_json:ValidJson",
    "citations": "checks.builtin.citations:Citations",
    "pii": "checks.builtin.pii:Pii",
    "latency": "checks.builtin.latency:Latency",
    "user_feedback": "checks.builtin.user_feedback:UserFeedback",
    "cost": "checks.builtin.cost:Cost",
}

DEFAULT_CHECKS = ("valid_json", "citations", "pii", "latency", "user_feedback")
"""The checks that run where the configuration names none."""

PLUGIN_GROUP = "sidecheck.checks"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")  # becomes a label on /metrics
_SHORTEST_DEADLINE = 1_000_000


class Plugin(Protocol):
    """What is needed of an entry point: its name and its ``module:Class``."""

    @property
    def name(self) -> str:
        """The check's name."""
        ...

    @property
    def value(self) -> str:
        """The reference to its class."""
        ...


Plugins = Callable[[], Iterable[Plugin]]


def installed_plugins() -> Iterable[Plugin]:
    """The entry points of the group ``sidecheck.checks`` in this environment."""
    return metadata.entry_points(group=PLUGIN_GROUP)


@dataclass(frozen=True, slots=True)
class CheckDescription:
    """A check that can be configured by name: what it is, its options, and where it comes from."""

    name: str
    reference: str
    info: CheckInfo
    options: tuple[OptionInfo, ...]


def build(
    configs: Mapping[str, Mapping[str, Any] | None], plugins: Plugins = installed_plugins
) -> tuple[PlannedCheck, ...]:
    """Make the plan of a configuration.

    Args:
        configs: ``checks:`` of the configuration: for each name the check's options and the common keys (``use``,
            ``when``, ``sample``, ``promote``, ``enabled``, ``deadline``).
        plugins: Gives the entry points.

    Returns:
        The enabled checks, in the order of the configuration.

    Raises:
        CheckConfigError: An entry cannot be; ``key`` is its path from ``checks``.
    """
    planned = (_planned(name, _entry(name, config), plugins) for name, config in configs.items())
    return tuple(one for one in planned if one is not None)


def available(plugins: Plugins = installed_plugins) -> tuple[CheckDescription, ...]:
    """Every check that can be configured by its name alone, built-in ones first.

    Raises:
        CheckConfigError: A plugin cannot be loaded.
    """
    references = _references(plugins)
    return tuple(_described(name, reference) for name, reference in references.items())


def _described(name: str, reference: str) -> CheckDescription:
    cls = load(reference, f"checks.{name}")
    return CheckDescription(name, reference, cls.info, options_of(cls))


def _references(plugins: Plugins) -> dict[str, str]:
    """Built-in checks win over plugins of the same name: to replace one is said in the configuration, by ``use``."""
    added = {plugin.name: plugin.value for plugin in plugins() if plugin.name not in BUILTINS}
    return {**BUILTINS, **added}


def _entry(name: object, config: object) -> Mapping[str, Any]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        rule = "a check's name begins with a small letter and has at most 63 small letters, digits and _"
        raise CheckConfigError(f"checks.{name}", rule)
    if config is None:
        return {}  # "pii:" with nothing behind it
    if not isinstance(config, Mapping):
        raise CheckConfigError(
            f"checks.{name}", "must be a mapping of options; {} takes the defaults, {enabled: false} none"
        )
    return config


def _planned(name: str, config: Mapping[str, Any], plugins: Plugins) -> PlannedCheck | None:
    key = f"checks.{name}"
    if not typed_value(bool, config.get("enabled", True), f"{key}.enabled"):
        return None
    options = {option: value for option, value in config.items() if option not in COMMON_KEYS}
    return PlannedCheck(
        name=name,
        check=_check(name, config.get("use"), options, plugins),
        selection=_selection(config, key),
        promote=typed_value(bool, config.get("promote", True), f"{key}.promote"),
        deadline_ns=_deadline(config.get("deadline", "1s"), f"{key}.deadline"),
        options=options,
    )


def _check(name: str, use: object, options: Mapping[str, Any], plugins: Plugins) -> Check:
    key = f"checks.{name}"
    if use is None:
        return make(load(_looked_up(name, key, plugins), key), options, key)
    if not isinstance(use, str):
        raise CheckConfigError(f"{key}.use", "must be 'module:Class' or the name of a check")
    reference = use if ":" in use else _looked_up(use, f"{key}.use", plugins)
    return make(load(reference, f"{key}.use"), options, key)


def _looked_up(name: str, key: str, plugins: Plugins) -> str:
    if name in BUILTINS:
        return BUILTINS[name]  # without asking for plugins: that reads the disk
    references = _references(plugins)
    if name not in references:
        hint = f"{nearest(name, references)}the checks are {', '.join(references)}"
        problem = f"there is no check {name!r}; {hint}; one of your own is named by use: 'module:Class'"
        raise CheckConfigError(key, problem)
    return references[name]


def _selection(config: Mapping[str, Any], key: str) -> Selection:
    sample = typed_value(float, config.get("sample", 1.0), f"{key}.sample")
    try:
        return read_selection(config.get("when"), sample)
    except OptionError as error:
        raise CheckConfigError(f"{key}.{error.option}", str(error)) from None


def _deadline(value: object, key: str) -> int:
    try:
        nanoseconds = parse_duration(value)
    except ValueError as error:
        raise CheckConfigError(key, str(error)) from None
    if nanoseconds < _SHORTEST_DEADLINE:
        raise CheckConfigError(key, f"{value!r} is too short: a deadline is at least 1ms")
    return nanoseconds
