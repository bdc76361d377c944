"""A property that is computed when it is first read, and then kept.

Python 3.11's `functools.cached_property` holds one lock for all objects of a class while it computes, so
that two requests would wait for each other's optical flow. Python 3.12 took that lock away; this has none.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class LazyProperty(Generic[Value]):
    """Decorates a method without arguments. Two threads that read it at once may both compute it."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type[Any]) -> Value:
        if instance is None:  # looked up on the class, by a tool that inspects it
            return self  # type: ignore[return-value]
        # Python looks into the instance first, so this runs once for each.
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value
