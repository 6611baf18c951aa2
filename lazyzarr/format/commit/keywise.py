"""Nodes put in place, replaced and deleted key by key, where a store moves nothing in one step.

One put decides each change, and it is made on condition that nobody else's came between:

- **New**: data, then the documents, the deciding one where there is none.
- **Replace**: an array takes other names for its chunks than the one it replaces has (v3's other key encodings).
  So its chunks are stored beside the old ones, the document is exchanged, and the old chunks are removed. Who
  reads the old array finds it replaced. Where that cannot be (v2, groups, names that were asked for), the old
  document is removed first: for a while nothing is there, and a kill meanwhile leaves nothing.
- **Delete**: the document, then the rest.

A kill leaves keys that no document names; the next node made there removes them, or refuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..keys import METADATA_KEYS, ChunkKeyEncoding, is_reserved, join_path
from ..lookup import NodeMetadata, read_node
from ..metadata import ArrayMetadata
from ..requests import at_once
from ..stores.protocol import Store
from .documents import store_changed, store_new

__all__ = ["delete_keys", "move_keys", "replace_keys"]


def move_keys(store: Store, node: str, target: str, metadata: NodeMetadata) -> bool:
    """Copy a node to where none is; whether none was. Its own keys stay where they are."""
    names = _names(store, node, metadata)
    _copy(store, [(join_path(node, name), join_path(target, name)) for name in names])
    return store_new(store, target, metadata)


def replace_keys(store: Store, node: str, target: str, metadata: NodeMetadata) -> NodeMetadata | None:
    """Copy a node to the place of another one, which is removed; its metadata then, None if others changed it."""
    old = read_node(store, target) if _is_readable(store, target) else None
    new = _with_other_names(metadata, old)
    names = _names(store, node, metadata)
    if store.transactional:  # nobody looks before its commit, and chunks need an array to belong to
        delete_keys(store, target)
        placed = store_new(store, target, metadata)
        _copy(store, [(join_path(node, name), join_path(target, name)) for name in names])
        return metadata if placed else None
    if new is None or old is None:
        delete_keys(store, target)
        _copy(store, [(join_path(node, name), join_path(target, name)) for name in names])
        return metadata if store_new(store, target, metadata) else None
    assert isinstance(metadata, ArrayMetadata)
    moved = {name: _renamed(name, metadata, new) for name in names}
    there = [key[len(target) :].lstrip("/") for key in store.list(target)]
    _delete(store, target, [name for name in there if _is_chunk(name, new)])
    _copy(store, [(join_path(node, name), join_path(target, to)) for name, to in moved.items()])
    store_changed(store, target, old, new)
    _delete(store, target, [name for name in there if name not in METADATA_KEYS and not _is_chunk(name, new)])
    return new


def delete_keys(store: Store, path: str) -> None:
    """Remove a node: the documents that make it one, those of nodes below it, and all else."""
    names = [key[len(path) :].lstrip("/") for key in store.list(path)]
    documents = sorted((name for name in names if name.rpartition("/")[2] in METADATA_KEYS), key=len)
    for name in documents:
        store.delete(join_path(path, name))
    _delete(store, path, [name for name in names if name not in documents])


def _is_readable(store: Store, path: str) -> bool:
    try:
        return read_node(store, path) is not None
    except ValueError:  # damaged: it is replaced as a whole
        return False


def _names(store: Store, node: str, metadata: NodeMetadata) -> list[str]:
    """The names below a node of all but its own documents."""
    names = (key[len(node) :].lstrip("/") for key in store.list(node))
    return [name for name in names if name not in metadata.documents]


def _copy(store: Store, keys: Sequence[tuple[str, str]]) -> None:
    at_once(store, lambda pair: store.copy_key(*pair), keys)


def _delete(store: Store, path: str, names: Sequence[str]) -> None:
    keys = [join_path(path, name) for name in names if not any(map(is_reserved, name.split("/")))]
    at_once(store, store.delete, keys)


def _with_other_names(new: NodeMetadata, old: NodeMetadata | None) -> ArrayMetadata | None:
    """The new array with chunk names that the old one has not; None where that cannot be."""
    if not isinstance(new, ArrayMetadata) or not isinstance(old, ArrayMetadata):
        return None
    if new.zarr_format != 3 or old.zarr_format != 3:
        return None
    asked = new.chunk_key_encoding
    if _differ(asked, new.ndim, old):
        return new
    if asked != ChunkKeyEncoding("default", "/"):
        return None  # the names were asked for
    others = [ChunkKeyEncoding("default", "."), ChunkKeyEncoding("v2", ".")]
    other = next(each for each in others if _differ(each, new.ndim, old))
    member = {"name": other.name, "configuration": {"separator": other.separator}}
    document = new.document.edited(new.document.value | {"chunk_key_encoding": member})
    return replace(new, documents={"zarr.json": document}, chunk_key_encoding=other)


def _differ(encoding: ChunkKeyEncoding, ndim: int, other: ArrayMetadata) -> bool:
    """Whether no chunk of so many coordinates, named by an encoding, has the name of one of another array."""
    return not _is_chunk(encoding.encode((0,) * ndim), other)


def _renamed(name: str, old: ArrayMetadata, new: ArrayMetadata) -> str:
    coords = old.chunk_key_encoding.decode(name, old.ndim)
    return name if coords is None else new.chunk_key_encoding.encode(coords)


def _is_chunk(name: str, array: ArrayMetadata) -> bool:
    return array.chunk_key_encoding.decode(name, array.ndim) is not None
