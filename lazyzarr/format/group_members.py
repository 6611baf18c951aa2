"""What a group holds: listed, counted, visited, drawn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from functools import partial
from typing import Any, Self, TypeVar

from ..errors import BaseZarrError, InvalidKeyError
from .array import Array
from .consolidated import Consolidated, read_consolidated
from .group_arrays import ArrayMaker
from .info import Info
from .keys import join_path
from .lookup import NodeMetadata, children, read_node, readable, walk
from .metadata import ArrayMetadata, GroupMetadata
from .tree import Branch, Tree

__all__ = ["GroupMembers"]

Answer = TypeVar("Answer")


class GroupMembers(ArrayMaker):
    """A group as far as looking into it goes.

    A member whose metadata is damaged is left out with a DamagedNodeWarning; opening it says what is wrong.
    """

    _consolidated: Consolidated | None
    """What is believed of the members, if something is."""
    _listed: Consolidated | None = None
    """What members are listed from, where the store lists nothing; got by name, they are looked for."""

    @abstractmethod
    def _open(self, path: str, found: NodeMetadata) -> Array | Self:
        """The array or group at a path of the store."""

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self._read(self._path_of(name)) is not None
        except InvalidKeyError:  # no node has such a name
            return False
        except BaseZarrError:  # something is there, and getting it says what is wrong with it
            return True

    def __iter__(self) -> Iterator[str]:
        """The names of the arrays and groups right in this group, sorted."""
        return (name for name, _ in self._children())

    def __len__(self) -> int:
        return sum(1 for _ in self._children())

    def items(self) -> ItemsView[str, Array | Self]:
        """(name, array or group) of what is right in this group; to be iterated as often as wanted."""
        return _Items(self)  # type: ignore[arg-type]

    def values(self) -> ValuesView[Array | Self]:
        """The arrays and groups right in this group; to be iterated as often as wanted."""
        return _Values(self)  # type: ignore[arg-type]

    def members(
        self, max_depth: int | None = 0, *, use_consolidated_for_children: bool = True
    ) -> tuple[tuple[str, Array | Self], ...]:
        """(path below this group, array or group) of what it holds, `max_depth` groups deep; None: all.

        Without `use_consolidated_for_children` the groups among them look into the store, whatever this one does.
        """
        found = [(below, self._open(self._at(below), node)) for below, node in self._walk(max_depth)]
        if not use_consolidated_for_children:
            for _, node in found:
                if isinstance(node, GroupMembers):
                    node._consolidated = None
        return tuple(found)

    def nmembers(self, max_depth: int | None = 0) -> int:
        """The number of arrays and groups, `max_depth` groups deep; None: all."""
        return sum(1 for _ in self._walk(max_depth))

    def arrays(self, recurse: bool = False) -> Iterator[tuple[str, Array]]:
        """(name, array) of each array right in this group; with `recurse`, of those in groups in it, too."""
        for below, node in self._walk(None if recurse else 0):
            if isinstance(node, ArrayMetadata):
                array = self._open(self._at(below), node)
                assert isinstance(array, Array)
                yield array.basename, array

    def array_keys(self, recurse: bool = False) -> Iterator[str]:
        """The names of the arrays right in this group; with `recurse`, of those in groups in it, too."""
        walked = self._walk(None if recurse else 0)
        return (below.rpartition("/")[2] for below, node in walked if isinstance(node, ArrayMetadata))

    def array_values(self) -> Iterator[Array]:
        """The arrays right in this group."""
        return (array for _, array in self.arrays())

    def groups(self) -> Iterator[tuple[str, Self]]:
        """(name, group) of each group right in this group."""
        for name, node in self._children():
            group = self._open(self._at(name), node)
            if not isinstance(group, Array):
                yield name, group

    def group_keys(self) -> Iterator[str]:
        """The names of the groups right in this group."""
        return (name for name, node in self._children() if isinstance(node, GroupMetadata))

    def group_values(self) -> Iterator[Self]:
        """The groups right in this group."""
        return (group for _, group in self.groups())

    # Visited, as in zarr-python 2 and h5py: a group, then what it holds; the first answer but None ends it.

    def visit(self, func: Callable[[str], Answer | None]) -> Answer | None:
        """What `func` first answers but None, called with the path below this group of each node in it.

        >>> root = lz.group()
        >>> _ = root.zeros("wind/u", shape=(4,))
        >>> root.visit(print)
        wind
        wind/u
        """
        return _first(map(func, (below for below, _ in self._walk(None))))

    def visitkeys(self, func: Callable[[str], Answer | None]) -> Answer | None:
        """The same as `visit`."""
        return self.visit(func)

    def visitvalues(self, func: Callable[[Any], Answer | None]) -> Answer | None:
        """What `func` first answers but None, called with each array and group in this group, at any depth."""
        return _first(func(self._open(self._at(below), node)) for below, node in self._walk(None))

    def visititems(self, func: Callable[[str, Any], Answer | None]) -> Answer | None:
        """What `func` first answers but None, called with path and array or group of each in this group."""
        return _first(func(below, self._open(self._at(below), node)) for below, node in self._walk(None))

    def tree(
        self,
        expand: bool | None = None,
        level: int | None = None,
        *,
        max_nodes: int = 500,
        plain: bool = False,
    ) -> Tree:
        """What the group holds, drawn as a tree; no array is opened for it.

        `level` is how many groups deep (all, if not given), `max_nodes` how many lines; `expand` and `plain` are
        accepted.
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
        return self._info(0)

    def info_complete(self) -> Info:
        """The summary with all that the groups in this one hold counted, too."""
        return self._info(None)

    def _info(self, max_depth: int | None) -> Info:
        nodes = [node for _, node in self._walk(max_depth)]
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

    def _note(self, path: str, node: NodeMetadata | None = None) -> None:
        """Have the consolidated metadata that this was opened with follow a change made here, at a path."""
        below = f"{self._path}/" if self._path else ""
        if self._consolidated is None or not path.startswith(below) or path == self._path:
            return
        parts = path.removeprefix(below).split("/")
        for n in range(1, len(parts)):
            group = "/".join(parts[:n])
            if self._consolidated.node(group) is None:
                self._put(group, read_node(self._store, self._at(group)))
        self._put("/".join(parts), node or read_node(self._store, path))

    def _put(self, below: str, node: NodeMetadata | None) -> None:
        assert self._consolidated is not None
        self._consolidated.put(below, None if node is None else node.documents)

    # How it looks: into the store, or into the consolidated metadata it was opened with.

    def _at(self, below: str) -> str:
        return join_path(self._path, below)

    def _read(self, path: str) -> NodeMetadata | None:
        below = f"{self._path}/" if self._path else ""
        if self._consolidated is None or not path.startswith(below):
            return read_node(self._store, path)
        return self._consolidated.node(path.removeprefix(below), self._store.url(path))

    def _children(self, path: str | None = None) -> Iterator[tuple[str, NodeMetadata]]:
        """(name, metadata) of each node right in a group, by name."""
        path = self._path if path is None else path
        known = self._known()
        if known is None:
            yield from children(self._store, path)
            return
        below = path.removeprefix(self._path).lstrip("/")
        for name in sorted(known.names(below)):
            found = readable(partial(known.node, where=self._store.url(path)), join_path(below, name))
            if found is not None:
                yield name, found

    def _known(self) -> Consolidated | None:
        """What members are listed from without asking the store: what it was opened with, or has to do."""
        if self._consolidated is None and self._listed is None and not self._store.lists:
            self._listed = read_consolidated(self._metadata)
        return self._consolidated or self._listed

    def _walk(self, max_depth: int | None) -> Iterator[tuple[str, NodeMetadata]]:
        """(path below this group, metadata) of the nodes in it: a group, then what it holds."""
        return walk(lambda below: self._children(self._at(below)), max_depth)


def _first(answers: Iterator[Answer | None]) -> Answer | None:
    return next((answer for answer in answers if answer is not None), None)


class _Items(ItemsView[str, Any]):
    """Each member is read once: its metadata came with the listing."""

    _mapping: Mapping[str, Any]

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        group: Any = self._mapping
        return ((name, group._open(group._at(name), node)) for name, node in group._children())


class _Values(ValuesView[Any]):
    """Each member is read once: its metadata came with the listing."""

    def __iter__(self) -> Iterator[Any]:
        return (member for _, member in _Items(self._mapping))  # type: ignore[attr-defined]
