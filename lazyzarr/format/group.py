"""The group: a mapping from names to arrays and groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import ArrayLike

from ..errors import InvalidKeyError
from . import commit
from .array import Array
from .consolidated import Consolidated
from .group_arrays import ArrayMaker
from .info import Info
from .keys import join_path
from .lookup import NodeMetadata, children, not_found, read_node
from .making import make_group, require_group
from .metadata import ArrayMetadata, GroupMetadata
from .stores.protocol import Store
from .tree import Branch, Tree

__all__ = ["Group"]


class Group(ArrayMaker, Mapping[str, "Array | Group"]):
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
            raise not_found(self._store, path, "array or group")
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

    def _refuse_itself(self, name: str, path: str) -> None:
        """Refuse a name, of what is to be deleted or replaced, that means the group or one around it."""
        if path in (self._path, "") or self._path.startswith(f"{path}/"):
            which = "this group itself" if path == self._path else f"a group around {self._url()}"
            raise InvalidKeyError(
                f"{name!r} is {which}, {self._store.url(path)}, and nothing was changed; delete a group from "
                f"the one above it, or empty it by lz.create_group({self._store.url(path)!r}, overwrite=True)"
            )

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._read(self._path_of(name)) is not None

    def __iter__(self) -> Iterator[str]:
        """The names of the arrays and groups right in this group, sorted."""
        return (name for name, _ in self._children())

    def __len__(self) -> int:
        return sum(1 for _ in self._children())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.store_path == other.store_path

    def __hash__(self) -> int:
        return hash(self.store_path)

    def __repr__(self) -> str:
        return f"<Group {self._url()}>"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    # What is in it.

    def members(self, max_depth: int | None = 0) -> tuple[tuple[str, Array | Group], ...]:
        """(path below this group, array or group) of what it holds, `max_depth` groups deep; None: all."""
        return tuple(
            (below, self._open(join_path(self._path, below), node)) for below, node in self._walk(max_depth)
        )

    def nmembers(self, max_depth: int | None = 0) -> int:
        """The number of arrays and groups, `max_depth` groups deep; None: all."""
        return sum(1 for _ in self._walk(max_depth))

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """(name, array) of each array right in this group."""
        for name, member in self.items():
            if isinstance(member, Array):
                yield name, member

    def array_keys(self) -> Iterator[str]:
        """The names of the arrays right in this group."""
        return (name for name, node in self._children() if isinstance(node, ArrayMetadata))

    def array_values(self) -> Iterator[Array]:
        """The arrays right in this group."""
        return (array for _, array in self.arrays())

    def groups(self) -> Iterator[tuple[str, Group]]:
        """(name, group) of each group right in this group."""
        for name, member in self.items():
            if isinstance(member, Group):
                yield name, member

    def group_keys(self) -> Iterator[str]:
        """The names of the groups right in this group."""
        return (name for name, node in self._children() if isinstance(node, GroupMetadata))

    def group_values(self) -> Iterator[Group]:
        """The groups right in this group."""
        return (group for _, group in self.groups())

    def tree(self, expand: bool | None = None, level: int | None = None, *, max_nodes: int = 500) -> Tree:
        """What the group holds, drawn as a tree.

        `level` is how many groups deep (all, if not given), `max_nodes` how many lines; `expand` is accepted.
        """
        branches: list[Branch] = []
        lists = {"": branches}
        for count, (path, node) in enumerate(self._walk(None if level is None else level - 1)):
            above, _, name = path.rpartition("/")
            below: list[Branch] = []
            if count >= max_nodes:
                branches.append((f"... more than {max_nodes} arrays and groups", below))
                break
            label = f"{name} {node.shape} {node.dtype}" if isinstance(node, ArrayMetadata) else name
            lists[above].append((label, below))
            lists[path] = below
        return Tree(self.name, branches)

    @property
    def info(self) -> Info:
        """A summary that prints as text and shows as a table in notebooks."""
        nodes = [node for _, node in self._children()]
        arrays = sum(isinstance(node, ArrayMetadata) for node in nodes)
        return Info(
            [
                ("Name", self._path),
                ("Type", "Group"),
                ("Zarr format", self.zarr_format),
                ("Read-only", self.read_only),
                ("Store type", type(self._store).__name__),
                ("No. members", len(nodes)),
                ("No. arrays", arrays),
                ("No. groups", len(nodes) - arrays),
            ]
        )

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
        return Group(self._store, path, found)

    def require_groups(self, *names: str) -> tuple[Group, ...]:
        """The groups of those names, each made if there is none."""
        return tuple(self.require_group(name) for name in names)

    def __reduce__(self) -> tuple[type[Group], tuple[Store, str, GroupMetadata, Consolidated | None]]:
        return Group, (self._store, self._path, self._metadata, self._consolidated)

    # How it looks: into the store, or into the consolidated metadata it was opened with.

    def _read(self, path: str) -> NodeMetadata | None:
        below = f"{self._path}/" if self._path else ""
        if self._consolidated is None or not path.startswith(below):
            return read_node(self._store, path)
        return self._consolidated.node(path.removeprefix(below), self._store.url(path))

    def _children(self, path: str | None = None) -> Iterator[tuple[str, NodeMetadata]]:
        """(name, metadata) of each node right in a group, by name."""
        path = self._path if path is None else path
        if self._consolidated is None:
            yield from children(self._store, path)
            return
        below = path.removeprefix(self._path).lstrip("/")
        for name in sorted(self._consolidated.names(below)):
            found = self._read(join_path(path, name))
            if found is not None:
                yield name, found

    def _walk(self, max_depth: int | None) -> Iterator[tuple[str, NodeMetadata]]:
        """(path below this group, metadata) of the nodes in it: a group, then what it holds."""
        todo = [("", 0, self._children())]
        while todo:
            above, depth, nodes = todo[-1]
            name, node = next(nodes, (None, None))
            if name is None or node is None:
                todo.pop()
                continue
            below = join_path(above, name)
            yield below, node
            if isinstance(node, GroupMetadata) and (max_depth is None or depth < max_depth):
                todo.append((below, depth + 1, self._children(join_path(self._path, below))))

    def _open(self, path: str, found: NodeMetadata) -> Array | Group:
        if isinstance(found, ArrayMetadata):
            return Array(self._store, path, found)
        below = path[len(self._path) :].lstrip("/")
        inside = self._consolidated.below(below) if self._consolidated is not None else None
        return Group(self._store, path, found, inside)
