"""Array-likes that count what is asked of them, and places to write what is made of them to."""

from __future__ import annotations

from collections import Counter

import lazyzarr as lz
from lazyzarr.graph.sink import Sink
from lazyzarr.storage import MemoryStore

__all__ = ["Counting", "sink_of"]

STORE = MemoryStore()


class Counting:
    """An array-like that counts how often each of its chunks is asked for."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked = Counter()

    def __getitem__(self, selection):
        self.asked[tuple(s.start for s in selection)] += 1
        return self.values[selection].copy()


def sink_of(lazy, unit):
    """A new array with chunks of this shape that takes a lazy one's values; None where there are no chunks to be."""
    if unit is None:
        return None
    target = lz.create_array(STORE, shape=lazy.shape, chunks=unit, dtype=lazy.dtype, overwrite=True)
    return Sink(target.handle, "", lazy.shape, unit, lazy.dtype.itemsize, (0,) * lazy.ndim, True)
