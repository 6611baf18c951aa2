"""Zarr v3 documents (zarr.json) to and from the metadata objects.

Specification: https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html (3.1 is read; what is written,
3.0 readers understand: no short-hand names, no must_understand).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MetadataValidationError, NodeTypeValidationError
from .chunk_grids import AxisEdges, edges_to_json, longest, parse_edges
from .documents import Document, loads, new_document
from .dtypes import DataType, parse_v3_data_type
from .keys import ChunkKeyEncoding
from .metadata import ArrayMetadata, CodecSpec, GroupMetadata, located, parse_lengths, repair_chunks, shown

__all__ = ["build_array", "build_group", "parse_array", "parse_group"]

KEY = "zarr.json"
_ARRAY_MEMBERS = frozenset(
    "zarr_format node_type shape data_type chunk_grid chunk_key_encoding fill_value codecs attributes "
    "storage_transformers dimension_names".split()
)
_GROUP_MEMBERS = frozenset("zarr_format node_type attributes consolidated_metadata".split())


def parse_array(documents: Mapping[str, Any], where: str = "") -> ArrayMetadata:
    """An array's metadata from {"zarr.json": its bytes or Document}; `where` is named in errors.

    Raises MetadataValidationError, UnknownDataTypeError, NodeTypeValidationError.
    """
    with located(where):
        document = _document(documents, "array", _ARRAY_MEMBERS)
        value = document.value
        for member in ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"):
            if member not in value:
                raise MetadataValidationError(f"{KEY} lacks {member!r}, which an array must have")
        if value.get("storage_transformers"):
            names = shown(value["storage_transformers"])
            raise MetadataValidationError(f"the storage transformers {names} are not known here")
        shape = parse_lengths(value["shape"], "shape", 0)
        data_type = parse_v3_data_type(value["data_type"])
        fill = value["fill_value"]
        codecs = tuple(_codec(entry) for entry in _list(value["codecs"], "codecs"))
        edges = _edges(value["chunk_grid"], shape, codecs)
        metadata = ArrayMetadata(
            zarr_format=3,
            attributes=_attributes(value),
            documents={KEY: document},
            shape=shape,
            data_type=data_type,
            chunk_shape=longest(edges),
            chunk_key_encoding=_key_encoding(value["chunk_key_encoding"]),
            # null was written by early writers, which meant their default
            fill_value=data_type.default_fill if fill is None else data_type.fill_from_json(fill),
            codecs=codecs,
            names=_dimension_names(value.get("dimension_names"), len(shape)),
            edges=None if all(isinstance(axis, int) for axis in edges) else edges,
        )
        _check_shards(metadata)  # an array of which nothing can be read is refused here, by name
        return metadata


def parse_group(documents: Mapping[str, Any], where: str = "") -> GroupMetadata:
    """A group's metadata from {"zarr.json": its bytes or Document}; `where` is named in errors."""
    with located(where):
        document = _document(documents, "group", _GROUP_MEMBERS)
        return GroupMetadata(zarr_format=3, attributes=_attributes(document.value), documents={KEY: document})


def build_array(
    shape: Sequence[int],
    data_type: DataType,
    chunk_shape: Sequence[AxisEdges],
    codecs: Sequence[CodecSpec],
    *,
    chunk_key_encoding: ChunkKeyEncoding | None = None,
    fill_value: Any = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
) -> ArrayMetadata:
    """The metadata of a new array; `chunk_shape` is a shard's, where it is sharded.

    An axis along which chunks differ has the lengths of all of them. A `fill_value` of None is the data type's
    zero (NaT for times). Raises MetadataValidationError for what the format does not allow.
    """
    encoding = chunk_key_encoding or ChunkKeyEncoding("default", "/")
    if any(isinstance(axis, tuple) for axis in chunk_shape):
        grid = edges_to_json(chunk_shape)
    else:
        grid = {"name": "regular", "configuration": {"chunk_shape": parse_lengths(chunk_shape, "chunks", 1)}}
    value: dict[str, Any] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": parse_lengths(shape, "shape", 0),
        "data_type": data_type.v3_name,
        "chunk_grid": grid,
        "chunk_key_encoding": {
            "name": encoding.name,
            "configuration": {"separator": encoding.separator},
        },
        "fill_value": data_type.fill_to_json(data_type.fill_of(fill_value), 3),
        "codecs": [codec.to_json() for codec in codecs],
        "attributes": attributes or {},
    }
    if dimension_names is not None:
        value["dimension_names"] = list(dimension_names)
    return parse_array({KEY: new_document(value)})


