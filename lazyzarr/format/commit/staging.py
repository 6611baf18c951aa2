"""A node built aside, and put in its place in one step.

1. Stage: make `__lazyzarr-<run>` beside the target (runs.py), and store the metadata in `node` below it.
   Nobody lists a name that begins so.
2. The data is written to that path, as to any array.
3. Publish, "w-": rename `node` to the target, which fails if something is there.
   Publish, "w": take the target's lock, so that no writer is within; let `node` and the target trade places.
   Whoever wants to write to the old array then finds it replaced (ArrayReplacedError); whoever reads it goes
   on until it misses a chunk, and is told so.
4. Remove `__lazyzarr-<run>`, with the old array in it.

A kill leaves the old array or none, or the new one, and what the next stage beside it sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ...errors import ArrayReplacedError, StoreError
from ..keys import join_path, normalize_path
from ..locks import array_lock
from ..lookup import NodeMetadata
from ..metadata import ArrayMetadata
from ..stores.protocol import Store
from .consolidation import refresh_above
from .documents import store_new
from .keywise import delete_keys, move_keys, replace_keys
from .places import check_place, leftover_chunks, make_groups_above, making_lock, unmake_groups
from .runs import begin_run, end_run, trade

__all__ = ["StagedArray", "StagedNode", "stage_array", "stage_node"]

_OTHERS_WIN = 16  # how often others may change the target while it is replaced, before that fails
Mode = Literal["w-", "w"]


@dataclass(frozen=True, eq=False)
class StagedNode:
    """A node that is built aside; it pickles, and any process that reaches the store may publish it."""

    store: Store
    """Where it is built; below it, `path`."""
    path: str
    metadata: NodeMetadata
    target_store: Store
    """Where it belongs; below it, `target`."""
    target: str
    mode: Mode
    """Whether a node at the target refuses it ("w-") or is replaced ("w")."""
    published: list[bool] = field(default_factory=list)
    """Holds something once a node that was built in its place is complete."""

    @property
    def url(self) -> str:
        """Where it will be."""
        return self.target_store.url(self.target)

    def publish(self) -> NodeMetadata:
        """Put it in its place, and give its metadata there: who looks sees what was there before, or all of it.

        Raises ContainsArrayError or ContainsGroupError if another node came there first and is not to be
        replaced, StoreError.
        """
        made = make_groups_above(self.target_store, self.target, self.metadata)
        try:
            placed = self.metadata if self._is_in_place() else self._take_place()
        except BaseException:
            unmake_groups(self.target_store, made)
            raise
        if self._is_in_place():
            self.published.append(True)
        self.discard()
        made = [*made, *make_groups_above(self.target_store, self.target, self.metadata)]
        for path in made:
            refresh_above(self.target_store, path)
        refresh_above(self.target_store, self.target, anew=True)
        return placed

    def discard(self) -> None:
        """Remove what was built and not published; nothing else is touched."""
        if not self._is_in_place():
            end_run(self.store, self.path.rpartition("/")[0])
        elif not self.published:
            delete_keys(self.target_store, self.target)

    def _is_in_place(self) -> bool:
        return self.target_store.transactional and self.path == self.target

    def _take_place(self) -> NodeMetadata:
        for _ in range(_OTHERS_WIN):
            replace = check_place(self.target_store, self.target, self.metadata, self.mode == "w")
            if not self.target_store.renames:
                placed = self._replace_keys() if replace else self._take_keys()
                if placed is not None:
                    return placed
            elif self._replace() if replace else self._take():
                return self.metadata
        raise StoreError(f"{self.url} was changed by others each time it was to be replaced", self.target)

    def _replace(self) -> bool:
        """Trade places with the node at the target; whether it was still there."""
        base, target = self.target_store.beside(self.target)
        try:
            with array_lock(self.target_store, self.target).alone():
                return trade(base, self.path, target)
        except ArrayReplacedError:
            return False

    def _replace_keys(self) -> NodeMetadata | None:
        """Take the place of the node at the target, key by key; its metadata then."""
        base, target = self.target_store.beside(self.target)
        with array_lock(self.target_store, self.target).alone():
            return replace_keys(base, self.path, target, self.metadata)

    def _take_keys(self) -> NodeMetadata | None:
        """Take a place where no node is, key by key; its metadata then, None where there is one."""
        base, target = self.target_store.beside(self.target)
        with making_lock(self.target_store, self.target):
            left = leftover_chunks(self.target_store, self.target, self.metadata)
            if self.mode == "w":
                for name in left:
                    self.target_store.delete(join_path(self.target, name))
            elif left:
                return None
            done = move_keys(base, self.path, target, self.metadata)
        return self.metadata if done else None

    def _take(self) -> bool:
        """Take a place where no node is; whether there was none."""
        base, target = self.target_store.beside(self.target)
        if self.mode == "w":
            for name in leftover_chunks(self.target_store, self.target, self.metadata):
                self.target_store.delete(join_path(self.target, name))
        return base.swap_prefix(self.path, target, replace=False) or self._take_around(base, target)

    def _take_around(self, base: Store, target: str) -> bool:
        """Take a place in which something lies that is no node, key by key, metadata last."""
        documents = [join_path(self.path, key) for key in self.metadata.documents]
        keys = [key for key in base.list(self.path) if key not in documents]
        for key in [*keys, *documents[1:]]:
            value = base.get(key)
            assert value is not None
            base.set(join_path(target, key[len(self.path) + 1 :]), value)
        return store_new(base, target, self.metadata)


@dataclass(frozen=True, eq=False)
class StagedArray(StagedNode):
    """An array that is built aside: see StagedNode."""

    metadata: ArrayMetadata


def stage_node(store: Store, path: str, metadata: NodeMetadata, mode: Mode) -> StagedNode:
    """A node to be built aside, for the place at a path of a store; raises as `stage_array`."""
    base, node = _begin(store, path := normalize_path(path), metadata, mode)
    return StagedNode(base, node, metadata, store, path, mode)


def stage_array(store: Store, path: str, metadata: ArrayMetadata, mode: Mode) -> StagedArray:
    """An array to be built aside, for the place at a path of a store.

    Raises ContainsArrayError or ContainsGroupError for mode "w-" where a node is, ContainsNodeError for what
    is no node and stands in the way, ReadOnlyStoreError, InvalidKeyError.
    """
    base, node = _begin(store, path := normalize_path(path), metadata, mode)
    return StagedArray(base, node, metadata, store, path, mode)


def _begin(store: Store, path: str, metadata: NodeMetadata, mode: Mode) -> tuple[Store, str]:
    """The store and path where a node is built, its metadata stored there."""
    if not check_place(store, path, metadata, mode == "w") and store.transactional:
        return store, _begin_in_place(store, path, metadata)
    base, target = store.beside(path)
    run = begin_run(base, target)
    try:
        store_new(base, join_path(run, "node"), metadata)
    except BaseException:
        end_run(base, run)
        raise
    return base, join_path(run, "node")


def _begin_in_place(store: Store, path: str, metadata: NodeMetadata) -> str:
    """Where no node is, and nobody looks before the store's own commit, a node is built where it belongs."""
    made = make_groups_above(store, path, metadata)
    try:
        store_new(store, path, metadata)
    except BaseException:
        unmake_groups(store, made)
        raise
    return path
