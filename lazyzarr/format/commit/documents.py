"""The documents of one node, stored."""

from __future__ import annotations

from ...errors import ArrayReplacedError
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
            _replace(store, join_path(path, key), before.get(key), raw)


def _replace(store: Store, key: str, before: bytes | None, raw: bytes) -> None:
    """Store a document in the place of what it was made from.

    In a store that compares only if that is there still: other programs know nothing of our locks.
    """
    if not store.compares:
        store.set(key, raw)
        return
    found = store.get_known(key)
    there = None if found is None else bytes(found[0])
    if there != before or not store.set_if(key, raw, None if found is None else found[1]):
        raise ArrayReplacedError(
            f"{store.url(key)} was changed by another program just now, so this change was not stored; repeat it"
        )
