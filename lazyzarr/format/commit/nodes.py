"""Nodes made, edited and deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ...errors import NodeNotFoundError
from .. import metadata_v2, metadata_v3
from ..keys import join_path, normalize_path
from ..locks import array_lock
from ..lookup import NodeMetadata, read_node
from ..metadata import ArrayMetadata, GroupMetadata
from ..stores.protocol import Store
from .consolidation import above, refresh_above
from .documents import store_changed, store_new
from .keywise import delete_keys
from .opened import Opened
from .places import check_place, make_groups_above, making_lock, unmake_groups
from .runs import begin_run, end_run
from .staging import stage_node

__all__ = [
    "NewArrays",
    "add_arrays",
    "create_array",
    "create_filled_group",
    "create_group",
    "delete_node",
    "edit_attributes",
]

WriteData = Callable[[Store, str], object]
NewArrays: TypeAlias = Mapping[str, tuple[ArrayMetadata, WriteData]]
"""Arrays by their path below a group, with what writes their data."""


def create_array(
    store: Store,
    path: str,
    metadata: ArrayMetadata,
    *,
    overwrite: bool = False,
    write_data: WriteData | None = None,
) -> ArrayMetadata:
    """Make an array at a path, and the groups above it that are missing; its metadata as it is stored.

    `write_data(store, path)` writes its chunks, to where they are built aside: a reader sees no array, or the
    old one, until they are complete. Whatever fails leaves what was there before.

    Raises ContainsArrayError or ContainsGroupError where a node is and `overwrite` is not given,
    ContainsNodeError for what is no node and stands in the way, ReadOnlyStoreError, InvalidKeyError.
    """
    made = _create(store, normalize_path(path), metadata, overwrite, write_data)
    assert isinstance(made, ArrayMetadata)
    return made


def create_group(store: Store, path: str, metadata: GroupMetadata, *, overwrite: bool = False) -> None:
    """Make a group at a path, and the groups above it that are missing; raises as `create_array`.

    With `overwrite`, a node that is there is replaced with all that it holds.
    """
    _create(store, normalize_path(path), metadata, overwrite, None)


def create_filled_group(store: Store, path: str, metadata: GroupMetadata, arrays: NewArrays) -> None:
    """Make a group with arrays in it: it appears with all of them complete, or not at all.

    Raises as `create_array`.
    """
    path = normalize_path(path)
    for name, (array, _) in arrays.items():
        check_place(store, join_path(path, name), array, overwrite=False)

    def write(place: Store, staged: str) -> None:
        for name, (array, write_data) in arrays.items():
            _store_below(place, staged, name, array)
            write_data(place, join_path(staged, name))

    _create(store, path, metadata, overwrite=False, write_data=write)
    for name in arrays:
        for changed in [*reversed(above(name)[:-1]), name]:
            refresh_above(store, join_path(path, changed))


def add_arrays(store: Store, path: str, arrays: NewArrays) -> None:
    """Make arrays below a group that is there, one after the other; a failure removes those made before it.

    Raises as `create_array`.
    """
    paths = {name: join_path(normalize_path(path), name) for name in arrays}
    for name, (array, _) in arrays.items():
        check_place(store, paths[name], array, overwrite=False)
    groups = {group for each in paths.values() for group in above(each) if read_node(store, group) is None}
    made: list[str] = []
    try:
        for name, (array, write_data) in arrays.items():
            create_array(store, paths[name], array, write_data=write_data)
            made.append(paths[name])
    except BaseException:
        for each in made:
            with contextlib.suppress(Exception):  # the first failure is the one to tell
                delete_node(store, each)
        with contextlib.suppress(Exception):
            unmake_groups(store, sorted(groups))
        raise


def edit_attributes(
    store: Store,
    path: str,
    change: Callable[[dict[str, Any]], Mapping[str, Any]],
    opened: Opened | None = None,
) -> NodeMetadata:
    """Change a node's attributes, so that no one else's change at the same time is lost.

    `change` is given a copy of the attributes as they are stored now, and returns what they shall be. Returns
    the node's new metadata. Raises NodeNotFoundError where the node is gone, ArrayReplacedError where it is not
    the one that was `opened`, MetadataValidationError for what JSON cannot hold.
    """
    path = normalize_path(path)
    store.check_writable(path)
    _check_there(store, path)
    with array_lock(store, path).alone():
        old = _check_there(store, path)
        if opened is not None:
            opened.check(store, path, old)
        new = old.with_attributes(change(dict(old.attributes)))
        store_changed(store, path, old, new)
    refresh_above(store, path)
    return new


def delete_node(store: Store, path: str) -> None:
    """Delete a node with all that it holds: it is there, or not there, at each moment.

    Raises NodeNotFoundError where none is.
    """
    path = normalize_path(path)
    store.check_writable(path)
    _check_there(store, path)
    # A member that is a link is removed as a link: what it leads to belongs to others.
    base, target = (store, path) if path else store.beside(path)
    if not store.renames:
        with array_lock(store, path).alone():
            delete_keys(store, path)
        refresh_above(store, path)
        return
    run = begin_run(base, target)
    try:
        with array_lock(store, path).alone():
            base.swap_prefix(target, join_path(run, "node"), replace=False)
    finally:
        end_run(base, run)
    refresh_above(store, path)


def _check_there(store: Store, path: str) -> NodeMetadata:
    node = read_node(store, path)
    if node is None:
        raise NodeNotFoundError(f"no array or group at {store.url(path)} any more; it was deleted")
    return node


def _store_below(store: Store, path: str, name: str, array: ArrayMetadata) -> None:
    """Store an array's metadata below a group that is built aside, and the groups between."""
    build = metadata_v3.build_group if array.zarr_format == 3 else metadata_v2.build_group
    for group in reversed(above(name)[:-1]):
        store_new(store, join_path(path, group), build())
    store_new(store, join_path(path, name), array)


def _create(
    store: Store, path: str, metadata: NodeMetadata, overwrite: bool, write_data: WriteData | None
) -> NodeMetadata:
    replace = check_place(store, path, metadata, overwrite)
    if not replace and not overwrite and write_data is None and len(metadata.documents) == 1:
        _create_in_place(store, path, metadata)
        return metadata
    staged = stage_node(store, path, metadata, "w" if overwrite else "w-")
    try:
        if write_data is not None:
            write_data(staged.store, staged.path)
        return staged.publish()
    except BaseException:
        staged.discard()
        raise


def _create_in_place(store: Store, path: str, metadata: NodeMetadata) -> None:
    """Make a node of one document: that document is all that has to appear."""
    made = list(make_groups_above(store, path, metadata))
    try:
        with making_lock(store, path):
            is_new = store_new(store, path, metadata)
        if not is_new:
            check_place(store, path, metadata, overwrite=False)  # raises: someone else was faster
    except BaseException:
        unmake_groups(store, made)
        raise
    # a group above that was unmade meanwhile, because what it was made for failed, is made again
    made += make_groups_above(store, path, metadata)
    for changed in [*made, path]:
        refresh_above(store, changed)
