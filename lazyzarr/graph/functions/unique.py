"""unique: the different values of an array, whose number is not known before they are computed."""

from __future__ import annotations

import math
import os
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import DTypeLike

from lazyzarr.graph.display import facts_html
from lazyzarr.graph.functions.arguments import as_node
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops import object_states
from lazyzarr.graph.outline import expression
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec, run
from lazyzarr.graph.words import Axis

__all__ = ["Unique", "unique"]

Array = np.ndarray[Any, Any]
SHARE = 32  # of the memory, for the different values that one task has seen


class Found:
    """The different values of an array, computed once for all that is asked of them."""

    def __init__(self, node: Node, equal_nan: bool, places: bool) -> None:
        self.node, self.equal_nan, self.places = node, equal_nan, places
        self._distinct: Any = None

    def distinct(self, job: Job) -> object_states.Distinct:
        """Values, counts and first positions."""
        if self._distinct is None:
            spec, _ = make_spec([Output(self.node)], job)
            most = max(spec.budget.memory // SHARE, 1)
            values = object_states.unique_values(self.node, most, self.equal_nan, self.places)
            (answer,) = run([Output(values)], job)
            cell: Any = answer
            self._distinct = cell.item()
        found: object_states.Distinct = self._distinct
        return found


class Unique:
    """The different values of an array, ascending, or what NumPy's `unique` says of them; their number is unknown
    before they are computed.

    `compute` gives NumPy, in one pass over the array and memory for the different values alone.
    """

    __slots__ = ("_found", "_what")

    def __init__(self, found: Found, what: str) -> None:
        self._found, self._what = found, what

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of what is computed."""
        return self._found.node.dtype if self._what == "values" else np.dtype(np.intp)

    @property
    def ndim(self) -> int:
        """One axis."""
        return 1

    @property
    def shape(self) -> tuple[float]:
        """NaN: `len(x.compute())` counts."""
        return (math.nan,)

    def __repr__(self) -> str:
        return f"<Unique {self._what} of {self._found.node.shape} {self.dtype}; compute() finds them>"

    def _repr_html_(self) -> str:
        """What is known of it, as a table."""
        words = {
            "values": "Different values",
            "counts": "Counts of the values",
            "first": "First places of the values",
        }
        return facts_html(
            [
                (f"{words[self._what]} of", expression(self._found.node)[0]),
                ("Shape", f"(nan,) {self.dtype}, of {self._found.node.shape}"),
                ("Elements", "compute() finds them"),
            ]
        )

    def compute(
        self,
        *,
        scheduler: Any = None,
        num_workers: int | None = None,
        memory: str | float | None = None,
        progress: bool | None = None,
        temp: str | os.PathLike[str] | None = None,
    ) -> Array:
        """The values as a NumPy array; options as `LazyArray.compute` takes them.

        Raises MemoryBudgetError where the different values need more than a part of `memory`.
        """
        job = Job(scheduler, num_workers, memory, progress, temp)
        return np.asarray(getattr(self._found.distinct(job), self._what)).astype(self.dtype, copy=False)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        if copy is False:
            raise ValueError(
                "different values are not in memory: np.asarray(x) finds them, without copy=False"
            )
        return np.asarray(self.compute(), dtype=dtype)

    def __len__(self) -> int:
        return len(self.compute())


@overload
def unique(
    ar: Any,
    return_index: Literal[False] = ...,
    return_inverse: Literal[False] = ...,
    return_counts: Literal[False] = ...,
    axis: Axis | None = ...,
    *,
    equal_nan: bool = ...,
) -> Unique: ...


@overload
def unique(
    ar: Any,
    return_index: bool = ...,
    return_inverse: bool = ...,
    return_counts: bool = ...,
    axis: Axis | None = ...,
    *,
    equal_nan: bool = ...,
) -> tuple[Unique, ...]: ...


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Axis | None = None,
    *,
    equal_nan: bool = True,
) -> Unique | tuple[Unique, ...]:
    """The different values, and where each is first and how often it occurs where asked for: as `Unique`.

    Raises TypeError for what is not lazy.
    """
    node = as_node(ar)
    if axis is not None and node.ndim != 1:
        raise TypeError(
            "np.unique(axis=) of a lazy array is not lazy; np.unique(x.compute(), axis=...) works in memory"
        )
    if return_inverse:
        raise TypeError(
            "np.unique(return_inverse=True) of a lazy array is not lazy; with values = np.unique(x).compute(), "
            "lz.elementwise(lambda b: np.searchsorted(values, b), x) says which of them each value is"
        )
    found = Found(node, equal_nan, return_index)
    what = ["values"] + ["first"] * return_index + ["counts"] * return_counts
    made = tuple(Unique(found, each) for each in what)
    return made[0] if len(made) == 1 else made
