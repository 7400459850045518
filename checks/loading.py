"""Finds the class of a check by reference and makes sure that it keeps the contract.

Built-in checks, plugins and a user's own class all come through here, by the same ``module:Class``.
"""

import dataclasses
import importlib
import inspect
import re
from typing import Any

from checks.check import Check, CheckInfo
from checks.options import CheckConfigError, nearest

_REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

COMMON_KEYS = ("use", "when", "sample", "promote", "enabled", "deadline")
"""What every check can be given; no check may have an option of such a name."""


def load(reference: str, key: str) -> type[Check]:
    """Import a check's class.

    Args:
        reference: ``package.module:Class``.
        key: Path of the configuration that names it.

    Raises:
        CheckConfigError: It cannot be imported, or is no check; says what to do.
    """
    if not _REFERENCE.fullmatch(reference):
        raise CheckConfigError(key, f"{reference!r} is no reference to a check: write 'module:Class'")
    module_name, _, class_name = reference.partition(":")
    module = _import(module_name, key)
    cls = getattr(module, class_name, None)
    if cls is None:
        hint = nearest(class_name, (name for name, value in vars(module).items() if inspect.isclass(value)))
        raise CheckConfigError(key, f"module {module_name!r} has no {class_name!r}; {hint}".rstrip("; "))
    problem = _breach(cls)
    if problem:
        raise CheckConfigError(key, f"{reference!r} is no check: {problem}")
    return cls  # type: ignore[no-any-return]  # _breach has looked


def _import(name: str, key: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CheckConfigError(
                key,
                f"there is no module {name!r}; install its package into the environment that runs sidecheck, or name "
                "its folder in PYTHONPATH (the working directory is not searched)",
            ) from None
        raise CheckConfigError(key, f"importing {name!r} failed: it needs module {error.name!r}") from error
    except (Exception, SystemExit) as error:  # a module's own code may raise anything
        raise CheckConfigError(key, f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _breach(cls: Any) -> str | None:
    """How a class breaks the contract of ``checks.check.Check``; ``None`` if it keeps it."""
    if not inspect.isclass(cls):
        return "it is not a class"
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]  # dataclasses sets it
        return "decorate it with @dataclass(frozen=True); its fields are its options"
    taken = [f.name for f in dataclasses.fields(cls) if f.init and f.name in COMMON_KEYS]
    if taken:
        return f"its option {taken[0]!r} is a key that every check has; rename it"
    return _breach_of_info(getattr(cls, "info", None)) or _breach_of_methods(cls)


def _breach_of_info(info: object) -> str | None:
    if not isinstance(info, CheckInfo):
        return "it needs a class attribute 'info: ClassVar[CheckInfo] = CheckInfo(name, version, summary, codes)'"
    if not all(isinstance(text, str) and text for text in (info.name, info.version)):
        return "name and version in its 'info' must be strings, and not empty"
    return None


def _breach_of_methods(cls: type) -> str | None:
    for name in ("applies_to", "inspect"):
        method = getattr(cls, name, None)
        if not inspect.isfunction(method):
            return f"it needs a method '{name}(self, interaction)'"
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            return f"its method {name!r} is async; checks are plain functions of the interaction"
        try:
            inspect.signature(method).bind(None, None)
        except TypeError:
            return f"its method {name!r} must take one argument, the interaction"
    return None
