"""What arrays and groups have in common: a place in a store, attributes, whether they may be written."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import Any, Generic, Literal, Self, TypeVar

from ..errors import BaseZarrError, StoreError
from . import commit
from .attributes import Attributes, Edit
from .lookup import not_found, read_node
from .metadata import ArrayMetadata, GroupMetadata
from .resolve import StorePath
from .stores.protocol import Store

__all__ = ["LOOK_UP", "Member", "placed"]

Metadata = TypeVar("Metadata", bound=ArrayMetadata | GroupMetadata)


LOOK_UP = object()
"""Where a node is stored is looked up when it is opened."""


@contextlib.contextmanager
def placed(url: str, outcome: str = "") -> Iterator[None]:
    """What is wrong inside is said with the place it is about, and with what came of it."""
    try:
        yield
    except BaseZarrError as error:
        if url in str(error):
            raise
        raise type(error)(f"{url}: {error}{outcome and '; '}{outcome}") from error


class Member(Generic[Metadata]):
    """A node of a hierarchy. Used as a context, it gives back what it holds open at the end."""

    _metadata: Metadata

    def __init__(self, store: Store, path: str, metadata: Metadata, place: Hashable | None = LOOK_UP) -> None:
        self._store = store
        self._path = path
        self._metadata = metadata
        self._place = _place(store, path) if place is LOOK_UP else place

    @property
    def store(self) -> Store:
        """The store that the node lies in."""
        return self._store

    @property
    def path(self) -> str:
        """The node's path in its store; "" is the root."""
        return self._path

    @property
    def metadata(self) -> Metadata:
        """The node's metadata, as it was when it was opened or last changed here."""
        return self._metadata

    @property
    def name(self) -> str:
        """The path from the root of the store, with a slash at its head.

        >>> lz.group().create_group("a/b").name
        '/a/b'
        """
        return f"/{self._path}"

    @property
    def basename(self) -> str:
        """The last part of the name.

        >>> lz.group().create_group("a/b").basename
        'b'
        """
        return self._path.rpartition("/")[2]

    @property
    def store_path(self) -> StorePath:
        """The node's place: store and path. Equal places hold the same node; `str` of one is its URL."""
        return StorePath(self._store, self._path)

    @property
    def read_only(self) -> bool:
        """Whether every write is refused."""
        return self._store.read_only

    @property
    def zarr_format(self) -> Literal[2, 3]:
        """The version of the format, 2 or 3."""
        return self._metadata.zarr_format

    @property
    def attrs(self) -> Attributes:
        """The user's attributes, as a dictionary that is stored with each change."""
        return Attributes(lambda: self._metadata.attributes, self._edit_attributes, self._read_attributes)

    @property
    def synchronizer(self) -> None:
        """None: writes are safe between threads and processes without one."""
        return None

    def update_attributes(self, attributes: dict[str, Any]) -> Self:
        """The node itself, after these attributes were stored beside the others."""
        self.attrs.update(attributes)
        return self

    def close(self) -> None:
        """Finish what is unfinished in the store and give back what is held open; the next use opens it again."""
        self._store.close()

    def _edit_attributes(self, edit: Edit) -> None:
        self._store.check_writable(self._path)
        new = commit.edit_attributes(self._store, self._path, edit, self._opened())
        self._metadata = new  # type: ignore[assignment]

    def _read_attributes(self) -> None:
        """Take over the attributes as they are stored now."""
        found = read_node(self._store, self._path)
        if found is None:
            raise not_found(self._store, self._path, "array or group")
        self._opened().check(self._store, self._path, found)
        self._metadata = self._metadata.with_attributes(found.attributes)  # type: ignore[assignment]

    def _opened(self) -> commit.Opened:
        """The node as it was opened: what has taken its place since is not changed in its stead."""
        return commit.Opened(self._metadata, self._place)

    def _url(self) -> str:
        return self._store.url(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _place(store: Store, path: str) -> Hashable | None:
    try:
        return store.place(path)
    except StoreError:  # reading and writing it say what is wrong
        return None
