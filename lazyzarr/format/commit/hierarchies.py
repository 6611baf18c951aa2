"""Many nodes made at once, and a node moved to another path.

**Make**: what is in the way is found before anything is made, a folder at a time. Groups first, then what they
hold; a failure removes what was made. Consolidated metadata around them is made true once, at the end.

**Move**: in one step where the store has one. Where it has none: all keys are copied, the node's own metadata
last, then the old ones deleted, metadata first; a kill in between leaves both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from ...errors import ContainsArrayError, ContainsNodeError, InvalidKeyError, NodeNotFoundError
from .. import metadata_v2, metadata_v3
from ..keys import join_path, normalize_path, validate_node_name
from ..locks import array_lock
from ..lookup import NodeMetadata, read_node
from ..metadata import ArrayMetadata
from ..requests import at_once
from ..stores.protocol import Store
from .consolidation import above, refresh_above, refresh_whole
from .documents import store_new
from .keywise import delete_keys, move_keys
from .nodes import create_array, create_group, delete_node
from .places import check_place, make_groups_above, unmake_groups

__all__ = ["create_hierarchy", "move_node"]

Nodes = Mapping[str, NodeMetadata]


def create_hierarchy(
    store: Store, path: str, nodes: Nodes, *, overwrite: bool = False
) -> list[tuple[str, NodeMetadata]]:
    """Make nodes at paths below a path, and the groups above them that are missing; all that were made, by path.

    Raises ContainsArrayError or ContainsGroupError where a node is and `overwrite` is not given, and as
    `create_array`; nothing is made then.
    """
    path = normalize_path(path)
    store.check_writable(path)
    wanted = _with_groups_between({normalize_path(below): node for below, node in nodes.items()})
    there = _there(store, path, wanted)
    given = {normalize_path(below) for below in nodes}
    for below in there & given:
        check_place(store, join_path(path, below), wanted[below], overwrite)
    replaced = sorted(there & given) if overwrite else []
    new = [below for below in wanted if below not in there]
    made: list[str] = []
    try:
        if new or replaced:
            made += make_groups_above(
                store, join_path(path, (new or replaced)[0]), wanted[(new or replaced)[0]]
            )
        _replace(store, path, wanted, replaced)
        _make(store, path, wanted, new, made)
    except BaseException:
        _unmake(store, made)
        raise
    refresh_whole(store, path)
    return [(below, wanted[below]) for below in sorted([*new, *replaced])]


def _with_groups_between(nodes: Nodes) -> dict[str, NodeMetadata]:
    """The nodes and the groups above them, those first, all paths checked."""
    wanted: dict[str, NodeMetadata] = dict(nodes)
    for below, node in nodes.items():
        for name in below.split("/") if below else []:
            validate_node_name(name)
        for group in above(below):
            if isinstance(wanted.get(group), ArrayMetadata):
                raise ContainsArrayError(f"{below!r} cannot be made below {group!r}, which is to be an array")
            if group not in wanted:
                build = metadata_v3.build_group if node.zarr_format == 3 else metadata_v2.build_group
                wanted[group] = build()
    return dict(sorted(wanted.items(), key=lambda item: (item[0].count("/") + bool(item[0]), item[0])))


def _there(store: Store, path: str, wanted: Nodes) -> set[str]:
    """Which of the paths hold something; a folder is listed once, and none below what is not there."""
    there: set[str] = set()
    listed: dict[str, set[str]] = {}
    for below in wanted:
        if not below:
            there |= {""} if read_node(store, path) is not None else set()
            continue
        group, _, name = below.rpartition("/")
        if group and group not in there:
            continue
        if group not in listed:
            listed[group] = set(store.list_dir(join_path(path, group)))
        if name in listed[group]:
            there.add(below)
            found = read_node(store, join_path(path, below))
            if isinstance(found, ArrayMetadata) and not isinstance(wanted[below], ArrayMetadata):
                check_place(store, join_path(path, below, "x"), wanted[below], overwrite=False)
            elif found is None and not isinstance(wanted[below], ArrayMetadata):
                there.discard(below)  # a folder that is no group yet; what is in it becomes its content
                check_place(store, join_path(path, below), wanted[below], overwrite=False)
                listed[below] = set(store.list_dir(join_path(path, below)))
    return there


def _replace(store: Store, path: str, wanted: dict[str, NodeMetadata], replaced: Sequence[str]) -> None:
    for below in replaced:
        node = wanted[below]
        if isinstance(node, ArrayMetadata):
            wanted[below] = create_array(store, join_path(path, below), node, overwrite=True)
        else:
            create_group(store, join_path(path, below), node, overwrite=True)


def _make(store: Store, path: str, wanted: Nodes, new: Sequence[str], made: list[str]) -> None:
    def make(below: str) -> None:
        place = join_path(path, below)
        made.append(place)  # before it is tried: what fails may have been done
        if not store_new(store, place, wanted[below]):
            made.remove(place)
            if isinstance(wanted[below], ArrayMetadata):
                check_place(store, place, wanted[below], overwrite=False)  # raises: someone else was faster

    groups = [below for below in new if not isinstance(wanted[below], ArrayMetadata)]
    for below in groups:
        make(below)
    at_once(store, make, [below for below in new if isinstance(wanted[below], ArrayMetadata)])


def _unmake(store: Store, made: Sequence[str]) -> None:
    for place in reversed(made):
        with contextlib.suppress(Exception):  # the first failure is the one to tell
            if isinstance(read_node(store, place), ArrayMetadata):
                delete_node(store, place)
    with contextlib.suppress(Exception):
        unmake_groups(store, sorted(made))


def move_node(store: Store, source: str, dest: str) -> None:
    """Move a node to another path of its store, with all that it holds.

    Raises NodeNotFoundError, ContainsArrayError, ContainsGroupError or ContainsNodeError for what is at the new
    path, InvalidKeyError for a path in the node itself, ReadOnlyStoreError.
    """
    source, dest = normalize_path(source), normalize_path(dest)
    store.check_writable(source)
    node = read_node(store, source)
    if node is None:
        raise NodeNotFoundError(f"no array or group at {store.url(source)}")
    if source == dest:
        return
    if not source or f"{dest}/".startswith(f"{source}/"):
        raise InvalidKeyError(f"{store.url(source)} cannot be moved into itself, to {store.url(dest)}")
    check_place(store, dest, node, overwrite=False)
    made = make_groups_above(store, dest, node)
    try:
        with array_lock(store, source).alone():
            if not _moved(store, source, dest, node):
                raise ContainsNodeError(f"{store.url(dest)} holds something; nothing was moved")
    except BaseException:
        unmake_groups(store, made)
        raise
    refresh_above(store, source)
    refresh_whole(store, dest)


def _moved(store: Store, source: str, dest: str, node: NodeMetadata) -> bool:
    if store.renames:
        return store.swap_prefix(source, dest, replace=False)
    moved = move_keys(store, source, dest, node)
    if moved:
        delete_keys(store, source)
    return moved
