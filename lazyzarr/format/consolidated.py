"""Consolidated metadata: what a group says of all nodes below it, read and kept true. Pure functions, no I/O.

v3 keeps it in the group's zarr.json (member "consolidated_metadata", Zarr v3 core, "Consolidated metadata"),
v2 in a document of its own, .zmetadata (a convention of zarr-python 2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..errors import InvalidKeyError, MetadataValidationError
from . import metadata_v2, metadata_v3
from .documents import Document, loads, new_document
from .keys import join_path, normalize_path
from .metadata import ArrayMetadata, GroupMetadata

__all__ = [
    "Consolidated",
    "consolidate",
    "parse_node",
    "read_consolidated",
    "refresh",
    "without_consolidated",
]

Documents: TypeAlias = Mapping[str, Any]
"""A node's documents by key below it: "zarr.json", or ".zarray" or ".zgroup" and ".zattrs"."""

_MEMBER = "consolidated_metadata"


def parse_node(documents: Documents, where: str = "") -> ArrayMetadata | GroupMetadata | None:
    """A node's metadata from its documents (bytes or Documents), or None where they are no node's.

    Raises MetadataValidationError, which names `where`.

    >>> parse_node({".zgroup": b'{"zarr_format": 2}'}).zarr_format
    2
    """
    if "zarr.json" in documents:
        document = _document(documents["zarr.json"], f"{where}/zarr.json" if where else "zarr.json")
        is_group = document.value.get("node_type") == "group"
        parse = metadata_v3.parse_group if is_group else metadata_v3.parse_array
        return parse({"zarr.json": document}, where)
    if ".zarray" in documents:
        return metadata_v2.parse_array(documents, where)
    if ".zgroup" in documents:
        return metadata_v2.parse_group(documents, where)
    return None


class Consolidated:
    """What a group's consolidated metadata holds: the documents of each node below it.

    Nodes are parsed when they are asked for, so that a hierarchy of many opens at once.
    """

    __slots__ = ("_all", "_names", "_root")

    def __init__(self, documents: Mapping[str, Mapping[str, Document]]) -> None:
        self._all: dict[str, Mapping[str, Document]] = {}
        self._root = ""
        self._names: dict[str, dict[str, None]] = {}
        for path, found in documents.items():
            self.put(path, found)

    def put(self, path: str, documents: Mapping[str, Document] | None) -> None:
        """Note what the node at a path is now, or that it is gone with all below it (None).

        All that were made by `below` know it, too. A path that is no node's is left out.
        """
        if not _is_path(path):  # it would lead out of the store, or a walk round and round
            return
        place = join_path(self._root, path)
        above, _, name = place.rpartition("/")
        if documents is not None:
            self._all[place] = documents
            self._names.setdefault(above, {})[name] = None
            return
        for below in self.names(path):
            self.put(f"{path}/{below}", None)
        self._all.pop(place, None)
        self._names.get(above, {}).pop(name, None)

    @property
    def documents(self) -> dict[str, Mapping[str, Document]]:
        """The documents of each node, by its path relative to the group."""
        start = f"{self._root}/" if self._root else ""
        return {
            path.removeprefix(start): found for path, found in self._all.items() if path.startswith(start)
        }

    def node(self, path: str, where: str = "") -> ArrayMetadata | GroupMetadata | None:
        """The metadata of the node at a path, or None where there is none."""
        documents = self._all.get(join_path(self._root, path))
        return None if documents is None else parse_node(documents, where)

    def names(self, path: str = "") -> list[str]:
        """The names of the nodes directly below a path, in the document's order."""
        return list(self._names.get(join_path(self._root, path), ()))

    def below(self, path: str) -> Consolidated:
        """The same for the group at a path."""
        inside = Consolidated({})
        inside._all, inside._names = self._all, self._names
        inside._root = join_path(self._root, path)
        return inside


def read_consolidated(group: GroupMetadata) -> Consolidated | None:
    """A group's consolidated metadata, or None where it has none.

    Raises MetadataValidationError where it has another form than the two known ones.
    """
    if group.consolidated is None:
        return None
    entries = group.consolidated.get("metadata")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise MetadataValidationError(
            "the consolidated metadata holds no object of metadata documents; consolidate the group again"
        )
    if group.zarr_format == 3:
        return Consolidated({path: {"zarr.json": _Copy(_alone(entry))} for path, entry in entries.items()})
    nodes: dict[str, dict[str, Document]] = {}
    for place, entry in entries.items():
        path, _, key = place.rpartition("/")
        if path:
            nodes.setdefault(path, {})[key] = _Copy(entry)
    return Consolidated(
        {path: node for path, node in nodes.items() if ".zattrs" not in node or len(node) > 1}
    )


