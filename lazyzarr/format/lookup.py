"""What lies at a path of a store: its metadata, the names below it, and a helpful word where nothing does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, TypeAlias

from ..errors import (
    ArrayNotFoundError,
    BaseZarrError,
    ContainsArrayAndGroupError,
    DamagedNodeWarning,
    GroupNotFoundError,
    NodeNotFoundError,
    NodeTypeValidationError,
    StoreError,
)
from ..meant import meant
from .consolidated import parse_node
from .keys import METADATA_KEYS, join_path
from .metadata import ArrayMetadata, GroupMetadata
from .requests import at_once
from .stores.protocol import Buffer, Store

__all__ = [
    "NodeMetadata",
    "ZarrFormat",
    "child_names",
    "children",
    "expect_array",
    "expect_group",
    "find_array",
    "find_group",
    "not_found",
    "read_node",
    "readable",
    "still_says",
    "walk",
]

NodeMetadata: TypeAlias = ArrayMetadata | GroupMetadata
ZarrFormat: TypeAlias = Literal[2, 3]


def read_node(store: Store, path: str, zarr_format: ZarrFormat | None = None) -> NodeMetadata | None:
    """The metadata of the node at a path, or None where there is none (of that format).

    Where documents of both formats lie, v3's counts. Raises MetadataValidationError for a damaged document,
    StoreError where the store fails.
    """
    documents = _read(store, path, ["zarr.json"]) if zarr_format != 2 else {}
    if not documents and zarr_format != 3:
        documents = _read(store, path, [".zarray", ".zgroup"])
        if len(documents) == 2:
            raise ContainsArrayAndGroupError(
                f"{store.url(path)} holds .zarray and .zgroup, an array and a group: delete the wrong one"
            )
        if documents:
            extra = [".zattrs", ".zmetadata"] if ".zgroup" in documents else [".zattrs"]
            documents |= _read(store, path, extra)
    return parse_node(documents, store.url(path))


def _read(store: Store, path: str, keys: Sequence[str]) -> dict[str, Buffer]:
    try:
        found = list(
            zip(keys, at_once(store, lambda key: store.get(join_path(path, key)), keys), strict=True)
        )
    except StoreError as error:
        if isinstance(error.__cause__, NotADirectoryError):  # the path leads through a file: no node is there
            return {}
        raise
    return {key: raw for key, raw in found if raw is not None}


def still_says(store: Store, path: str, documents: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a node is stored by these documents, byte for byte; False where more than one would have to be read."""
    (key, known), *others = documents
    return key == "zarr.json" and not others and _read(store, path, [key]).get(key) == known


def child_names(store: Store, path: str) -> list[str]:
    """The names below a path that may be nodes, sorted; raises StoreError where they cannot be listed."""
    if not store.lists:
        raise StoreError(
            f"{store.url(path)}: what it holds cannot be listed over HTTP, and it has no consolidated metadata. "
            'Open members by their names, g["x"]; or consolidate it where it is written: '
            "lz.consolidate_metadata(path)",
            path,
        )
    names = store.list_dir(path)
    return [name for name in names if name not in METADATA_KEYS and not name.startswith("__")]


def children(store: Store, path: str) -> Iterator[tuple[str, NodeMetadata]]:
    """Name and metadata of each node right below a path, by name.

    A node that is damaged is left out with a DamagedNodeWarning: the others can be worked with.
    """
    names = child_names(store, path)
    read = partial(readable, partial(read_node, store))
    if store.in_flight < 2:
        found: Iterable[NodeMetadata | None] = map(read, (join_path(path, name) for name in names))
    else:
        found = at_once(store, read, [join_path(path, name) for name in names])
    yield from ((name, node) for name, node in zip(names, found, strict=True) if node is not None)


def readable(read: Callable[[str], NodeMetadata | None], path: str) -> NodeMetadata | None:
    """What `read` gives of the node at a path; None, and a DamagedNodeWarning, where that is damaged."""
    try:
        return read(path)
    except BaseZarrError as error:
        text = f"{error} (left out of the group's members; opening it raises this)"
        warnings.warn(text, DamagedNodeWarning, stacklevel=2)
        return None


