"""The public functions that make arrays and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from numpy.typing import ArrayLike

from .array import Array
from .group import Group
from .likeness import likeness, translated, words_like
from .lookup import ZarrFormat
from .making import group_format, kept_words, make_array, make_group, require_group
from .member import placed
from .options import DEFAULT, ArrayOptions, PlacedOptions, modern, spelled_out
from .resolve import StoreLike, resolve

__all__ = [
    "array",
    "create",
    "create_array",
    "create_group",
    "empty",
    "empty_like",
    "from_array",
    "full",
    "full_like",
    "group",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


@spelled_out
def create_array(
    store: StoreLike | None = None,
    *,
    name: str | None = None,
    shape: Any = None,
    data: Any = None,
    like: Any = None,
    fill_value: Any = DEFAULT,
    write_data: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """A new array of a shape, or of the data, or like another one, in a store or group, under a name.

    The array appears complete: a reader sees it with all its data, or not at all. With `write_data=False`
    only the shape and dtype of the data are taken. What else can be chosen, chunks among it, stands below.

    `like` is an array of any kind. Its shape, dtype, names of dimensions and chunks are taken where nothing else is
    given, but not its values; of a stored array also shards, codecs, fill value and attributes. With another dtype
    what only holds for its own is left: filters, and attributes as `scale_factor`.

    Raises ContainsArrayError or ContainsGroupError where a node is, ReadOnlyStoreError, StoreError, and
    BaseZarrError or one of its kinds for what cannot be made; nothing is made then.

    >>> lz.create_array("data.zarr", name="u", shape=(100, 100), chunks=(10, 10), dtype="f4")
    <Array file://data.zarr/u shape=(100, 100) dtype=float32>
    >>> lz.create_array("data.zarr/v", data=np.arange(3), compressors="blosc-lz4")[1:]
    array([1, 2])
    >>> lz.create_array("data.zarr/w", like=lz.open("data.zarr/u"), dtype="i2").chunks
    (10, 10)
    """
    chunk_store = options.pop("chunk_store", None)
    place, path = resolve(store, name, storage_options=storage_options, chunk_store=chunk_store)
    words: Mapping[str, Any] = options
    if like is not None:
        around = {"zarr_format": group_format(place, path)}
        with placed(place.url(path), "nothing was made"):
            words, shape, fill_value = words_like(
                like, {**around, **options}, "create_array", shape, data, fill_value
            )
    return make_array(
        place,
        path,
        "create_array",
        words,
        shape=shape,
        data=data,
        fill_value=fill_value,
        write_data=write_data,
    )


def _make(caller: str, options: Mapping[str, Any], **more: Any) -> Array:
    """A new array where the options say."""
    words = dict(options)
    storage_options, chunk_store = words.pop("storage_options", None), words.pop("chunk_store", None)
    place, path = resolve(
        words.pop("store", None),
        words.pop("path", None),
        storage_options=storage_options,
        chunk_store=chunk_store,
    )
    return make_array(place, path, caller, words, **more)


@spelled_out
def create(
    shape: Any = None, *, data: Any = None, fill_value: Any = DEFAULT, **options: Unpack[PlacedOptions]
) -> Array:
    """A new array of a shape, in memory or in a store; dtype, chunks and the rest as below.

    Raises what `create_array` raises.

    >>> lz.create((100, 100), chunks=(10, 10), dtype="i2", store="data.zarr", path="u")
    <Array file://data.zarr/u shape=(100, 100) dtype=int16>
    """
    return _make("create", options, shape=shape, data=data, fill_value=fill_value)


@spelled_out
def array(
    data: ArrayLike | None = None,
    *,
    shape: Any = None,
    fill_value: Any = DEFAULT,
    **options: Unpack[PlacedOptions],
) -> Array:
    """A new array that holds the data, in memory or in a store; its shape and dtype are those of the data.

    A stored array is copied with its chunks and codecs. Raises what `create_array` raises.

    >>> lz.array([[1, 2], [3, 4]], chunks=(1, 2))[:, 1]
    array([2, 4])
    """
    words = {**kept_words(data), **options}
    return _make("array", words, shape=shape, data=data, fill_value=fill_value)


@spelled_out
def empty(shape: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array of a shape, nothing written to it: it reads as zeros. See below for dtype, chunks."""
    return _make("empty", options, shape=shape)


