"""Aggregate functions: instances of a class, kept as bytes between the rows of a group."""

import pickle
from collections.abc import Iterable
from typing import Any, Protocol, Self


class AggregateFunction(Protocol):
    """What a class for `Connection.register_aggregate` has. It is made without arguments, and what
    its instances hold can be pickled."""

    def update(self, *arguments: Any) -> None:
        """Takes a row in."""

    def merge(self, other: Self) -> None:
        """Takes in the rows that another instance has."""

    def evaluate(self) -> Any:
        """The result for the rows so far."""


def _dump(instance: AggregateFunction) -> bytes:
    # What it holds and not itself, so that its class may be one that pickle does not find.
    return pickle.dumps(instance.__getstate__())


def _load(kind: type[AggregateFunction], state: bytes | None) -> AggregateFunction:
    if state is None:
        return kind()
    held = pickle.loads(state)
    instance = kind.__new__(kind)
    if hasattr(instance, "__setstate__"):
        instance.__setstate__(held)
        return instance
    # With __slots__ it is the dict, or None, and the values of the slots.
    for values in held if isinstance(held, tuple) else (held,):
        for name, value in (values or {}).items():
            setattr(instance, name, value)
    return instance


def update(
    kind: type[AggregateFunction], state: bytes | None, rows: Iterable[tuple[Any, ...]]
) -> bytes:
    """The state after some rows."""
    instance = _load(kind, state)
    for row in rows:
        instance.update(*row)
    return _dump(instance)


def merge(kind: type[AggregateFunction], state: bytes | None, other: bytes | None) -> bytes:
    """The state of the rows of both."""
    instance = _load(kind, state)
    instance.merge(_load(kind, other))
    return _dump(instance)


def evaluate(kind: type[AggregateFunction], state: bytes | None) -> Any:
    """The result of a state."""
    return _load(kind, state).evaluate()
