"""The user's attributes of a node, as a dictionary that is stored with each change."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

__all__ = ["STORED_BY", "Attributes", "Edit"]

STORED_BY = (
    "scale_factor",
    "add_offset",
    "_FillValue",
    "missing_value",
    "_Unsigned",
    "actual_range",
    "flag_masks",
    "flag_meanings",
    "flag_values",
    "valid_max",
    "valid_min",
    "valid_range",
)
"""What says how values are stored, by CF conventions 2.5.1, 3.5 and 8.1: of other values it would not be true."""

Edit: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]
"""From the attributes as they are stored now to those that are to be stored."""


class Attributes(MutableMapping[str, Any]):
    """The attributes of an array or group: JSON values, and NumPy scalars on the way in.

    Each change is stored at once, on top of what others changed meanwhile. What is got is a copy: changing a
    list inside it changes nothing stored. JSON has no NaN and no infinities: they are stored as the strings
    "NaN", "Infinity" and "-Infinity", as which every reader of JSON gets them; other writers' NaN is read as one.

    >>> z = lz.zeros((4,))
    >>> z.attrs["units"] = "K"
    >>> z.attrs.update(scale=np.float32(0.5), valid=[0, 400])
    >>> z.attrs
    {'units': 'K', 'scale': 0.5, 'valid': [0, 400]}
    """

    __slots__ = ("_edit", "_look_again", "_read")

    def __init__(
        self,
        read: Callable[[], Mapping[str, Any]],
        edit: Callable[[Edit], None],
        look_again: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = read
        self._edit = edit
        self._look_again = look_again

    def __getitem__(self, name: str) -> Any:
        return copy.deepcopy(self._read()[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self._edit(lambda stored: {**stored, name: value})

    def __delitem__(self, name: str) -> None:
        def without(stored: dict[str, Any]) -> dict[str, Any]:
            del stored[name]
            return stored

        self._edit(without)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def refresh(self) -> None:
        """Read the attributes again, as others may have changed them since the node was opened.

        Raises NodeNotFoundError where the node is gone, StoreError.
        """
        self._look_again()

    def asdict(self) -> dict[str, Any]:
        """All attributes as a dictionary of its own.

        >>> lz.zeros((4,), attributes={"units": "K"}).attrs.asdict()
        {'units': 'K'}
        """
        return copy.deepcopy(dict(self._read()))

    def put(self, attributes: Mapping[str, Any]) -> None:
        """Store exactly these attributes, in one step.

        >>> z = lz.zeros((4,), attributes={"units": "K"})
        >>> z.attrs.put({"title": "winds"})
        >>> z.attrs
        {'title': 'winds'}
        """
        self._edit(lambda stored: attributes)

    def update(self, *others: Any, **more: Any) -> None:
        """Store these attributes beside the others, in one step; as `dict.update` takes them."""
        new = dict(*others, **more)
        self._edit(lambda stored: {**stored, **new})

    def clear(self) -> None:
        """Remove all attributes, in one step."""
        self.put({})

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The attribute, stored as `default` first where there is none."""
        self._edit(lambda stored: {name: default, **stored})
        return self[name]

    def __repr__(self) -> str:
        return repr(dict(self._read()))
