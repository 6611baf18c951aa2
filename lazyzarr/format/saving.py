"""NumPy arrays stored and read back in one call, and a hierarchy drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from numpy.typing import ArrayLike, NDArray

from ..errors import BaseZarrError, ContainsGroupError, ContainsNodeError, InvalidKeyError
from . import commit
from .array import Array
from .creation import create_array
from .group import Group
from .keys import join_path, normalize_path
from .lookup import ZarrFormat, find_group, read_node
from .making import NewArray, new_array, new_group
from .open import open as open_node
from .options import DEFAULT, WORDS, ArrayOptions, spelled_out
from .resolve import StoreLike, resolve
from .stores.protocol import Store
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

    A lazy array is computed and stored piece by piece; several arrays are stored all, or none. Every word is
    a name: chunks and so on are for `save_array`. Raises ContainsArrayError or ContainsGroupError where a
    node is (`save_array(..., overwrite=True)` replaces it), ReadOnlyStoreError, StoreError.

    >>> lz.save("a.zarr", np.arange(4))
    >>> lz.load("a.zarr")
    array([0, 1, 2, 3])
    """
    if len(args) == 1 and not kwargs:
        try:
            save_array(store, args[0], zarr_format=zarr_format, path=path, storage_options=storage_options)
        except ContainsNodeError as error:
            cure = "save() replaces nothing: write lz.save_array(store, x, overwrite=True)"
            raise type(error)(f"{error} {cure}") from error
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
    saved = create_array(
        store, name=path, data=arr, fill_value=fill_value, storage_options=storage_options, **options
    )
    saved.close()


def save_group(
    store: StoreLike,
    *args: ArrayLike,
    zarr_format: ZarrFormat | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: ArrayLike,
) -> None:
    """Store several arrays in one group: "arr_0", "arr_1", ... and those given by name.

    A new group appears with all its arrays complete; to one that is there all are added, or none. Raises
    ContainsNodeError for a name that is there already, NodeTypeValidationError where an array is in the
    group's place, InvalidKeyError, UnknownDataTypeError, ReadOnlyStoreError, StoreError.

    >>> lz.save_group("g.zarr", np.arange(2), wind=np.ones(2))
    >>> lz.load("g.zarr")
    {'arr_0': array([0, 1]), 'wind': array([1., 1.])}
    """
    arrays = _named(args, kwargs)
    place, at = resolve(store, path, storage_options=storage_options)
    if read_node(place, at) is not None:
        group = Group(place, at, find_group(place, at, zarr_format))
        _add(group, arrays)
        place.close()
        return
    metadata = new_group(place, at, None, zarr_format)
    new = _new(place, at, arrays, metadata.zarr_format)
    try:
        commit.create_filled_group(place, at, metadata, new)
    except ContainsGroupError:
        if read_node(place, at) is None:
            raise
        _add(Group(place, at, find_group(place, at, zarr_format)), arrays)  # someone else was faster
    place.close()


def _add(group: Group, arrays: Mapping[str, ArrayLike]) -> None:
    """Store arrays in a group that is there."""
    for name in arrays:
        if name in group:
            raise ContainsNodeError(
                f"{group.store_path / name} is there already, so nothing was saved; choose other names"
            )
    new = _new(group.store, group.path, arrays, group.zarr_format)
    commit.add_arrays(group.store, group.path, new)


def _new(
    store: Store, path: str, arrays: Mapping[str, ArrayLike], zarr_format: ZarrFormat
) -> commit.NewArrays:
    """What is to be made below a group, all of it checked."""
    options = {"zarr_format": zarr_format}
    new: dict[str, NewArray] = {
        name: new_array(store, join_path(path, name), "save", options, data=array)
        for name, array in arrays.items()
    }
    return {name: (array.metadata, array.write) for name, array in new.items()}


def _named(args: tuple[ArrayLike, ...], kwargs: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
    """The arrays by their path below the group."""
    given = [(f"arr_{i}", array) for i, array in enumerate(args)] + list(kwargs.items())
    if not given:
        raise BaseZarrError("no array was given to be saved; give one or more")
    arrays: dict[str, ArrayLike] = {}
    for name, array in given:
        if (name in WORDS or name == "mode") and not hasattr(array, "shape"):
            raise BaseZarrError(
                f"save({name}={array!r}) would store an array named {name!r}, so nothing was saved; "
                f"lz.save_array takes {name}= as an option, and for an array write {name}=np.asarray(...)"
            )
        below = normalize_path(name)
        clash = [
            other for other in arrays if f"{other}/".startswith(f"{below}/") or below.startswith(f"{other}/")
        ]
        if clash or not below:
            why = f"{clash[0]!r} takes its place" if clash else "it is empty"
            raise InvalidKeyError(f"no array can be saved as {name!r}: {why}; choose another name")
        arrays[below] = array
    return arrays


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
