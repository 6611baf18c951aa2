"""Small chunks are put together to one tile: steps of Python are taken for several at once, and the GIL more rarely."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lazyzarr.graph.access import ranked
from lazyzarr.graph.layout import Access, Cuts, Sharing
from lazyzarr.graph.ops.sources import ZarrSource

__all__ = ["TINY_CHUNK", "least_shared", "stacked"]

# Below this much decoded work at once a second thread costs more than it brings: each short release of the GIL starts a
# convoy (measured: 128 KiB 60 -> 62 us a chunk, 256 KiB 175 -> 109).
SMALL_CHUNK = 200_000
# Where chunks are stacked, below this size of one (eight computations over 64 MiB: 64 KiB 347 -> 320 ms, 32 KiB 413 ->
# 516).
TINY_CHUNK = 50_000
# All that is read and written for a tile is of this size, where one thread works: it should stay in the second-level
# cache (measured with chunks of 128 KiB: 128 KiB, 256, 512 take 1.29, 1.20, 1.20 of a loop's time for four statistics).
STACK_BYTES = 256 * 1024
# Where several do: of 256 KiB, 512, 1 MiB, 2, 4, 8 they take 1.66, 1.56, 1.49, 1.26, 1.25, 1.37 of the loop's time for
# `u * 2 + 1` written, as each wants the GIL more rarely.
SHARED_STACK_BYTES = 2 * 1024 * 1024
# A task's memory is to be many times as much, and each of those who work is to have many.
STACK_SHARE = 64
TILES = 16


def stacked(
    found: Sequence[Access],
    domain: tuple[int, ...],
    cuts: tuple[Cuts, ...],
    arrays: int,
    memory: int,
    workers: int,
) -> tuple[Cuts, ...]:
    """The cuts at a stored array's chunks, with several small chunks in each cell.

    They are stacked along the first axis that has many, where each is decoded to its place, one behind the other; so
    nothing is done where axes are walked otherwise.

    Parameters
    ----------
    found, domain, cuts
        What is read over the domain, which is cut at the chunks of what costs most.
    arrays
        How many are read and written.
    memory, workers
        Bytes that a task may use, and how many work at once.
    """
    if not (found and cuts and _in_order(first := ranked(found, domain)[0])):
        return cuts
    most = STACK_BYTES if workers == 1 else SHARED_STACK_BYTES
    cells = math.prod(len(axis) - 1 for axis in cuts)
    together = min(
        most // max(arrays, 1) // max(_picked_nbytes(first, cuts), 1),
        memory // STACK_SHARE // max(first.chunk_nbytes, 1),
        cells // (TILES * workers),
    )
    axis = next((i for i, own in enumerate(cuts) if own[-1] > 1), 0)
    if together < 2 or len(cuts[axis]) < 3:
        return cuts
    return (*cuts[:axis], np.append(cuts[axis][:-1:together], cuts[axis][-1]), *cuts[axis + 1 :])


def least_shared(tile: Sharing) -> int:
    """Bytes of a stored array's chunks from which on a second thread pays, given how many of them a tile touches."""
    return TINY_CHUNK if math.prod(tile.inner) > 1 else SMALL_CHUNK


def _in_order(access: Access) -> bool:
    """Whether a stored array is read along all of the domain's axes, in their order: all of it, or in steps."""
    moving = [span for span in access.region if span.axis is not None]
    return isinstance(access.leaf, ZarrSource) and all(
        span.axis == own and span.rate == span.step > 0 for own, span in enumerate(moving)
    )


def _picked_nbytes(access: Access, cuts: Sequence[Cuts]) -> int:
    """Bytes of what is picked of one chunk, at most."""
    picked = math.prod(int(np.diff(axis).max(initial=0)) for axis in cuts)
    fixed = math.prod(span.count for span in access.region if span.axis is None)
    return picked * fixed * access.leaf.dtype.itemsize
