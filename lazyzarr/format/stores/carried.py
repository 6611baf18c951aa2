"""An object of a user that a store's description carries: hashable, and it pickles as the object does."""

from __future__ import annotations

import os
import uuid
import weakref
from typing import Any

from ...errors import StoreReachError

__all__ = ["Carried", "carry"]

_by_id: weakref.WeakValueDictionary[int, Carried] = weakref.WeakValueDictionary()
_by_token: weakref.WeakValueDictionary[str, Carried] = weakref.WeakValueDictionary()


class Carried:
    """One object; equal means the same object, or a copy of it that travelled, if it does (`travels`)."""

    def __init__(self, value: Any, token: str, travels: bool) -> None:
        self.value = value
        self.token = token
        self.travels = travels

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Carried) and other.token == self.token

    def __hash__(self) -> int:
        return hash(self.token)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        if self.travels:
            return _arrive, (self.value, self.token)
        return _find, (self.token, f"{self.value}", os.getpid())


def carry(value: Any, travels: bool = True) -> Carried:
    """What carries an object: the same for one object each time. Without `travels`, within this process only.

    >>> things = {}
    >>> carry(things) == carry(things), carry(things) == carry({})
    (True, False)
    """
    found = _by_id.get(id(value))  # it holds the object, so the id is not another one's
    if found is None:
        found = _by_id[id(value)] = Carried(value, uuid.uuid4().hex, travels)
        _by_token[found.token] = found
    return found


def _arrive(value: Any, token: str) -> Carried:
    found = _by_token.get(token)
    if found is None:
        found = _by_token[token] = _by_id[id(value)] = Carried(value, token, True)
    return found


def _find(token: str, shown: str, process: int) -> Carried:
    found = _by_token.get(token)
    if found is None or process != os.getpid():
        raise StoreReachError(
            f"{shown} is in the memory of process {process}, and this is process {os.getpid()}, or it was let go; "
            "use the threads scheduler, or a store on disk"
        )
    return found
