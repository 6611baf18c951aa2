"""Arrays grown, shrunk and appended to.

- **Grow**: what lies where the new elements will be is removed first: chunks beyond the edge (left by an
  append that was killed, or by a program that shrank the array and kept them), and what edge chunks hold
  beyond it. Then the metadata: the new elements read as fill, whatever was there.
- **Shrink**: metadata, then the chunks outside are removed. A kill between leaves chunks that nobody reads.
- **Append**: the data behind the edge, where nobody looks yet, then the metadata.

All under the array's lock, held alone, with the metadata read again once it is held: appends of several
processes follow one another, and none is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, product
from typing import Any

from numpy.typing import NDArray

from ...errors import BoundsCheckError, ShapeMismatchError
from ..chunk import ChunkWriter
from ..chunk_loops import write_selection
from ..keys import normalize_path
from ..locks import array_lock
from ..lookup import find_array
from ..metadata import ArrayMetadata
from ..selection import parse_basic
from ..stored import stored_units
from ..stores.protocol import Store
from ..uneven import open_writer
from .consolidation import refresh_above
from .documents import store_changed
from .opened import Opened

__all__ = ["append", "resize"]

Coords = tuple[int, ...]
_FEW = 10_000  # chunks that are removed one by one without a look at which are stored


def resize(store: Store, path: str, shape: Sequence[int], opened: Opened | None = None) -> ArrayMetadata:
    """Change an array's shape (elements along each axis); its new metadata.

    What a growth adds reads as fill. Raises ShapeMismatchError for another number of axes, ArrayNotFoundError
    where the array is gone, ArrayReplacedError where it is not the one that was `opened`, ReadOnlyStoreError.
    """
    path = normalize_path(path)
    store.check_writable(path)
    with array_lock(store, path).alone():
        old = _found(store, path, opened)
        new = old.with_shape(shape)
        _clear_beyond(store, path, old, new)
        store_changed(store, path, old, new)
        _remove_outside(store, path, old, new)
    refresh_above(store, path)
    return new


def append(
    store: Store, path: str, values: NDArray[Any], axis: int, opened: Opened | None = None
) -> ArrayMetadata:
    """Store values, of the array's dtype, behind the end of an axis; the array's new metadata.

    Raises ShapeMismatchError where the other axes differ, BoundsCheckError for an axis that is not there,
    ArrayNotFoundError where the array is gone, ArrayReplacedError where it is not the one that was `opened`,
    ReadOnlyStoreError.
    """
    path = normalize_path(path)
    store.check_writable(path)
    with array_lock(store, path).alone() as held:
        old = _found(store, path, opened)
        start = _checked(store.url(path), old.shape, values.shape, axis)
        axis %= old.ndim
        new = old.with_shape((*old.shape[:axis], start + values.shape[axis], *old.shape[axis + 1 :]))
        behind = (slice(None),) * axis + (slice(start, None),)
        try:
            write_selection(_writer(store, path, new), held, parse_basic(behind, new.shape), values)
            store_changed(store, path, old, new)
        except BaseException:
            with suppress(Exception):  # the first failure is the one to tell
                if find_array(store, path).shape == old.shape:  # what failed may have been done
                    _remove_outside(store, path, new, old)
            raise
    refresh_above(store, path)
    return new


def _found(store: Store, path: str, opened: Opened | None) -> ArrayMetadata:
    """The array's metadata as it is stored now, if it is the one that was opened."""
    found = find_array(store, path)
    if opened is not None:
        opened.check(store, path, found)
        if isinstance(opened.metadata, ArrayMetadata) and opened.metadata.trusts_pickle:
            return found.trusting_pickle()
    return found


def _writer(store: Store, path: str, metadata: ArrayMetadata) -> ChunkWriter:
    """A writer for who holds the lock alone and has just read the metadata, or is about to change it."""
    writer = open_writer(store, path, metadata)
    writer.shares_edge, writer.alone = False, True
    return writer


def _checked(url: str, shape: Coords, new: Coords, axis: int) -> int:
    """The length of the axis that is appended to, if values of a shape can be."""
    ndim = len(shape)
    if not -ndim <= axis < ndim:
        raise BoundsCheckError(f"{url} has {ndim} axes, so there is no axis {axis} to append to")
    axis %= ndim
    others = [(n, m) for i, (n, m) in enumerate(zip(shape, new, strict=False)) if i != axis]
    if len(new) != ndim or any(n != m for n, m in others):
        raise ShapeMismatchError(
            f"{new} cannot be appended to {url}, of shape {shape}, along axis {axis}: the other axes must be "
            "the same"
        )
    return shape[axis]


def _clear_beyond(store: Store, path: str, old: ArrayMetadata, new: ArrayMetadata) -> None:
    """Remove what lies where a growth will add elements."""
    grown = [axis for axis in range(old.ndim) if new.shape[axis] > old.shape[axis]]
    if not grown or not math.prod(new.shape):
        return
    _remove_outside(store, path, new, old)
    writer = _writer(store, path, old)
    scratch = writer.new_scratch()
    nothing = (slice(0, 0),) * old.ndim
    for coords in _edge(store, path, old, new, grown):
        if writer.source(coords, scratch) is not None:
            # a writer sets to fill what lies beyond the edge of the array as it knows it
            writer.update_unit(coords, nothing, writer.fill, scratch)


def _edge(
    store: Store, path: str, old: ArrayMetadata, new: ArrayMetadata, grown: Sequence[int]
) -> Iterator[Coords]:
    """The chunks that reach beyond the old shape along an axis that grows, some twice; only stored ones, of many."""
    common = _common_grid(old, new)
    boxes = []
    for axis in grown:
        last = common[axis] - 1
        if last >= 0 and old.grid.axes[axis].length(last) < old.grid.axes[axis].stored(last):
            boxes.append([range(last, last + 1) if i == axis else range(n) for i, n in enumerate(common)])
    if sum(math.prod(map(len, box)) for box in boxes) <= _FEW:
        yield from chain.from_iterable(product(*box) for box in boxes)
        return
    for _, coords in list(stored_units(store, path, old)):
        if any(all(i in n for i, n in zip(coords, box, strict=True)) for box in boxes):
            yield coords


def _remove_outside(store: Store, path: str, of: ArrayMetadata, than: ArrayMetadata) -> None:
    """Remove the chunks of an array that lie outside the grid it has with another shape."""
    common = _common_grid(of, than)
    files = store.chunk_files(path)
    if of.grid.nchunks - math.prod(common) <= _FEW:
        encode = of.chunk_key_encoding.encoder(of.ndim)
        for coords in _outside(of.grid.grid_shape, common):
            files.delete(encode(coords))
        return
    for key in store.list(path):
        name = key[len(path) :].lstrip("/")
        stored = of.chunk_key_encoding.decode(name, of.ndim)
        if stored is not None and any(n >= m for n, m in zip(stored, than.grid.grid_shape, strict=True)):
            files.delete(name)


def _outside(grid: Coords, common: Coords) -> Iterator[Coords]:
    """The coordinates of a grid that are not among the first ones, axis by axis."""
    return chain.from_iterable(
        product(*map(range, common[:axis]), range(common[axis], grid[axis]), *map(range, grid[axis + 1 :]))
        for axis in range(len(grid))
    )


def _common_grid(one: ArrayMetadata, other: ArrayMetadata) -> Coords:
    return tuple(map(min, one.grid.grid_shape, other.grid.grid_shape))
