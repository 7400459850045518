"""An attribute that is worked out when it is first asked for, and kept.

``functools.cached_property`` takes a lock for that before Python 3.12, which costs more than most of what is worked out
in the vocabulary. It needs none: what is worked out twice at one time is the same twice.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801 -- read as a decorator, as `property` is
    """``property`` whose value is worked out once; for classes whose objects have a ``__dict__``."""

    def __init__(self, work_out: Callable[[Any], Value]) -> None:
        self._work_out = work_out
        self._name = work_out.__name__
        self.__doc__ = work_out.__doc__

    @overload
    def __get__(self, thing: None, owner: type) -> "lazy[Value]": ...

    @overload
    def __get__(self, thing: object, owner: type) -> Value: ...

    def __get__(self, thing: object | None, owner: type) -> "lazy[Value] | Value":
        """The value. It is kept under the attribute's own name, where Python finds it from then on."""
        if thing is None:
            return self
        value = thing.__dict__[self._name] = self._work_out(thing)
        return value
