"""What concerns many nodes at once: made from their metadata, and described in one document above them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import BaseZarrError
from . import commit
from .array import Array
from .consolidated import read_consolidated
from .group import Group
from .lookup import NodeMetadata, ZarrFormat, read_node
from .metadata import ArrayMetadata
from .new_nodes import new_nodes
from .resolve import StoreLike, resolve
from .stores.protocol import Store

__all__ = ["consolidate_metadata", "create_hierarchy"]


def consolidate_metadata(
    store: StoreLike,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    *,
    metadata_key: str = ".zmetadata",
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """The group, after the metadata of all nodes below it was stored in one document with its own.

    Whoever opens the group with it (`open_consolidated`) looks for no member. Changes made by lazyzarr keep it
    true; after those of other programs, consolidate again. `metadata_key` is accepted as zarr-python 2 has it.

    Raises GroupNotFoundError, NodeTypeValidationError, ReadOnlyStoreError, StoreError.

    >>> _ = lz.create_array("data.zarr/wind/u", shape=(4,), dtype="f4")
    >>> lz.consolidate_metadata("data.zarr")
    <Group file://data.zarr>
    >>> lz.open_consolidated("data.zarr")["wind/u"]
    <Array file://data.zarr/wind/u shape=(4,) dtype=float32>
    """
    if metadata_key != ".zmetadata":
        raise BaseZarrError(
            f"metadata_key={metadata_key!r}: every reader looks for '.zmetadata'; leave it out"
        )
    place, at = resolve(store, path, storage_options=storage_options)
    group = commit.consolidate_group(place, at, zarr_format)
    return Group(place, at, group, read_consolidated(group))


def create_hierarchy(
    *,
    store: StoreLike,
    nodes: Mapping[str, Any],
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, Array | Group]]:
    """(path, array or group) of many new nodes, made at once from their metadata.

    Parameters
    ----------
    store : path, Store, dict or group
        Where they are made.
    nodes : mapping
        Path to metadata: that of another array or group (`z.metadata`), of zarr-python, or the JSON of a document.
        Groups between that are missing are made, too, and given.
    overwrite : bool
        Replace what is at one of the paths, with all that it holds.

    Raises ContainsArrayError or ContainsGroupError where a node is, MetadataValidationError, InvalidKeyError,
    ReadOnlyStoreError; nothing is made then. All are made when the call returns.

    >>> u = lz.zeros((4, 6), chunks=(2, 3)).metadata
    >>> made = lz.create_hierarchy(store="data.zarr", nodes={"a/u": u, "a/v": u})
    >>> [path for path, _ in made]
    ['', 'a', 'a/u', 'a/v']
    """
    place, at = resolve(store, storage_options=storage_options)
    wanted = new_nodes(nodes)
    if wanted and "" not in wanted and read_node(place, at) is None:
        first = next(iter(wanted.values()))
        wanted[""] = new_nodes({"": _group_document(first.zarr_format)})[""]
    made = commit.create_hierarchy(place, at, wanted, overwrite=overwrite)
    return ((below, _opened(place, at, below, node)) for below, node in made)


def _group_document(zarr_format: ZarrFormat) -> dict[str, Any]:
    return {"zarr_format": zarr_format} | ({"node_type": "group"} if zarr_format == 3 else {})


def _opened(store: Store, path: str, below: str, node: NodeMetadata) -> Array | Group:
    at = "/".join(filter(None, (path, below)))
    return Array(store, at, node) if isinstance(node, ArrayMetadata) else Group(store, at, node)