def build_group(attributes: Mapping[str, Any] | None = None) -> GroupMetadata:
    """The metadata of a new group.

    >>> build_group({"title": "winds"}).document.value
    {'zarr_format': 3, 'node_type': 'group', 'attributes': {'title': 'winds'}}
    """
    value = {"zarr_format": 3, "node_type": "group", "attributes": attributes or {}}
    return parse_group({KEY: new_document(value)})


def _document(documents: Mapping[str, Any], node_type: str, members: frozenset[str]) -> Document:
    """The document, if it is one of the node type and holds nothing that must be understood and is not."""
    document = documents[KEY]
    if not isinstance(document, Document):
        document = loads(document, KEY)
    value = document.value
    if not _is(value.get("zarr_format"), 3):
        raise MetadataValidationError(f"zarr_format is {shown(value.get('zarr_format'))}, not 3, in {KEY}")
    if value.get("node_type") != node_type:
        raise NodeTypeValidationError(f"{KEY} describes {shown(value.get('node_type'))}, not an {node_type}")
    for name in value.keys() - members:
        extension = value[name]
        if not (isinstance(extension, dict) and extension.get("must_understand") is False):
            raise MetadataValidationError(
                f"{KEY} holds the extension {name!r}, which must be understood and is not known here"
            )
    return document


def _is(value: Any, number: int) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def _attributes(value: Mapping[str, Any]) -> dict[str, Any]:
    attributes = value.get("attributes")
    if attributes is None:
        return {}
    if not isinstance(attributes, dict):
        raise MetadataValidationError(f"attributes are {shown(attributes)}, not an object")
    return attributes


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise MetadataValidationError(f"{what} is {shown(value)}, not a list")
    return value


def _extension(value: Any, what: str) -> tuple[str, dict[str, Any]]:
    """Name and configuration of an extension, spelled as an object or as its name alone."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        configuration = value.get("configuration", {})
        if isinstance(configuration, dict):
            return value["name"], configuration
    raise MetadataValidationError(f"{what} {shown(value)} is neither a name nor an object with a name")


def _codec(entry: Any) -> CodecSpec:
    return CodecSpec(*_extension(entry, "the codec"))


def _edges(value: Any, shape: tuple[int, ...], codecs: Sequence[CodecSpec]) -> tuple[AxisEdges, ...]:
    """The chunks' lengths along each axis: one for all of them, or one for each."""
    name, configuration = _extension(value, "the chunk grid")
    if name == "rectilinear":
        if configuration.get("kind") != "inline":
            raise MetadataValidationError(
                f"a rectilinear grid of the kind {shown(configuration.get('kind'))} is not known here; 'inline' is"
            )
        return parse_edges(configuration.get("chunk_shapes"), shape)
    if name != "regular":
        raise MetadataValidationError(
            f"the chunk grid {name!r} is not known here; 'regular', 'rectilinear' are"
        )
    least: list[Any] = [1] * len(shape)
    for codec in codecs:
        inner = codec.configuration.get("chunk_shape")
        if codec.name == "sharding_indexed" and isinstance(inner, list) and len(inner) == len(shape):
            least = inner
    lengths = configuration.get("chunk_shape")
    if isinstance(lengths, list) and any(isinstance(axis, list) for axis in lengths):
        return parse_edges(lengths, shape)  # as zarr-python 3.2 wrote it
    return repair_chunks(lengths, least)


def _check_shards(metadata: ArrayMetadata) -> None:
    """Refuse shards of several lengths of which one is not made of whole inner chunks."""
    inner = metadata.read_chunk_shape
    if metadata.edges is None or metadata.shards is None:
        return
    for axis, (edges, n) in enumerate(zip(metadata.edges, inner, strict=True)):
        odd = [edge for edge in ((edges,) if isinstance(edges, int) else edges) if edge % n]
        if odd:
            raise MetadataValidationError(
                f"along axis {axis}, inner chunks of {n} do not divide a shard of {odd[0]}"
            )


def _key_encoding(value: Any) -> ChunkKeyEncoding:
    name, configuration = _extension(value, "the chunk key encoding")
    return ChunkKeyEncoding(name, configuration.get("separator", "." if name == "v2" else "/"))


def _dimension_names(value: Any, ndim: int) -> tuple[str | None, ...] | None:
    if value is None:
        return None
    names = _list(value, "dimension_names")
    if len(names) != ndim or not all(isinstance(name, str | None) for name in names):
        raise MetadataValidationError(
            f"dimension_names {shown(names)} are not a name (or null) for each of the {ndim} axes"
        )
    return tuple(names)
