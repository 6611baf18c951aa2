"""Ranked: medians and quantiles of long lines, looked up by rank in their sorted runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lazyzarr.graph.node import make
from lazyzarr.graph.ops.computed import Get, Session
from lazyzarr.graph.ops.places import passes_over_nan, places_of
from lazyzarr.graph.ops.ranks import SortedRuns
from lazyzarr.graph.ops.runs import Runs
from lazyzarr.graph.ops.stored_runs import OfRuns, StoredRuns, runs_bytes

__all__ = ["Ranked", "ranked"]

Array = np.ndarray[Any, Any]


class Ranked(OfRuns):
    """Medians or quantiles of lines, from a stored array of their runs; parameters: the form, how many lines along each
    other axis a block of runs has, NumPy's function, the quantiles, the method that places them, dtype, shape, dims.

    A block is what one line gives.
    """

    __slots__ = ()

    @property
    def label(self) -> str:
        """NumPy's name for it."""
        return self.params[2].__name__  # type: ignore[no-any-return]

    @property
    def hint(self) -> str:
        """How the values are found."""
        return f"{self.in_runs}, in which values are looked up"

    def infer(self) -> None:
        """Shape and dims are those of the lines, with other lengths."""
        form, *_, self.dtype, self.shape, self.dims = self.params
        self.chunks = tuple((n,) if i == form.axis else (1,) * n for i, n in enumerate(self.shape))

    @property
    def working_bytes(self) -> int:
        """What is known of the runs of one line, and looked at."""
        return runs_bytes(self.form)

    def session(self) -> Session:
        """What looks at one line after the other."""
        form, beside, function, q, method, *_ = self.params
        stored = StoredRuns(self.inputs[0], form, beside)
        places, passing = places_of(function, q, method), passes_over_nan(function)

        def block(coords: tuple[int, ...], get: Get) -> Array:
            start, extents = self.box(coords)
            runs = stored.of((*start[: form.axis], *start[form.axis + 1 :]))
            missing = form.size - runs.below(np.array([np.nan], form.dtype)) if form.dtype.kind == "f" else 0
            count = form.size - missing * passing
            if count == 0 or (missing and not passing):
                return np.full(extents, np.nan, self.dtype)
            found = np.empty(len(places), self.dtype)
            for i, (place, between) in enumerate(places):
                low, high, distance = place(count)
                found[i] = between(_pair(runs, low, high), distance)
            return found.reshape(extents)

        return block


def _pair(runs: SortedRuns, low: int, high: int) -> Array:
    """The values at two ranks."""
    first = runs.value(low)
    return np.concatenate([first, first if high == low else runs.value(high)])


def ranked(
    runs: Runs,
    function: Callable[..., Any],
    q: Any,
    method: str,
    dtype: np.dtype[Any],
    count: int,
    dims: tuple[str | None, ...],
) -> Ranked:
    """What a function of NumPy's gives for the lines of runs, of which it makes so many values each."""
    form, beside = runs.params
    shape = tuple(count if i == form.axis else n for i, n in enumerate(runs.inputs[0].shape))
    return make(Ranked, (runs,), (form, beside, function, q, method, dtype, shape, dims), runs.origin)
