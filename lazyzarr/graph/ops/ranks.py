"""Ranks: where sorted runs are to be split so that a number of the least values lie before the splits.

Of each run some values are known, at even distances. They say between which values the one at the rank lies, and
between which places of each run; only these are looked at. Equal values are taken of the runs in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["SortedRuns", "distance_for", "looked_at"]

Array = np.ndarray[Any, Any]
Read = Callable[[int, int, int], Array]
"""The values of a run from one place to another, valid for good."""


def distance_for(length: int) -> int:
    """How far apart the values of a run that are known should lie, so that little is kept, and little looked at.

    >>> distance_for(4_000_000), distance_for(3)
    (1024, 1)
    """
    return int(2 ** round(np.log2(max(length / 4, 1)) / 2))


def looked_at(runs: int, distance: int) -> int:
    """The most values that are looked at for one rank."""
    return (2 * runs + 2) * distance


class SortedRuns:
    """The sorted runs of one line: their lengths, of each the values at 0, distance, 2 * distance, ..., and the rest
    to be read."""

    def __init__(self, lengths: Sequence[int], known: Sequence[Array], distance: int, read: Read) -> None:
        self._lengths, self._known, self._distance, self._read = lengths, known, distance, read
        self._all = np.sort(np.concatenate(known), kind="stable")

    def split(self, rank: int) -> list[int]:
        """Of each run how many values are among so many least ones of all; of equal values those of the first runs."""
        if rank <= 0:
            return [0] * len(self._lengths)
        if rank >= sum(self._lengths):
            return list(self._lengths)
        value = self.value(rank)
        places, left = [], rank
        ends = []
        for run in range(len(self._lengths)):
            below = self._place(run, value, "left")
            ends.append((below, self._place(run, value, "right")))
            left -= below
        for below, upto in ends:
            taken = min(left, upto - below)
            places.append(below + taken)
            left -= taken
        return places

    def below(self, value: Array) -> int:
        """How many of all values are below one, which is given along an axis of length 1."""
        return sum(self._place(run, value, "left") for run in range(len(self._lengths)))

    def value(self, rank: int) -> Array:
        """The value at a rank, along one axis of length 1."""
        runs, distance = len(self._lengths), self._distance
        # Values below the known one of this number are no more than so many times the distance; and those up to the
        # other one are more than the rank, though of each run all but one may be missing from the last stretch.
        first = min(rank // distance, len(self._all) - 1)
        last = -(-(rank + 1 + runs * (distance - 1)) // distance) - 1
        low, high = self._all[first : first + 1], self._all[last : last + 1]
        parts, left = [], rank
        for run in range(runs):
            start = self._stretch(run, low, "right")[0]
            stop = self._stretch(run, high, "left")[1] if len(high) else self._lengths[run]
            left -= start
            if start < stop:
                parts.append(self._read(run, start, stop))
        between = np.concatenate([*parts, low[:0]])
        if left < 0:
            return low
        if left >= len(between):
            return high
        found = np.partition(between, left)[left : left + 1]
        # What was left out are values up to the low one and from the high one on; where it is one of these itself, more
        # of them may be left out than lie before it.
        middle = np.sort(np.concatenate([low, found, high]))
        return middle[1:2]

    def _place(self, run: int, value: Array, side: Any) -> int:
        """How many values of a run are below a value (left), or up to it (right)."""
        start, stop = self._stretch(run, value, side)
        if start >= stop:
            return start
        return start + int(np.searchsorted(self._read(run, start, stop), value, side)[0])

    def _stretch(self, run: int, value: Array, side: Any) -> tuple[int, int]:
        """Two places in a run between which the first value lies that is not below a value (left), or above it."""
        number = int(np.searchsorted(self._known[run], value, side)[0])
        start = (number - 1) * self._distance + 1 if number else 0
        return start, min(number * self._distance, self._lengths[run])