def walk(
    members: Callable[[str], Iterator[tuple[str, NodeMetadata]]], max_depth: int | None = None
) -> Iterator[tuple[str, NodeMetadata]]:
    """(path below, metadata) of the nodes below a group, `max_depth` groups deep: a group, then what it holds.

    `members` gives name and metadata of the nodes right in the group at a path below.
    """
    todo = [("", 0, members(""))]
    while todo:
        above, depth, nodes = todo[-1]
        name, node = next(nodes, (None, None))
        if name is None or node is None:
            todo.pop()
            continue
        below = join_path(above, name)
        yield below, node
        if isinstance(node, GroupMetadata) and (max_depth is None or depth < max_depth):
            todo.append((below, depth + 1, members(below)))


def find_array(store: Store, path: str, zarr_format: ZarrFormat | None = None) -> ArrayMetadata:
    """The metadata of the array at a path.

    Raises ArrayNotFoundError, which names what there is instead, NodeTypeValidationError for a group.
    """
    found = read_node(store, path, zarr_format)
    if found is None:
        raise not_found(store, path, "array", zarr_format)
    return expect_array(store, path, found)


def expect_array(store: Store, path: str, found: NodeMetadata) -> ArrayMetadata:
    """The metadata that was found, if it is an array's; raises NodeTypeValidationError."""
    if isinstance(found, ArrayMetadata):
        return found
    try:
        contents = _contents(found, child_names(store, path)) if store.lists else ""
    except StoreError:  # an HTTP server lists nothing
        contents = ""
    raise NodeTypeValidationError(
        f"{store.url(path)} is a group, not an array.{contents} open_group opens it"
    )


def find_group(store: Store, path: str, zarr_format: ZarrFormat | None = None) -> GroupMetadata:
    """The metadata of the group at a path.

    Raises GroupNotFoundError, which names what there is instead, NodeTypeValidationError for an array.
    """
    found = read_node(store, path, zarr_format)
    if found is None:
        raise not_found(store, path, "group", zarr_format)
    return expect_group(store, path, found)


def expect_group(store: Store, path: str, found: NodeMetadata) -> GroupMetadata:
    """The metadata that was found, if it is a group's; raises NodeTypeValidationError."""
    if isinstance(found, GroupMetadata):
        return found
    raise NodeTypeValidationError(
        f"{store.url(path)} is an array, {found.shape} {found.dtype}, not a group; open_array opens it"
    )


_ERRORS = {"array": ArrayNotFoundError, "group": GroupNotFoundError, "array or group": NodeNotFoundError}


def not_found(
    store: Store, path: str, kind: str, zarr_format: ZarrFormat | None = None, hint: str = ""
) -> NodeNotFoundError:
    """The error that says what there is near a path where no node is, unless a hint is known."""
    other = read_node(store, path) if zarr_format else None
    if other is not None:
        hint = f" A v{other.zarr_format} node is there: leave zarr_format={zarr_format} out."
    elif not hint:
        try:
            hint = _near(store, path)
        except StoreError as error:  # an HTTP server lists nothing
            hint = f" What lies around it is not known: {error}"
    return _ERRORS[kind](f"no {kind} at {store.url(path)}.{hint}")


def _near(store: Store, path: str) -> str:
    """What the nearest node above a path holds, and which of its names may have been meant."""
    names = path.split("/") if path else []
    if not store.lists:
        return ""
    for depth in range(len(names) - 1, -1, -1):
        above = "/".join(names[:depth])
        found = read_node(store, above)
        if isinstance(found, ArrayMetadata):
            return f" {store.url(above)} is an array, {found.shape} {found.dtype}; nothing lies below it."
        if found is not None:
            listed = child_names(store, above)
            return _contents(found, listed) + _meant(names[depth], listed)
    listed = child_names(store, "")
    if listed:
        held = f" {store.url()} holds {_listed(listed)}, but no metadata (zarr.json, .zgroup or .zarray)."
        return held + (_meant(names[0], listed) if names else "")
    return f" There is nothing at {store.url()}." + _meant(*_beside(store))


def _contents(group: GroupMetadata, names: Sequence[str]) -> str:
    return f" The v{group.zarr_format} group holds {_listed(names) if names else 'nothing'}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _beside(store: Store) -> tuple[str, Sequence[str]]:
    """The name of the store's own folder, where it has one, and the names beside it."""
    try:
        around, name = store.beside("")
        return name, around.list_dir() if name else []
    except StoreError:  # a folder that may not be listed: this is only for a hint
        return "", []


def _meant(name: str, names: Sequence[str]) -> str:
    close = meant(name, names)
    return f" Did you mean {close}?" if close else ""
