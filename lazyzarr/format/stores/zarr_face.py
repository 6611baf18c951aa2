"""A store of lazyzarr as a Store object of zarr-python, for programs that want one. Needs zarr-python.

Imported by no other module: `lazyzarr.storage.LazyzarrStore` loads it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer as ZarrBuffer
from zarr.core.buffer import BufferPrototype, default_buffer_prototype

from .protocol import ByteRange, Store

__all__ = ["LazyzarrStore"]

T = TypeVar("T")


class LazyzarrStore(ZarrStore):
    """A store of lazyzarr as zarr-python's.

    Parameters
    ----------
    store : lazyzarr.storage.Store
        The store within; it is also its `lazyzarr_store`.
    read_only : bool
        Refuse every write.

    >>> import zarr
    >>> root = zarr.create_group(LazyzarrStore(lz.storage.MemoryStore()))
    >>> root.create_array("u", shape=(3,), dtype="i4")[1]
    array(0, dtype=int32)
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    def __init__(self, store: Store, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only or store.read_only)
        self.lazyzarr_store = store

    def with_read_only(self, read_only: bool = False) -> LazyzarrStore:
        """The same store, refusing writes or not."""
        return type(self)(self.lazyzarr_store, read_only=read_only)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and other.lazyzarr_store == self.lazyzarr_store
            and other.read_only == self.read_only
        )

    def __hash__(self) -> int:
        return hash((self.lazyzarr_store, self.read_only))

    def __str__(self) -> str:
        return self.lazyzarr_store.url()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.lazyzarr_store!r})"

    # At once.

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> ZarrBuffer | None:
        """The bytes under a key, or None."""
        wanted = None if byte_range is None else _range_of(byte_range)
        found = self.lazyzarr_store.get(key, wanted)
        return None if found is None else (prototype or default_buffer_prototype()).buffer.from_bytes(found)

    def set_sync(self, key: str, value: ZarrBuffer) -> None:
        """Store bytes under a key. Raises TypeError for what is no buffer of zarr-python's."""
        self._check_writable()
        self.lazyzarr_store.set(key, _bytes_of(value))

    def delete_sync(self, key: str) -> None:
        """Remove a key."""
        self._check_writable()
        self.lazyzarr_store.delete(key)

    # As coroutines.

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> ZarrBuffer | None:
        """The bytes under a key, or None."""
        return await self._away(lambda: self.get_sync(key, prototype=prototype, byte_range=byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[ZarrBuffer | None]:
        """Parts of several values, None for those that are not there."""
        return [*await asyncio.gather(*(self.get(key, prototype, wanted) for key, wanted in key_ranges))]

    async def exists(self, key: str) -> bool:
        """Whether something is stored under a key."""
        return await self._away(lambda: self.lazyzarr_store.exists(key))

    async def getsize(self, key: str) -> int:
        """Bytes under a key. Raises FileNotFoundError."""
        size = await self._away(lambda: self.lazyzarr_store.size(key))
        if size is None:
            raise FileNotFoundError(key)
        return size

    async def set(self, key: str, value: ZarrBuffer) -> None:
        """Store bytes under a key. Raises TypeError for what is no buffer of zarr-python's."""
        await self._away(lambda: self.set_sync(key, value))

    async def set_if_not_exists(self, key: str, value: ZarrBuffer) -> None:
        """Store bytes under a key where there are none, in one step."""
        self._check_writable()
        await self._away(lambda: self.lazyzarr_store.set_if(key, _bytes_of(value), None))

    async def delete(self, key: str) -> None:
        """Remove a key."""
        await self._away(lambda: self.delete_sync(key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove what lies below a path."""
        self._check_writable()
        await self._away(lambda: self.lazyzarr_store.delete_prefix(prefix))

    async def clear(self) -> None:
        """Remove everything."""
        await self.delete_dir("")

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """The keys that begin with a prefix."""
        above = prefix.rpartition("/")[0]
        for key in await self._away(lambda: [*self.lazyzarr_store.list(above)]):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """The names one level below a path."""
        for name in await self._away(lambda: self.lazyzarr_store.list_dir(prefix)):
            yield name

    def close(self) -> None:
        """Close the store within, too."""
        super().close()
        self.lazyzarr_store.close()

    async def _away(self, call: Callable[[], T]) -> T:
        """Where it may wait for a disk or a network, in a thread."""
        return call() if self.lazyzarr_store.reach == "thread" else await asyncio.to_thread(call)


def _range_of(wanted: ByteRequest) -> ByteRange:
    if isinstance(wanted, RangeByteRequest):
        return wanted.start, wanted.end
    if isinstance(wanted, OffsetByteRequest):
        return wanted.offset, sys.maxsize
    if isinstance(wanted, SuffixByteRequest):
        return (-wanted.suffix, None) if wanted.suffix else (0, 0)
    raise ValueError(f"Unexpected byte_range, got {wanted}.")


def _bytes_of(value: ZarrBuffer) -> bytes:
    if not isinstance(value, ZarrBuffer):
        raise TypeError(f"a Buffer of zarr-python is stored, not a {type(value).__name__}")
    return value.to_bytes()