def _is_path(path: str) -> bool:
    try:
        return bool(path) and normalize_path(path) == path
    except InvalidKeyError:
        return False


class _Copy(Document):
    """An entry of consolidated metadata: a copy of a node's document that says the same in words of its own.

    They are spelled when they are asked for: a hierarchy of many is opened for the sake of a few.
    """

    __slots__ = ()

    def __init__(self, value: dict[str, Any]) -> None:
        object.__setattr__(self, "value", value)

    @property
    def text(self) -> str:
        """The JSON text."""
        return json.dumps(self.value)

    def __reduce__(self) -> tuple[type[Document], tuple[dict[str, Any]]]:
        return _Copy, (self.value,)


def _alone(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without what zarr-python adds to those of groups: the parent's entries are the only ones."""
    return {name: item for name, item in entry.items() if name != _MEMBER} if _MEMBER in entry else entry


def _own(entry: Document) -> Document:
    """The same of a document, in its words."""
    return entry.edited(_alone(entry.value)) if _MEMBER in entry.value else entry


def refresh(group: GroupMetadata, path: str, documents: Documents | None) -> GroupMetadata:
    """The group with its entry for one node below it made true: that of `documents`, or none for None.

    `path` is relative to the group. With None the entries of the nodes below go, too. A group without
    consolidated metadata, or with that of an unknown form, is given back as it is. In v2 the path ""
    refreshes what `.zmetadata` says of the group itself.

    >>> group = consolidate(metadata_v3.build_group(), {})
    >>> group = refresh(group, "u", {"zarr.json": b'{"zarr_format": 3, "node_type": "group"}'})
    >>> read_consolidated(group).names(), read_consolidated(refresh(group, "u", None)).names()
    (['u'], [])
    """
    member = group.consolidated
    if member is None or not isinstance(member.get("metadata"), dict):
        return group
    if group.zarr_format == 3 and not path:
        return group
    entries = _without(member["metadata"], path, documents is None)
    if documents is not None:
        entries |= _entries(group.zarr_format, path, documents)
    return _with_member(group, {**member, "metadata": entries})


def _entries(zarr_format: int, path: str, documents: Documents) -> dict[str, Document]:
    """What consolidated metadata holds of one node."""
    fresh = {key: _own(_document(raw, key)) for key, raw in documents.items() if key != ".zmetadata"}
    if zarr_format == 3:
        return {path: fresh["zarr.json"]}
    return {join_path(path, key): entry for key, entry in fresh.items()}


def _without(entries: Mapping[str, Any], path: str, recursive: bool) -> dict[str, Any]:
    """The entries without a v2 node's documents that are no more there, and without all that is deleted."""
    stale = {f"{path}/{key}" if path else key for key in (".zarray", ".zgroup", ".zattrs")}
    start = f"{path}/"
    return {
        place: entry
        for place, entry in entries.items()
        if not (recursive and (place == path or place.startswith(start))) and place not in stale
    }


def _document(document: Any, key: str) -> Document:
    return document if isinstance(document, Document) else loads(document, key)


def consolidate(group: GroupMetadata, nodes: Mapping[str, Documents]) -> GroupMetadata:
    """The group with consolidated metadata that holds exactly these nodes, by relative path."""
    entries: dict[str, Any] = {} if group.zarr_format == 3 else _entries(2, "", group.documents)
    for path, documents in nodes.items():
        entries |= _entries(group.zarr_format, path, documents)
    if group.zarr_format == 3:
        return _with_member(group, {"kind": "inline", "must_understand": False, "metadata": entries})
    return _with_member(group, {"zarr_consolidated_format": 1, "metadata": entries})


def without_consolidated(group: GroupMetadata) -> GroupMetadata:
    """The group without consolidated metadata.

    >>> group = consolidate(metadata_v3.build_group(), {})
    >>> without_consolidated(group).consolidated is None
    True
    """
    if group.consolidated is None:
        return group
    kept = {key: document for key, document in group.documents.items() if key != ".zmetadata"}
    if group.zarr_format == 3:
        kept = {"zarr.json": _own(group.document)}
    return replace(group, documents=kept)


def _with_member(group: GroupMetadata, member: Mapping[str, Any]) -> GroupMetadata:
    """The group with another object of consolidated metadata."""
    if group.zarr_format == 3:
        document = group.document.edited(group.document.value | {_MEMBER: member})
        return replace(group, documents={"zarr.json": document})
    old = group.documents.get(".zmetadata")
    document = new_document(member) if old is None else old.edited(member)
    return replace(group, documents={**group.documents, ".zmetadata": document})
