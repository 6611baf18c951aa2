"""NumPy arrays stored and read back in one call, and a hierarchy drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from numpy.typing import ArrayLike, NDArray

from ..errors import BaseZarrError, ContainsNodeError
from .array import Array
from .creation import create_array
from .group import Group
from .lookup import ZarrFormat
from .making import require_group
from .open import open as open_node
from .options import DEFAULT, ArrayOptions, spelled_out
from .resolve import StoreLike, resolve
from .tree import Tree

__all__ = ["load", "save", "save_array", "save_group", "tree"]


def save(
    store: StoreLike,
    *args: ArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: ArrayLike,
) -> None:
    """Store one array, or a group of several: "arr_0", "arr_1", ... and those given by name.

    A lazy array is computed and stored piece by piece. Raises ContainsArrayError or ContainsGroupError where
    a node is (`save_array(..., overwrite=True)` replaces it), ReadOnlyStoreError, StoreError.

    >>> lz.save("a.zarr", np.arange(4))
    >>> lz.load("a.zarr")
    array([0, 1, 2, 3])
    """
    if len(args) == 1 and not kwargs:
        save_array(store, args[0], zarr_format=zarr_format, path=path, storage_options=storage_options)
    else:
        save_group(
            store, *args, zarr_format=zarr_format, path=path, storage_options=storage_options, **kwargs
        )


@spelled_out
def save_array(
    store: StoreLike,
    arr: ArrayLike,
    *,
    path: str | None = None,
    fill_value: Any = DEFAULT,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> None:
    """Store one array, with dtype, chunks and so on as below.

    Raises ContainsArrayError or ContainsGroupError where a node is, unless `overwrite` is given,
    ReadOnlyStoreError, StoreError.

    >>> lz.save_array("a.zarr", np.zeros((4, 4)), chunks=(2, 2))
    >>> lz.save_array("a.zarr", np.ones(3), overwrite=True)
    >>> lz.load("a.zarr")
    array([1., 1., 1.])
    """
    create_array(
        store, name=path, data=arr, fill_value=fill_value, storage_options=storage_options, **options
    )


def save_group(
    store: StoreLike,
    *args: ArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: ArrayLike,
) -> None:
    """Store several arrays in one group: "arr_0", "arr_1", ... and those given by name.

    Raises ContainsArrayError or ContainsGroupError for a name that is there already, before anything is
    stored, NodeTypeValidationError where an array is in the group's place, ReadOnlyStoreError, StoreError.

    >>> lz.save_group("g.zarr", np.arange(2), wind=np.ones(2))
    >>> lz.load("g.zarr")
    {'arr_0': array([0, 1]), 'wind': array([1., 1.])}
    """
    arrays = {f"arr_{i}": array for i, array in enumerate(args)} | kwargs
    if not arrays:
        raise BaseZarrError("no array was given to be saved; give one or more")
    place, at = resolve(store, path, storage_options=storage_options)
    group = Group(place, at, require_group(place, at, zarr_format=zarr_format))
    for name in arrays:
        if name in group:
            raise ContainsNodeError(
                f"{group.store_path / name} is there already, so nothing was saved; choose other names"
            )
    for name, array in arrays.items():
        group.create_array(name, data=array)


def load(
    store: StoreLike,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> NDArray[Any] | dict[str, Any]:
    """A stored array as a NumPy array; a group as a dictionary of them, by path below it.

    Raises NodeNotFoundError, which says what there is instead, MetadataValidationError, ChunkDecodeError,
    StoreError.

    >>> lz.save("a.zarr", np.arange(4))
    >>> lz.load("a.zarr")
    array([0, 1, 2, 3])
    """
    node = open_node(store, "r", path=path, zarr_format=zarr_format, storage_options=storage_options)
    if isinstance(node, Array):
        values: NDArray[Any] = node[...]
        return values
    return {below: member[...] for below, member in node.members(None) if isinstance(member, Array)}


def tree(grp: Group, expand: bool | None = None, level: int | None = None) -> Tree:
    """What a group holds, drawn as a tree, `level` groups deep; `expand` is accepted.

    >>> root = lz.group()
    >>> _ = root.zeros("wind/u", shape=(4,))
    >>> lz.tree(root)
    /
    └── wind
        └── u (4,) float64
    """
    return grp.tree(expand, level)
