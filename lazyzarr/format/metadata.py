"""Metadata of arrays and groups, whichever version of the format spells it.

The objects are frozen; a changed one is a new one. They keep the documents that they were read from, so
that writing them back changes only what was changed.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import MetadataValidationError, ShapeMismatchError
from .chunk_grids import AxisEdges, edges_to_json, grid_of, grown, longest
from .documents import Document, new_document
from .dtypes import DataType
from .grid import Grid
from .keys import ChunkKeyEncoding

__all__ = [
    "DIMENSIONS_ATTRIBUTE",
    "ArrayMetadata",
    "CodecSpec",
    "GroupMetadata",
    "conventional_dimension_names",
    "located",
    "parse_lengths",
    "repair_chunks",
    "shown",
]

DIMENSIONS_ATTRIBUTE = "_ARRAY_DIMENSIONS"
_MAX_AXES = 64


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """One codec of a chain, as metadata spells it: v3's form, or "v2.filters" and "v2.compressor".

    >>> CodecSpec("gzip", {"level": 1}).to_json()
    {'name': 'gzip', 'configuration': {'level': 1}}
    """

    name: str
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The codec as an entry of a v3 document, in the form that every reader knows."""
        if not self.configuration and not self.name.startswith("numcodecs."):  # there zarr-python insists
            return {"name": self.name}
        return {"name": self.name, "configuration": dict(self.configuration)}


