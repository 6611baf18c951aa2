"""Consolidated metadata above a change, made true again.

1. For each group above the changed node that has consolidated metadata, from the nearest up:
2. take its lock, and read it and the node again: a change that came between is seen, and none is undone;
3. store the group with its entry for the node as the node is now, or without one.
"""

from __future__ import annotations

from ...errors import ArrayReplacedError, BaseZarrError
from ..consolidated import consolidate, refresh
from ..keys import join_path, normalize_path
from ..locks import array_lock
from ..lookup import ZarrFormat, children, find_group, read_node, walk
from ..metadata import GroupMetadata
from ..stores.protocol import Store
from .documents import store_changed

__all__ = ["above", "consolidate_group", "refresh_above", "refresh_whole"]


def above(path: str) -> list[str]:
    """The paths above one, the nearest first, the root last.

    >>> above("a/b")
    ['a', '']
    """
    parts = path.split("/") if path else []
    return ["/".join(parts[:n]) for n in range(len(parts) - 1, -1, -1)]


def refresh_above(store: Store, path: str, anew: bool = False) -> None:
    """Make true what the groups above a node say of it, and what a v2 group says of itself.

    `anew` also makes true what they say of the nodes below it, for one that took another's place.
    """
    for group in [path, *above(path)]:
        if _consolidated(store, group) is not None:
            _refresh(store, group, path[len(group) :].lstrip("/"), anew)


def _refresh(store: Store, group: str, below: str, anew: bool) -> None:
    try:
        with array_lock(store, group).alone():
            found = _consolidated(store, group)
            if found is not None:
                store_changed(
                    store, group, found, _refreshed(store, group, found, below, anew and below != "")
                )
    except ArrayReplacedError:  # the group is gone meanwhile, and what it said with it
        return


def _refreshed(store: Store, group: str, found: GroupMetadata, below: str, anew: bool) -> GroupMetadata:
    """The group with its entry for a node as that is now; one of the other version of the format has none."""
    node = read_node(store, join_path(group, below))
    if node is None or node.zarr_format != found.zarr_format:
        return refresh(found, below, None)
    fresh = refresh(refresh(found, below, None) if anew else found, below, node.documents)
    if anew and isinstance(node, GroupMetadata):
        for name, inner in walk(lambda path: children(store, join_path(group, below, path))):
            if inner.zarr_format == found.zarr_format:
                fresh = refresh(fresh, join_path(below, name), inner.documents)
    return fresh


def _consolidated(store: Store, path: str) -> GroupMetadata | None:
    """The group at a path, if it is readable and has consolidated metadata."""
    try:
        found = read_node(store, path)
    except BaseZarrError:  # nobody reads it, so nobody reads something stale in it
        return None
    return found if isinstance(found, GroupMetadata) and found.consolidated is not None else None


def consolidate_group(store: Store, path: str, zarr_format: ZarrFormat | None = None) -> GroupMetadata:
    """Store in a group what all nodes below it are; the group's new metadata.

    Damaged nodes, and nodes of the other version of the format, are left out. Raises GroupNotFoundError,
    NodeTypeValidationError, ReadOnlyStoreError.
    """
    path = normalize_path(path)
    store.check_writable(path)
    find_group(store, path, zarr_format)
    with array_lock(store, path).alone():
        found = find_group(store, path, zarr_format)
        new = _whole(store, path, found)
        store_changed(store, path, found, new)
    refresh_above(store, path)
    return new


def refresh_whole(store: Store, path: str) -> None:
    """Make true what the groups above a path, and that at it, say after many nodes changed."""
    for group in [path, *above(path)]:
        if _consolidated(store, group) is not None:
            consolidate_group(store, group)


def _whole(store: Store, path: str, group: GroupMetadata) -> GroupMetadata:
    """The group with consolidated metadata of all nodes below it."""
    nodes = walk(lambda below: children(store, join_path(path, below)))
    documents = {below: node.documents for below, node in nodes if node.zarr_format == group.zarr_format}
    return consolidate(group, documents)
