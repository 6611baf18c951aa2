"""Metadata of nodes that are to be made, in whatever form a user has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MetadataValidationError
from .consolidated import parse_node, without_consolidated
from .documents import new_document
from .lookup import NodeMetadata
from .metadata import ArrayMetadata, GroupMetadata

__all__ = ["new_node", "new_nodes"]


def new_nodes(nodes: Mapping[str, Any]) -> dict[str, NodeMetadata]:
    """The metadata of each node, by path. Raises MetadataValidationError, which names the path."""
    return {path: new_node(node, path) for path, node in nodes.items()}


def new_node(node: Any, where: str = "") -> NodeMetadata:
    """The metadata that an object describes: metadata of ours or of zarr-python, or the JSON of a document.

    Raises MetadataValidationError for what is none of those.

    >>> new_node({"zarr_format": 3, "node_type": "group", "attributes": {"title": "winds"}}).attributes
    {'title': 'winds'}
    """
    if isinstance(node, ArrayMetadata):
        return node
    if isinstance(node, GroupMetadata):
        return without_consolidated(node)
    members = node.to_dict() if hasattr(node, "to_dict") else node
    if not isinstance(members, Mapping):
        raise MetadataValidationError(
            f"{where or 'the node'}: {node!r} is no metadata; give z.metadata of an array or group, or the JSON "
            'of a document, as {"zarr_format": 3, "node_type": "group"}'
        )
    found = parse_node(_documents(members), where)
    if found is None:
        raise MetadataValidationError(f"{where or 'the node'}: {dict(members)!r} describes no array or group")
    return without_consolidated(found) if isinstance(found, GroupMetadata) else found


def _documents(members: Mapping[str, Any]) -> dict[str, Any]:
    """The documents of a node by key, from all its members in one mapping."""
    kept = {name: value for name, value in members.items() if name != "consolidated_metadata"}
    if kept.get("zarr_format") != 2:
        return {"zarr.json": new_document(kept)}
    kept.pop("node_type", None)
    attributes = kept.pop("attributes", None)
    main = ".zarray" if "shape" in kept else ".zgroup"
    documents = {main: new_document(kept)}
    return documents | ({".zattrs": new_document(attributes)} if attributes else {})