@dataclass(frozen=True, eq=False)
class _NodeMetadata:
    """What arrays and groups have in common."""

    zarr_format: Literal[2, 3]
    attributes: Mapping[str, Any]
    """The user's attributes; not to be changed in place."""
    documents: Mapping[str, Document]
    """The documents by their key below the node: "zarr.json", or ".zarray" or ".zgroup" and ".zattrs"."""

    @property
    def document(self) -> Document:
        """The main document, "zarr.json", ".zarray" or ".zgroup"."""
        return next(iter(self.documents.values()))

    @property
    def node_type(self) -> Literal["array", "group"]:
        """Which kind of node it is."""
        return "array" if isinstance(self, ArrayMetadata) else "group"

    def to_dict(self) -> dict[str, Any]:
        """What the documents say, as one dictionary of JSON values; v2's attributes are a member of it."""
        value = copy.deepcopy(self.document.value)
        if self.zarr_format == 2:
            value["attributes"] = copy.deepcopy(dict(self.attributes))
        return value

    def keys(self) -> dict[str, bytes]:
        """What is to be stored, by the key below the node."""
        return {key: document.to_bytes() for key, document in self.documents.items()}

    def with_attributes(self, attributes: Mapping[str, Any]) -> Self:
        """The same node with other attributes; those that stay the same keep their spelling.

        Raises MetadataValidationError for what JSON cannot hold.
        """
        documents = dict(self.documents)
        if self.zarr_format == 3:
            document = self.document.edited(self.document.value | {"attributes": attributes})
            documents["zarr.json"] = document
            return replace(self, documents=documents, attributes=document.value["attributes"])
        if ".zattrs" in documents:
            documents[".zattrs"] = documents[".zattrs"].edited(attributes)
        elif attributes:
            documents[".zattrs"] = new_document(attributes)
        stored = documents[".zattrs"].value if ".zattrs" in documents else {}
        return replace(self, documents=documents, attributes=stored)


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayMetadata(_NodeMetadata):
    """What an array is: shape, data type, chunks, codecs, fill value, attributes."""

    shape: tuple[int, ...]
    """Elements along each axis."""
    data_type: DataType
    chunk_shape: tuple[int, ...]
    """Elements along each axis of a write unit: of a shard, where there are such; of the longest, if they differ."""
    chunk_key_encoding: ChunkKeyEncoding
    fill_value: Any
    """The fill value; None only in v2, where `null` leaves the contents of missing chunks undefined."""
    codecs: tuple[CodecSpec, ...]
    """The codec chain of a write unit, in the order of encoding."""
    names: tuple[str | None, ...] | None = None
    """Dimension names as a v3 document holds them; v2 has an attribute for them."""
    edges: tuple[AxisEdges, ...] | None = None
    """Along each axis the length of all write units, or of each, where they differ; else None."""
    viewed: ArrayMetadata | None = None
    """The array that is stored, where this is a view that shows it in another way (views.py)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements, in native byte order."""
        return self.data_type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @functools.cached_property
    def grid(self) -> Grid:
        """The grid of write units."""
        return grid_of(self.shape, self.edges or self.chunk_shape)

    @functools.cached_property
    def read_chunk_shape(self) -> tuple[int, ...]:
        """Elements along each axis of what can be read alone: an inner chunk, where the array is sharded."""
        axes = tuple(range(self.ndim))
        for codec in self.codecs:
            if codec.name == "transpose":
                order = _transpose_order(codec, self.ndim)
                axes = tuple(axes[i] for i in order)
            elif codec.name == "sharding_indexed":
                inner = parse_lengths(codec.configuration.get("chunk_shape"), "the inner chunk_shape", 1)
                if len(inner) != self.ndim:
                    raise MetadataValidationError(
                        f"inner chunks {inner} have not the array's {self.ndim} axes"
                    )
                return tuple(inner[axes.index(axis)] for axis in range(self.ndim))
            else:  # behind other codecs a shard is read as a whole
                break
        return self.chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Elements along each axis of a shard; None where the array is not sharded."""
        sharded = any(codec.name == "sharding_indexed" for codec in self.codecs)
        return self.chunk_shape if sharded else None

    @functools.cached_property
    def order(self) -> Literal["C", "F"]:
        """The layout of the elements of a stored chunk: "F" where all axes are reversed."""
        if self.zarr_format == 2:
            return "F" if self.document.value["order"] == "F" else "C"
        axes = tuple(range(self.ndim))
        for codec in self.codecs:
            if codec.name == "transpose":
                axes = tuple(axes[i] for i in _transpose_order(codec, self.ndim))
        return "F" if self.ndim > 1 and axes == tuple(reversed(range(self.ndim))) else "C"

    @functools.cached_property
    def fill(self) -> NDArray[Any]:
        """What missing chunks read as: 0-d, read-only; the data type's zero or NaT for v2's `null`."""
        value = self.data_type.default_fill if self.fill_value is None else self.fill_value
        fill = self.data_type.cell(value)
        fill.flags.writeable = False
        return fill

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """A name or None for each axis; None where the array has none at all."""
        if self.zarr_format == 3:
            return self.names
        return conventional_dimension_names(self.attributes, self.ndim)

    @property
    def trusts_pickle(self) -> bool:
        """Whether `trusting_pickle` made it so."""
        return any(codec.configuration.get("allow_pickle") for codec in self.codecs)

    def trusting_pickle(self) -> Self:
        """The same array, which may be read where v2's pickle stores it: that runs the code it holds."""
        codecs = [
            replace(codec, configuration={**codec.configuration, "allow_pickle": True})
            if codec.name == "v2.filters" and codec.configuration["filters"][0]["id"] == "pickle"
            else codec
            for codec in self.codecs
        ]
        return replace(self, codecs=tuple(codecs))

    def with_shape(self, shape: Sequence[int]) -> Self:
        """The same array with other lengths of its axes; what is stored does not change.

        Raises ShapeMismatchError for another number of axes.
        """
        lengths = parse_lengths([int(n) for n in shape], "shape", 0)
        if len(lengths) != self.ndim:
            raise ShapeMismatchError(
                f"shape {lengths} has {len(lengths)} axes, the array {self.ndim}; give a length for each axis"
            )
        key = next(iter(self.documents))
        respelled = {} if lengths == self.shape else {"shape": lengths}
        edges = None if self.edges is None else grown(self.edges, lengths)
        value = self.document.value | respelled | self._repaired_chunks(edges)
        documents = {**self.documents, key: self.document.edited(value)}
        largest = self.chunk_shape if edges is None else longest(edges)
        return replace(self, documents=documents, shape=lengths, edges=edges, chunk_shape=largest)

    def _repaired_chunks(self, edges: tuple[AxisEdges, ...] | None) -> dict[str, Any]:
        """The document's member with the chunks' lengths, where reading had to repair them, or more are needed."""
        value, chunks = self.document.value, list(self.chunk_shape)
        if edges is not None:
            rectilinear = value["chunk_grid"].get("name") == "rectilinear"
            return {} if rectilinear and edges == self.edges else {"chunk_grid": edges_to_json(edges)}
        if self.zarr_format == 2:
            return {} if value["chunks"] == chunks else {"chunks": chunks}
        grid = value["chunk_grid"]
        if grid["name"] == "rectilinear" or grid["configuration"]["chunk_shape"] == chunks:
            return {}
        return {"chunk_grid": grid | {"configuration": grid["configuration"] | {"chunk_shape": chunks}}}


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupMetadata(_NodeMetadata):
    """What a group is: its attributes, and what it says of the nodes below it."""

    @property
    def consolidated(self) -> Mapping[str, Any] | None:
        """The consolidated metadata as the document spells it, or None; consolidated.py reads it."""
        if self.zarr_format == 3:
            member = self.document.value.get("consolidated_metadata")
        else:
            member = self.documents[".zmetadata"].value if ".zmetadata" in self.documents else None
        return member if isinstance(member, dict) else None


