"""Whether a node may take a place, and the groups above it.

A node that is there may be replaced, if the call asks for it. Where none is, nothing is deleted but chunks
left over without metadata, and those only if the call asks for it: not the README of a folder that becomes an
array, nor the stores in a folder that becomes a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice

from ...errors import BaseZarrError, ContainsArrayError, ContainsGroupError, ContainsNodeError
from .. import metadata_v2, metadata_v3
from ..keys import METADATA_KEYS, join_path, validate_node_name
from ..locks import array_lock
from ..lookup import NodeMetadata, read_node
from ..metadata import ArrayMetadata, GroupMetadata
from ..stores.protocol import Store
from .consolidation import above
from .documents import store_new

__all__ = ["check_place", "leftover_chunks", "make_groups_above", "making_lock", "unmake_groups"]


def check_place(store: Store, path: str, node: NodeMetadata, overwrite: bool) -> bool:
    """Whether a node has to make way for a new one; raises if the new one may not take the place.

    Raises ContainsArrayError, ContainsGroupError or ContainsNodeError for what is there and may not be
    replaced, ReadOnlyStoreError, InvalidKeyError.
    """
    store.check_writable(path)
    for name in path.split("/") if path else []:
        validate_node_name(name)
    for group in above(path):
        _check_group(store, group)
    if _holds_node(store, path):
        if not overwrite:
            raise _contains(store, path)
        return True
    try:
        _check_around(store, path, node, overwrite)
    except ContainsNodeError:
        if store.renames:
            raise
        with making_lock(store, path):  # what lies there may be a node that is just being put in place
            made = _holds_node(store, path)
            if not made:
                _check_around(store, path, node, overwrite)
        if made and not overwrite:
            raise _contains(store, path) from None
        return made
    return False


def _check_group(store: Store, path: str) -> None:
    found = read_node(store, path)
    if isinstance(found, ArrayMetadata):
        raise ContainsArrayError(
            f"{store.url(path)} is an array, {found.shape} {found.dtype}, and nothing can be made below one"
        )


def _holds_node(store: Store, path: str) -> bool:
    """Whether there is a node, readable or not."""
    return any(store.exists(join_path(path, key)) for key in ("zarr.json", ".zarray", ".zgroup"))


def _contains(store: Store, path: str) -> ContainsNodeError:
    cure = 'mode="w" (overwrite=True) replaces it when the new one is complete'
    try:
        found = read_node(store, path)
    except BaseZarrError as error:
        return ContainsNodeError(
            f"{store.url(path)} already holds a node that cannot be read: {error}; {cure}."
        )
    if isinstance(found, ArrayMetadata):
        what = f"an array, {found.shape} {found.dtype}. {cure}"
        return ContainsArrayError(
            f'{store.url(path)} already holds {what}; region= or mode="r+" of to_zarr, or z[...] = x, writes into it.'
        )
    return ContainsGroupError(f"{store.url(path)} already holds a group. {cure}, with all that it holds.")


def _check_around(store: Store, path: str, node: NodeMetadata, overwrite: bool) -> None:
    """Raise if what lies where no node is stands in a new one's way."""
    if isinstance(node, GroupMetadata) and not overwrite:
        return  # what lies there becomes its content
    for key in store.list(path):
        name = key[len(path) :].lstrip("/")
        if name.rpartition("/")[2] in METADATA_KEYS:
            raise ContainsNodeError(
                f"{store.url(path)} is no node itself, but {name} lies below it; nothing was deleted. Delete "
                'what is there, choose another place, or for a group around it mode="a".'
            )
        if not overwrite and _is_chunk(node, name):
            raise ContainsNodeError(
                f"{store.url(path)} holds {name} and no metadata: left over from an array, it would be taken "
                'for data of the new one. mode="w" (overwrite=True) deletes it.'
            )


def making_lock(store: Store, path: str) -> AbstractContextManager[object]:
    """Held while a node is made: where that takes more than one step, two that are made at once would mix.

    A store in which nothing keeps processes apart is trusted to have one maker for each node.
    """
    alone = not store.renames and store.lost_updates is None
    return array_lock(store, path).alone() if alone else nullcontext()


def leftover_chunks(store: Store, path: str, node: NodeMetadata) -> Sequence[str]:
    """The names of what would be taken for chunks of an array, if it were at a path."""
    names = [key[len(path) :].lstrip("/") for key in store.list(path)]
    return [name for name in names if _is_chunk(node, name)]


def _is_chunk(node: NodeMetadata, name: str) -> bool:
    return isinstance(node, ArrayMetadata) and node.chunk_key_encoding.decode(name, node.ndim) is not None


def make_groups_above(store: Store, path: str, node: NodeMetadata) -> Sequence[str]:
    """Make the groups above a path that are missing, of the node's format, or none; those made."""
    made: list[str] = []
    build = metadata_v3.build_group if node.zarr_format == 3 else metadata_v2.build_group
    try:
        for group in reversed(above(path)):
            _check_group(store, group)
            if not _holds_node(store, group):
                made.append(group)  # before it is tried: what fails may have been done
                store_new(store, group, build())
    except BaseException:
        unmake_groups(store, made)
        raise
    return made


def unmake_groups(store: Store, made: Sequence[str]) -> None:
    """Remove groups that were made for a node that came to nothing, if nothing else is in them by now."""
    for group in reversed(made):
        keys = list(islice(store.list(group), 2))
        if len(keys) == 1 and keys[0].rpartition("/")[2] in METADATA_KEYS:
            store.delete(keys[0])
