"""What a store holds of an array: which chunks, how many bytes, their digest; and chunks copied as they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

from ..errors import BaseZarrError
from .keys import join_path
from .metadata import ArrayMetadata
from .requests import at_once
from .stores.protocol import Store

__all__ = [
    "StoredBytes",
    "copy_chunks",
    "count_chunks",
    "digest_of",
    "sampled_share",
    "stored_bytes",
    "stored_units",
]

Coords = tuple[int, ...]


class StoredBytes(int):
    """A number of bytes that may be called, too, and gives itself.

    zarr-python 2 has `z.nbytes_stored`, zarr-python 3 `z.nbytes_stored()`.

    >>> StoredBytes(3)() == StoredBytes(3) == 3
    True
    """

    def __call__(self) -> int:
        return int(self)


def stored_units(store: Store, path: str, metadata: ArrayMetadata) -> Iterator[tuple[str, Coords]]:
    """Name and coordinates of each write unit that is stored within the array's grid; in no order."""
    for key in store.list(path):
        name = key[len(path) :].lstrip("/")
        coords = metadata.chunk_key_encoding.decode(name, metadata.ndim)
        if coords is not None and all(n < m for n, m in zip(coords, metadata.grid.grid_shape, strict=True)):
            yield name, coords


def count_chunks(store: Store, path: str, metadata: ArrayMetadata) -> int:
    """The number of chunks in the write units that are stored: all those of a shard, whatever is in it."""
    units = stored_units(store, path, metadata)
    if metadata.shards is None:
        return sum(1 for _ in units)
    inner, grid = metadata.read_chunk_shape, metadata.grid
    return sum(
        math.prod(
            -(-(stop - start) // n) for (start, stop), n in zip(grid.extent(coords), inner, strict=True)
        )
        for _, coords in units
    )


def stored_bytes(store: Store, path: str) -> StoredBytes:
    """The bytes of all that is stored below a path, metadata included."""
    return StoredBytes(sum(store.size(key) or 0 for key in store.list(path)))


def sampled_share(store: Store, path: str, metadata: ArrayMetadata) -> float | None:
    """About how many bytes are stored for each byte decoded, by the sizes of a few write units; None if not known.

    Slow stores are not asked.
    """
    if store.in_flight > 1 or not metadata.ndim:
        return None
    shape = metadata.grid.grid_shape
    if 0 in shape:
        return None
    picked = {tuple(int(part * (n - 1)) for n in shape) for part in (0, 0.3, 0.5, 0.8)}
    sizes = [store.size(join_path(path, metadata.chunk_key_encoding.encode(coords))) for coords in picked]
    whole = len(picked) * math.prod(metadata.chunk_shape) * metadata.dtype.itemsize
    return sum(size or 0 for size in sizes) / whole if whole else None


def digest_of(store: Store, path: str, metadata: ArrayMetadata, hashname: str) -> Any:
    """The hash (of `hashlib`) over the stored chunks in C order, then the metadata, all as they are stored.

    As zarr-python 2 has it. Raises BaseZarrError for a hash that is not known.
    """
    try:
        digest = hashlib.new(hashname)
    except ValueError as error:
        raise BaseZarrError(f"hashname={hashname!r} is not known to hashlib; sha1 and sha256 are") from error
    chunks = sorted(stored_units(store, path, metadata), key=lambda found: found[1])
    for name in [*(name for name, _ in chunks), *metadata.documents]:
        digest.update(store.get(join_path(path, name)) or b"")
    return digest


def copy_chunks(source: Store, path: str, metadata: ArrayMetadata, dest: Store, to: str) -> None:
    """Copy the stored chunks of an array to another place, as they are."""
    names = (name for name, _ in stored_units(source, path, metadata))
    if source == dest:
        at_once(source, lambda name: source.copy_key(join_path(path, name), join_path(to, name)), names)
        return
    slow = max(source, dest, key=lambda store: store.in_flight)
    if slow.in_flight > 1:
        at_once(slow, lambda name: _copy_key(source, join_path(path, name), dest, join_path(to, name)), names)
        return
    files, copies, buffer = source.chunk_files(path), dest.chunk_files(to), bytearray()
    try:
        for name in names:
            raw = files.read(name, buffer)
            if raw is not None:
                copies.write(name, [raw])
    finally:
        files.close()
        copies.close()


def _copy_key(source: Store, key: str, dest: Store, to: str) -> None:
    value = source.get(key)
    if value is not None:
        dest.set(to, value)