def conventional_dimension_names(attributes: Mapping[str, Any], ndim: int) -> tuple[str | None, ...] | None:
    """The dimension names that xarray's convention for v2 keeps among the attributes.

    >>> conventional_dimension_names({"_ARRAY_DIMENSIONS": ["lat", "lon"]}, 2)
    ('lat', 'lon')
    """
    names = attributes.get(DIMENSIONS_ATTRIBUTE)
    if isinstance(names, list) and len(names) == ndim and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None


def parse_lengths(value: Any, what: str, least: int) -> tuple[int, ...]:
    """A list of integers, none below `least`; 4.0 is the integer 4, as some writers spell it.

    >>> parse_lengths([10, 4.0], "shape", 0)
    (10, 4)
    """
    if not isinstance(value, list | tuple):
        raise MetadataValidationError(f"{what} is {shown(value)}, not a list of integers")
    if len(value) > _MAX_AXES:
        raise MetadataValidationError(f"{what} has {len(value)} axes; NumPy has at most {_MAX_AXES}")
    lengths = [int(n) if isinstance(n, float) and n.is_integer() else n for n in value]
    for n in lengths:
        if isinstance(n, bool) or not isinstance(n, int) or n < least:
            raise MetadataValidationError(f"{what} {shown(value)} holds {n!r}; integers from {least} are")
        if n >= 2**63:
            raise MetadataValidationError(f"{what} {shown(value)} is beyond what 64 bits can count")
    return tuple(lengths)


def repair_chunks(edges: Any, least: Sequence[Any]) -> tuple[int, ...]:
    """A document's chunk shape; edges of 0 (or false) become the least ones.

    Writers gave empty axes such edges. Nothing can be stored under them, so the least edge will do, and
    zarr-python takes that too.

    >>> repair_chunks([0, 2.0, True], [1, 1, 1])
    (1, 2, 1)
    """
    if not isinstance(edges, list) or len(edges) != len(least):
        raise MetadataValidationError(f"chunks {shown(edges)} are not a length for each of {len(least)} axes")
    plain = [int(edge) if isinstance(edge, bool) else edge for edge in edges]
    return parse_lengths([least[axis] if edge == 0 else edge for axis, edge in enumerate(plain)], "chunks", 1)


def _transpose_order(codec: CodecSpec, ndim: int) -> tuple[int, ...]:
    order = codec.configuration.get("order")
    if order in ("C", "F"):  # before 2023, still found in stores
        return tuple(range(ndim)) if order == "C" else tuple(reversed(range(ndim)))
    if not isinstance(order, list | tuple) or not _is_permutation(order, ndim):
        raise MetadataValidationError(f"the transpose order {shown(order)} is no permutation of {ndim} axes")
    return tuple(order)


def _is_permutation(order: Sequence[Any], ndim: int) -> bool:
    plain = all(isinstance(axis, int) and not isinstance(axis, bool) for axis in order)
    return plain and sorted(order) == list(range(ndim))


@contextlib.contextmanager
def located(where: str) -> Iterator[None]:
    """Metadata errors raised inside say where the document is."""
    try:
        yield
    except MetadataValidationError as error:
        if not where or where in str(error):
            raise
        raise type(error)(f"{where}: {error}") from error


def shown(value: Any) -> str:
    """A value for an error's text, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
