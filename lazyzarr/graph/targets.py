"""Targets: the new array that a lazy one is written to, described by the same words as `create_array` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lazyzarr.errors import ContainsGroupError, MetadataValidationError
from lazyzarr.format import commit
from lazyzarr.format.array import Array, ArrayHandle
from lazyzarr.format.layout import chunk_lengths, lengths, new_metadata
from lazyzarr.format.likeness import regular_chunks
from lazyzarr.format.lookup import read_node
from lazyzarr.format.making import format_around
from lazyzarr.format.metadata import ArrayMetadata, GroupMetadata
from lazyzarr.format.options import DEFAULT
from lazyzarr.format.resolve import StoreLike, resolve
from lazyzarr.format.stores.protocol import Store
from lazyzarr.graph.attributes import attributes_of
from lazyzarr.graph.chunking import by_axis
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.packing import missing_words, packing_of
from lazyzarr.graph.sink import Sink

__all__ = ["NewTarget", "TargetOptions", "new_target", "region_sink", "stored_type"]


@dataclass(frozen=True)
class TargetOptions:
    """How a new array is to be made; the words of `create_array`, and chunks="keep"."""

    chunks: Any
    shards: Any
    compressors: Any
    filters: Any
    serializer: Any
    fill_value: Any
    dimension_names: Sequence[str | None] | None
    attributes: Mapping[str, Any] | None
    zarr_format: int | None
    mode: str
    pack: Any = None
    scale_factor: float | None = None
    add_offset: float | None = None


@dataclass(frozen=True)
class NewTarget:
    """A place, and the metadata of the array that is to come there."""

    node: Node
    store: Store
    path: str
    metadata: ArrayMetadata
    mode: str

    def planned(self) -> Sink:
        """The sink as a plan needs it; nothing is made."""
        return self._sink(ArrayHandle.of(self.store, self.path, self.metadata))

    def stage(self) -> commit.StagedArray:
        """The array, to be built aside. Raises ContainsArrayError for mode "w-" where there is one."""
        return commit.stage_array(self.store, self.path, self.metadata, self.mode)  # type: ignore[arg-type]

    def staged_sink(self, staged: commit.StagedArray) -> Sink:
        """The sink that writes to the staged array."""
        return self._sink(ArrayHandle.of(staged.store, staged.path, self.metadata))

    def _sink(self, handle: ArrayHandle) -> Sink:
        shape = self.metadata.shape
        return Sink(
            handle,
            self.store.url(self.path),
            shape,
            self.metadata.chunk_shape,
            self.metadata.dtype.itemsize,
            (0,) * len(shape),
            True,
            self.metadata.edges,
        )


def new_target(
    node: Node,
    target: StoreLike,
    path: str | None,
    options: TargetOptions,
    storage_options: Mapping[str, Any] | None = None,
) -> NewTarget:
    """Where a node is to be written, and as what.

    Raises MetadataValidationError and BaseZarrError for options that no array can have, ValueError and
    DataTypeMismatchError for packing that cannot be.
    """
    store, place = resolve(target, path, storage_options=storage_options)
    _refuse_group(store, place)
    packing = packing_of(
        options.pack, options.scale_factor, options.add_offset, options.fill_value, options.attributes
    )
    attributes = options.attributes
    if attributes is None:
        attributes = attributes_of(node, stored_otherwise=packing is not None)
    if packing is not None:
        node = packing.node(node, store.url(place))
    chunks = (
        _kept_chunks(node, options.shards)
        if isinstance(options.chunks, str) and options.chunks == "keep"
        else options.chunks
    )
    names = (
        options.dimension_names
        if options.dimension_names is not None
        else node.dims
        if any(node.dims)
        else None
    )
    words = {
        "chunks": _by_name(chunks, node),
        "shards": _by_name(options.shards, node),
        "compressors": options.compressors,
        "filters": options.filters,
        "serializer": options.serializer,
        "fill_value": DEFAULT if options.fill_value is None else options.fill_value,
        "attributes": attributes,
        "dimension_names": names,
    }
    zarr_format = options.zarr_format or format_around(store, place)
    if packing is not None:
        words |= packing.words(attributes, zarr_format)
    else:
        said = missing_words(attributes, node.dtype, zarr_format, names is not None)
        if options.fill_value is None or zarr_format == 3:
            words |= said
    return NewTarget(
        node, store, place, new_metadata(node.shape, stored_type(node), zarr_format, words), options.mode
    )


def stored_type(node: Node) -> Any:
    """What to store values as: NumPy's dtype, and of Python objects the data type of the arrays they come from."""
    if node.dtype != object:
        return node.dtype
    leaves = [leaf for leaf in walk([node]) if isinstance(leaf, ZarrSource) and leaf.dtype == object]
    types = [leaf.array.metadata.data_type for leaf in leaves]
    return types[0] if types and all(each == types[0] for each in types) else node.dtype


def _refuse_group(store: Store, path: str) -> None:
    """Raises ContainsGroupError where a group is: an array replaces an array, never a hierarchy."""
    if isinstance(read_node(store, path), GroupMetadata):
        raise ContainsGroupError(
            f"{store.url(path)} is a group. Name the array that is to be written in it: "
            f'to_zarr("{store.url(path).removeprefix("file://")}/name")'
        )


def _by_name(given: Any, node: Node) -> Any:
    """Lengths given by axis or dimension name, as a tuple; axes not named keep theirs."""
    if not isinstance(given, Mapping):
        return given
    result = [max(sizes, default=1) or 1 for sizes in node.chunks]
    for axis, length in by_axis(given, node.dims).items():
        result[axis] = length
    return tuple(result)


def _kept_chunks(node: Node, shards: Any) -> Any:
    """The node's own chunks where they are of one size and not too large for a stored chunk, else automatic ones.

    Raises MetadataValidationError for shards that are no multiples of them. An array of one chunk is not cut at all:
    for shards it is cut as they need.
    """
    sizes = regular_chunks(node.chunks, node.dtype.itemsize)
    if sizes is not None:
        if shards is None:
            return sizes
        outer = lengths(_by_name(shards, node), "shards", node.shape)
        if all(n % size == 0 for n, size in zip(outer, sizes, strict=True)):
            return sizes
        if any(len(axis) > 1 for axis in node.chunks):
            near = tuple(-(-n // size) * size for n, size in zip(outer, sizes, strict=True))
            raise MetadataValidationError(
                f"shards={outer} are no multiples of the chunks {sizes}, which are kept; write shards={near}, or "
                f'say the chunks: chunks="auto"'
            )
    return chunk_lengths("auto", node.shape, node.dtype.itemsize) if shards is None else "auto"


def region_sink(array: Array, start: tuple[int, ...], url: str | None = None) -> Sink:
    """The sink of a region of an array that others can see, or that will be found at a URL."""
    unit, edges = array.metadata.chunk_shape, array.metadata.edges
    return Sink(
        array.handle,
        url or str(array.store_path),
        array.shape,
        unit,
        array.dtype.itemsize,
        start,
        False,
        edges,
    )
