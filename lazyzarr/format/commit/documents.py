"""The documents of one node, stored."""

from __future__ import annotations

from ..keys import join_path
from ..lookup import NodeMetadata
from ..stores.protocol import Store

__all__ = ["store_changed", "store_new"]


def store_new(store: Store, path: str, node: NodeMetadata) -> bool:
    """Store the documents of a node where none is, the one that makes it a node last; whether none was."""
    (key, raw), *others = node.keys().items()
    for other, attributes in others:
        store.set(join_path(path, other), attributes)
    return store.set_if(join_path(path, key), raw, None)


def store_changed(store: Store, path: str, old: NodeMetadata, new: NodeMetadata) -> None:
    """Store those documents of a node that changed; an edit changes one of them."""
    before = old.keys()
    for key, raw in new.keys().items():
        if before.get(key) != raw:
            store.set(join_path(path, key), raw)
