"""The group: a mapping from names to arrays and groups."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from numpy.typing import ArrayLike

from ..errors import InvalidKeyError, LazyzarrError, NodeNotFoundError
from . import commit
from .array import Array
from .consolidated import Consolidated
from .group_members import GroupMembers
from .info import Info
from .keys import join_path
from .lookup import (
    NodeMetadata,
    ZarrFormat,
    children,
    expect_array,
    expect_group,
    find_group,
    not_found,
    read_node,
    walk,
)
from .making import make_group, require_group
from .metadata import ArrayMetadata, GroupMetadata
from .new_nodes import new_nodes
from .resolve import StoreLike, resolve
from .slots import AsyncGroup, make_async
from .stores.protocol import Store

__all__ = ["Group"]

# Members that a notebook shows; the others are counted by whoever asks for the tree.
MOST_SHOWN = 60


class Group(GroupMembers, Mapping[str, "Array | Group"]):
    """A group: a mapping from names to the arrays and groups in it.

    Names may be paths ("a/b"); one that begins with "/" is looked for from the root of the store. What is
    got, listed or counted is what the store holds at that moment.

    >>> root = lz.group()
    >>> z = root.create_array("wind/u", shape=(4,), dtype="f4")
    >>> root.tree()
    /
    └── wind
        └── u (4,) float32
    >>> list(root["wind"]), "wind/u" in root
    (['u'], True)
    """

    def __init__(
        self, store: Store, path: str, metadata: GroupMetadata, consolidated: Consolidated | None = None
    ) -> None:
        super().__init__(store, path, metadata)
        self._consolidated = consolidated

    # The mapping.

    def __getitem__(self, name: str) -> Array | Group:
        """The array or group of that name; raises NodeNotFoundError, which is a KeyError."""
        path = self._path_of(name)
        found = self._read(path)
        if found is None:
            raise self._not_found(path, "array or group")
        return self._open(path, found)

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        """Store an array under that name, in the place of what is there.

        Raises InvalidKeyError for the name of the group itself ("") or of one around it ("/").
        """
        self._refuse_itself(name, self._path_of(name))
        self.create_array(name, data=value, overwrite=True)

    def __delitem__(self, name: str) -> None:
        """Delete an array or group with all that it holds; raises NodeNotFoundError, which is a KeyError.

        Raises InvalidKeyError for the name of the group itself ("") or of one around it ("/").
        """
        path = self._path_of(name)
        self._refuse_itself(name, path)
        self._store.check_writable(path)
        if read_node(self._store, path) is None:
            raise not_found(self._store, path, "array or group")
        commit.delete_node(self._store, path)
        self._note(path)

    def _refuse_itself(self, name: str, path: str) -> None:
        """Refuse a name, of what is to be deleted or replaced, that means the group or one around it."""
        if path in (self._path, "") or self._path.startswith(f"{path}/"):
            which = "this group itself" if path == self._path else f"a group around {self._url()}"
            raise InvalidKeyError(
                f"{name!r} is {which}, {self._store.url(path)}, and nothing was changed; delete a group from "
                f"the one above it, or empty it by lz.create_group({self._store.url(path)!r}, overwrite=True)"
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.store_path == other.store_path

    def __hash__(self) -> int:
        return hash(self.store_path)

    def __repr__(self) -> str:
        return f"<Group {self._url()}>"

    def _repr_html_(self) -> str:
        """What the group holds as a tree, and its attributes, folded, for notebooks."""
        facts = Info(
            [("Group", self._url()), ("Zarr format", self.zarr_format), ("Read-only", self.read_only)]
        )
        try:
            below = self.tree(max_nodes=MOST_SHOWN)._repr_html_()
        except LazyzarrError as error:  # the group is shown all the same
            below = f"<pre>{escape(str(error))}</pre>"
        attributes = self._metadata.attributes
        if not attributes:
            return f"<div>{facts._repr_html_()}{below}</div>"
        written = escape(json.dumps(attributes, indent=2, ensure_ascii=False, default=str))
        folded = f"<details><summary>Attributes: {len(attributes)}</summary><pre>{written}</pre></details>"
        return f"<div>{facts._repr_html_()}{below}{folded}</div>"

    def _ipython_key_completions_(self) -> list[str]:
        try:
            return list(self)
        except LazyzarrError:  # completion is no place to hear of it
            return []

    def __getattr__(self, name: str) -> Array | Group:
        """The member of that name, where no attribute is called so: `g.foo` is `g["foo"]`."""
        if not name.startswith("_"):
            found = self._read(self._path_of(name))
            if found is not None:
                return self._open(self._path_of(name), found)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *filter(str.isidentifier, self._ipython_key_completions_())]

    def get_array(self, path: str) -> Array:
        """The array of that name; raises ArrayNotFoundError, NodeTypeValidationError for a group."""
        at = self._path_of(path)
        found = self._read(at)
        if found is None:
            raise self._not_found(at, "array")
        return Array(self._store, at, expect_array(self._store, at, found))

    def get_group(self, path: str) -> Group:
        """The group of that name; raises GroupNotFoundError, NodeTypeValidationError for an array."""
        at = self._path_of(path)
        found = self._read(at)
        if found is None:
            raise self._not_found(at, "group")
        group = self._open(at, expect_group(self._store, at, found))
        assert isinstance(group, Group)
        return group

    def _not_found(self, path: str, kind: str) -> NodeNotFoundError:
        """The error for a name that is nowhere, or that the consolidated metadata does not know of."""
        hint = ""
        if self._consolidated is not None and read_node(self._store, path) is not None:
            hint = (
                f" It was stored after the metadata of {self._url()} was consolidated: lz.open_group finds it, "
                "lz.consolidate_metadata makes it known."
            )
        return not_found(self._store, path, kind, hint=hint)

    # Groups in it.

    def create_group(
        self, name: str, *, attributes: Mapping[str, Any] | None = None, overwrite: bool = False
    ) -> Group:
        """A new group, and the groups above it that are missing; raises ContainsNodeError where a node is.

        `overwrite` replaces what is there, with all that it holds.
        """
        path = self._path_of(name)
        metadata = make_group(
            self._store, path, attributes=attributes, zarr_format=self.zarr_format, overwrite=overwrite
        )
        self._note(path)
        return Group(self._store, path, metadata)

    def require_group(
        self, name: str, *, attributes: Mapping[str, Any] | None = None, overwrite: bool = False
    ) -> Group:
        """The group of that name, made if there is none (with `overwrite`: always).

        Raises NodeTypeValidationError where an array is.
        """
        path = self._path_of(name)
        found = require_group(
            self._store, path, attributes=attributes, zarr_format=self.zarr_format, overwrite=overwrite
        )
        self._note(path)
        return Group(self._store, path, found)

    def require_groups(self, *names: str) -> tuple[Group, ...]:
        """The groups of those names, each made if there is none."""
        return tuple(self.require_group(name) for name in names)

    def create_groups(self, *names: str) -> tuple[Group, ...]:
        """New groups of those names; raises as `create_group` for the first that cannot be made."""
        return tuple(self.create_group(name) for name in names)

    def create_hierarchy(
        self, nodes: Mapping[str, Any], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Array | Group]]:
        """(path below this group, array or group) of many new nodes, made at once from their metadata.

        As `lazyzarr.create_hierarchy`, with paths below this group.

        >>> root, u = lz.group(), lz.zeros((4, 6), chunks=(2, 3)).metadata
        >>> [name for name, _ in root.create_hierarchy({"a/u": u, "a/v": u})]
        ['a', 'a/u', 'a/v']
        """
        made = commit.create_hierarchy(self._store, self._path, new_nodes(nodes), overwrite=overwrite)
        for below, node in made:
            self._note(join_path(self._path, below), node)
        return ((below, self._open(join_path(self._path, below), node)) for below, node in made)

    def move(self, source: str, dest: str) -> None:
        """Move an array or group to another name, with all that it holds; both count from this group.

        Raises NodeNotFoundError, ContainsArrayError or ContainsGroupError where a node is at `dest`,
        InvalidKeyError, ReadOnlyStoreError, StoreError.

        >>> root = lz.group()
        >>> _ = root.zeros("a/u", shape=(2,))
        >>> root.move("a/u", "b/v")
        >>> [name for name, _ in root.members(None)]
        ['a', 'b', 'b/v']
        """
        old, new = self._path_of(source), self._path_of(dest)
        self._refuse_itself(source, old)
        self._refuse_itself(dest, new)
        if self._read(old) is None:
            raise not_found(self._store, old, "array or group")
        commit.move_node(self._store, old, new)
        for path in (old, new):
            self._note(path)
        inside = walk(lambda below: children(self._store, join_path(new, below)))
        for below, node in inside if self._consolidated is not None else ():
            self._note(join_path(new, below), node)

    # Opened by the class, as in zarr-python 3.

    @classmethod
    def open(cls, store: StoreLike, zarr_format: ZarrFormat | None = None) -> Group:
        """The group at a place; raises GroupNotFoundError, NodeTypeValidationError."""
        place, path = resolve(store)
        return Group(place, path, find_group(place, path, zarr_format))

    @classmethod
    def from_store(
        cls,
        store: StoreLike,
        *,
        attributes: Mapping[str, Any] | None = None,
        zarr_format: ZarrFormat = 3,
        overwrite: bool = False,
    ) -> Group:
        """A new group at a place; raises as `create_group`."""
        place, path = resolve(store)
        made = make_group(place, path, attributes=attributes, zarr_format=zarr_format, overwrite=overwrite)
        return Group(place, path, made)

    @property
    def async_group(self) -> AsyncGroup:
        """The AsyncGroup over this group."""
        return make_async(self)

    def __reduce__(self) -> tuple[type[Group], tuple[Any, ...], dict[str, Any]]:
        arguments = (self._store, self._path, self._metadata, self._consolidated)
        return Group, arguments, {"_listed": self._listed}

    def _open(self, path: str, found: NodeMetadata) -> Array | Group:
        if isinstance(found, ArrayMetadata):
            return Array(self._store, path, found)
        below = path[len(self._path) :].lstrip("/")
        known = self._known()
        group = Group(self._store, path, found, self._consolidated and self._consolidated.below(below))
        group._listed = None if known is None else known.below(below)
        return group