@spelled_out
def zeros(shape: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array of a shape that reads as zeros; nothing is written. See below for dtype, chunks.

    >>> lz.zeros((100, 100), chunks=(20, 10), dtype="f8").chunks
    (20, 10)
    """
    return _make("zeros", options, shape=shape, fill_value=0)


@spelled_out
def ones(shape: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array of a shape that reads as ones; nothing is written. See below for dtype, chunks."""
    return _make("ones", options, shape=shape, fill_value=1)


@spelled_out
def full(shape: Any, fill_value: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array of a shape that reads as the fill value; nothing is written. Below: dtype, chunks."""
    return _make("full", options, shape=shape, fill_value=fill_value)


@spelled_out
def empty_like(a: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array with the shape, dtype and chunks of another one, nothing written to it."""
    return _like("empty_like", a, options, DEFAULT)


@spelled_out
def zeros_like(a: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array with the shape, dtype and chunks of another one, that reads as zeros.

    >>> z = lz.zeros_like(lz.ones((4, 6), chunks=(2, 3)))
    >>> z.chunks, z[0, 0]
    ((2, 3), np.float64(0.0))
    """
    return _like("zeros_like", a, options, 0)


@spelled_out
def ones_like(a: Any, **options: Unpack[PlacedOptions]) -> Array:
    """A new array with the shape, dtype and chunks of another one, that reads as ones."""
    return _like("ones_like", a, options, 1)


@spelled_out
def full_like(a: Any, fill_value: Any = DEFAULT, **options: Unpack[PlacedOptions]) -> Array:
    """A new array with the shape, dtype and chunks of another one, that reads as the fill value.

    Without one it is that of `a`.
    """
    own = a.fill_value if isinstance(a, Array) and fill_value is DEFAULT else fill_value
    return _like("full_like", a, options, own)


def _like(caller: str, a: Any, options: Mapping[str, Any], fill_value: Any) -> Array:
    like = likeness(a, options, caller)
    return _make(caller, like.words, shape=like.shape, fill_value=fill_value)


@spelled_out
def from_array(
    store: StoreLike | None,
    *,
    data: Any,
    name: str | None = None,
    fill_value: Any = DEFAULT,
    write_data: bool = True,
    storage_options: Mapping[str, Any] | None = None,
    **options: Unpack[ArrayOptions],
) -> Array:
    """A new array in a store that holds the data, with their shape, dtype, and layout.

    Of a stored array chunks, shards, codecs, attributes, dimension names and fill value are kept ("keep")
    but for what is given; it is copied piece by piece. Raises what `create_array` raises.

    >>> a = lz.create_array("a.zarr", data=np.arange(6), chunks=(2,))
    >>> lz.from_array("b.zarr", data=a).chunks
    (2,)
    """
    kept = kept_words(data)
    if isinstance(data, Array):
        kept["attributes"] = dict(data.metadata.attributes)
        fill_value = data.fill_value if fill_value is DEFAULT else fill_value
    given = {word: value for word, value in options.items() if not _is_keep(value)}
    if kept and given.get("zarr_format", kept["zarr_format"]) != kept["zarr_format"]:
        kept = translated(kept, data, given["zarr_format"])
    chunk_store: Any = given.pop("chunk_store", None)
    place, path = resolve(store, name, storage_options=storage_options, chunk_store=chunk_store)
    words = {**kept, **given}
    return make_array(
        place, path, "from_array", words, data=data, fill_value=fill_value, write_data=write_data
    )


def _is_keep(value: Any) -> bool:
    return isinstance(value, str) and value == "keep"


def create_group(
    store: StoreLike | None = None,
    *,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """A new group in a store (in memory, if none is given), and the groups above it that are missing.

    Raises ContainsArrayError or ContainsGroupError where a node is, unless `overwrite` replaces it with all
    that it holds; ReadOnlyStoreError, StoreError.

    >>> lz.create_group("data.zarr", attributes={"title": "winds"}).attrs["title"]
    'winds'
    """
    place, path = resolve(store, path, storage_options=storage_options)
    metadata = make_group(place, path, attributes=attributes, zarr_format=zarr_format, overwrite=overwrite)
    return Group(place, path, metadata)


def group(
    store: StoreLike | None = None,
    *,
    overwrite: bool = False,
    chunk_store: StoreLike | None = None,
    cache_attrs: bool | None = None,
    synchronizer: Any = None,
    path: str | None = None,
    zarr_format: ZarrFormat | None = None,
    zarr_version: ZarrFormat | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """The group at a path of a store, made if there is none; a new one in memory, if no store is given.

    `cache_attrs` and `synchronizer` are accepted: attributes are read again before they are changed, and
    writes are safe between threads and processes; `zarr_version` is an older word for `zarr_format`. Chunks
    lie in `chunk_store`, if one is given.

    Raises NodeTypeValidationError where an array is, ReadOnlyStoreError, StoreError, BaseZarrError for a
    `meta_array`.
    """
    given = {"meta_array": meta_array, "zarr_format": zarr_format, "zarr_version": zarr_version}
    version = modern(given, "group").get("zarr_format")
    place, path = resolve(store, path, storage_options=storage_options, chunk_store=chunk_store)
    found = require_group(place, path, attributes=attributes, zarr_format=version, overwrite=overwrite)
    return Group(place, path, found)
