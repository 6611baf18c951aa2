"""Users' functions: lent what they work on, held to what they promised, their errors told where they happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from lazyzarr.errors import DataTypeMismatchError, ShapeMismatchError
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Elementwise
from lazyzarr.graph.ops.lending import Loan, answer

__all__ = ["UserElementwise", "note_user_error", "promised", "step_into", "user_call"]

Array = np.ndarray[Any, Any]


class UserElementwise(Elementwise):
    """A user's function that works value by value: lent its operands, and held to what it promised."""

    __slots__ = ()
    calls_user: ClassVar[bool] = True

    @property
    def in_place(self) -> bool:
        """A user's function makes an array of its own, whatever it is."""
        return False

    def apply(self, pieces: Sequence[Any], out: Array | None) -> Array:
        """The function's values, of the shape and dtype promised, in `out`."""
        shape = np.broadcast_shapes(*(piece.shape for piece in pieces))
        out = np.empty(shape, self.dtype) if out is None else out
        with Loan(pieces) as lent:
            out[...] = self._values(lent, shape)
        return out

    def _values(self, lent: Sequence[Array], shape: tuple[int, ...]) -> Array:
        """The function's values, which may be anybody's."""
        try:
            values, _ = answer(self.function, self._arguments(lent), dict(self.params[2]))
        except Exception as error:
            part = f"a part of shape {shape} of {self.shape} {self.dtype}"
            note_user_error(error, f"{user_call('elementwise', self)}, {part}")
            raise
        return promised(values, shape, self.dtype, lambda: user_call("elementwise", self))


def user_call(kind: str, node: Node) -> str:
    """A user's function, and the line that handed it over, as errors name them."""
    place = node.place
    return f"{kind}({node.label})" + (f", {place}" if place else "")


def step_into(node: Node, block_id: tuple[int, ...]) -> str:
    """How to run one block alone, in this thread."""
    place = node.place
    name = place.name if place and place.name else "y"
    return f'to step into it: {name}.blocks[{", ".join(map(str, block_id))}].compute(scheduler="sync")'


def note_user_error(error: Exception, where: str, hint: str = "") -> None:
    """Adds to a user's error where it happened, and the cure for the one that lending causes."""
    error.add_note(f"in {where}")
    if hint:
        error.add_note(hint)
    if isinstance(error, ValueError) and ("read-only" in str(error) or "WRITEABLE" in str(error)):
        error.add_note(
            "arrays are lent to the function and cannot be changed in place: start with x = x.copy()"
        )


def promised(
    values: Array,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    where: Callable[[], str],
    cure: str = "",
    copy: bool = False,
) -> Array:
    """A user function's values as the array that it was to give; a copy where they must be nobody else's.

    Raises ShapeMismatchError for another shape, DataTypeMismatchError for a dtype that does not cast
    without loss of kind.
    """
    if values.shape != shape:
        raise ShapeMismatchError(f"{where()} gave shape {values.shape}, and was to give {shape}{cure}")
    if values.dtype != dtype and not np.can_cast(values.dtype, dtype, "same_kind"):
        raise DataTypeMismatchError(
            f"{where()} gave {values.dtype} values, and was to give {dtype}; say what it gives: "
            f"dtype={values.dtype.name!r}, or let it cast them"
        )
    return values.astype(dtype, copy=copy)
