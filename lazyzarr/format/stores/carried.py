"""An object of a user that a store's description carries: hashable, and it pickles as the object does."""

from __future__ import annotations

import uuid
import weakref
from typing import Any

__all__ = ["Carried", "carry"]

_by_id: weakref.WeakValueDictionary[int, Carried] = weakref.WeakValueDictionary()
_by_token: weakref.WeakValueDictionary[str, Carried] = weakref.WeakValueDictionary()


class Carried:
    """One object; equal means the same object, or a copy of it that travelled."""

    def __init__(self, value: Any, token: str) -> None:
        self.value = value
        self.token = token

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Carried) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __reduce__(self) -> tuple[Any, tuple[Any, str]]:
        return _arrive, (self.value, self.token)


def carry(value: Any) -> Carried:
    """What carries an object: the same for one object each time.

    >>> things = {}
    >>> carry(things) == carry(things), carry(things) == carry({})
    (True, False)
    """
    found = _by_id.get(id(value))  # it holds the object, so the id is not another one's
    if found is None:
        found = _by_id[id(value)] = Carried(value, uuid.uuid4().hex)
        _by_token[found.token] = found
    return found


def _arrive(value: Any, token: str) -> Carried:
    found = _by_token.get(token)
    if found is None:
        found = _by_token[token] = _by_id[id(value)] = Carried(value, token)
    return found
