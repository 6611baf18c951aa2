"""Zarr v2 documents (.zarray, .zgroup, .zattrs) to and from the metadata objects.

Specification: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
What v2 says in its own words becomes codecs: `order: "F"` a transpose of all axes, the byte order of the
dtype a bytes codec's endian, `filters` and `compressor` the codecs "v2.filters" and "v2.compressor".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..errors import MetadataValidationError, NodeTypeValidationError
from .documents import Document, loads, new_document
from .dtypes import DataType, Endian, keeps_shape, parse_v2_dtype
from .keys import ChunkKeyEncoding
from .metadata import (
    DIMENSIONS_ATTRIBUTE,
    ArrayMetadata,
    CodecSpec,
    GroupMetadata,
    located,
    parse_lengths,
    repair_chunks,
    shown,
)

__all__ = ["build_array", "build_group", "parse_array", "parse_group"]

_REQUIRED = ("shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters")


def parse_array(documents: Mapping[str, Any], where: str = "") -> ArrayMetadata:
    """An array's metadata from {".zarray": ..., ".zattrs": ...}, bytes or Documents; `.zattrs` may be absent.

    Raises MetadataValidationError, UnknownDataTypeError, NodeTypeValidationError.
    """
    with located(where):
        kept = _documents(documents, ".zarray", (".zattrs",))
        value = kept[".zarray"].value
        for member in _REQUIRED:
            if member not in value:
                raise MetadataValidationError(f".zarray lacks {member!r}, which an array must have")
        shape = parse_lengths(value["shape"], "shape", 0)
        data_type, endian = parse_v2_dtype(value["dtype"], value["filters"])
        fill = value["fill_value"]
        return ArrayMetadata(
            zarr_format=2,
            attributes=_attributes(kept),
            documents=kept,
            shape=shape,
            data_type=data_type,
            chunk_shape=repair_chunks(value["chunks"], [1] * len(shape)),
            chunk_key_encoding=ChunkKeyEncoding("v2", value.get("dimension_separator") or "."),
            fill_value=None if fill is None else data_type.fill_from_json(fill),
            codecs=_codecs(value, data_type, endian, len(shape)),
        )


def parse_group(documents: Mapping[str, Any], where: str = "") -> GroupMetadata:
    """A group's metadata from {".zgroup": ...}, and ".zattrs" and ".zmetadata" where there are such."""
    with located(where):
        kept = _documents(documents, ".zgroup", (".zattrs", ".zmetadata"))
        return GroupMetadata(zarr_format=2, attributes=_attributes(kept), documents=kept)


def build_array(
    shape: Sequence[int],
    data_type: DataType,
    chunk_shape: Sequence[int],
    codecs: Sequence[CodecSpec],
    *,
    chunk_key_encoding: ChunkKeyEncoding | None = None,
    fill_value: Any = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
) -> ArrayMetadata:
    """The metadata of a new array.

    A `fill_value` of None is `null`: undefined, read as zero. Raises MetadataValidationError for what v2
    cannot say, such as sharding.
    """
    encoding = chunk_key_encoding or ChunkKeyEncoding("v2", ".")
    if encoding.name != "v2":
        raise MetadataValidationError(f"v2 arrays have v2 chunk keys, not {encoding.name!r}")
    fill = None if fill_value is None else data_type.fill_to_json(data_type.fill_of(fill_value), 2)
    members = _members(codecs, len(shape))
    endian = members.pop("endian")
    value = {
        "zarr_format": 2,
        "shape": parse_lengths(shape, "shape", 0),
        "chunks": parse_lengths(chunk_shape, "chunks", 1),
        "dtype": data_type.v2_name(endian),
        "fill_value": fill,
        **members,
        "dimension_separator": encoding.separator,
    }
    attributes = dict(attributes or {}) | _dimensions_attribute(dimension_names, len(shape))
    documents = {".zarray": new_document(value)}
    return parse_array(documents | ({".zattrs": new_document(attributes)} if attributes else {}))


def build_group(attributes: Mapping[str, Any] | None = None) -> GroupMetadata:
    """The metadata of a new group.

    >>> build_group().document.value
    {'zarr_format': 2}
    """
    documents = {".zgroup": new_document({"zarr_format": 2})}
    return parse_group(documents | ({".zattrs": new_document(attributes)} if attributes else {}))


def _documents(documents: Mapping[str, Any], main: str, others: Sequence[str]) -> dict[str, Document]:
    """The node's documents, parsed, the main one first."""
    if main not in documents:
        raise NodeTypeValidationError(f"there is no {main}")
    kept = {}
    for key in (main, *others):
        document = documents.get(key)
        if document is not None:
            kept[key] = document if isinstance(document, Document) else loads(document, key)
    number = kept[main].value.get("zarr_format")
    if isinstance(number, bool) or number != 2:
        raise MetadataValidationError(f"zarr_format is {shown(number)}, not 2, in {main}")
    return kept


def _attributes(documents: Mapping[str, Document]) -> Mapping[str, Any]:
    return documents[".zattrs"].value if ".zattrs" in documents else {}


def _codecs(
    value: Mapping[str, Any], data_type: DataType, endian: Endian, ndim: int
) -> tuple[CodecSpec, ...]:
    if value["order"] not in ("C", "F"):
        raise MetadataValidationError(f'order is {shown(value["order"])}, neither "C" nor "F"')
    codecs = []
    if value["order"] == "F" and ndim > 1 and not keeps_shape(data_type.object_codec):
        codecs.append(CodecSpec("transpose", {"order": list(reversed(range(ndim)))}))
    ordered = {"endian": endian} if data_type.byte_ordered else {}
    filters = value["filters"]
    if filters is not None and not isinstance(filters, list):
        raise MetadataValidationError(f"filters are {shown(filters)}, neither a list nor null")
    if filters:
        codecs.append(CodecSpec("v2.filters", {"filters": [_numcodec(f) for f in filters], **ordered}))
    else:
        codecs.append(CodecSpec("bytes", ordered))
    if value["compressor"] is not None:
        codecs.append(CodecSpec("v2.compressor", _numcodec(value["compressor"])))
    return tuple(codecs)


def _numcodec(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return value
    raise MetadataValidationError(f'{shown(value)} is no codec of v2, an object such as {{"id": "zlib"}}')


def _members(codecs: Sequence[CodecSpec], ndim: int) -> dict[str, Any]:
    """The codecs in v2's words: order, filters, compressor, and the endian of the dtype."""
    members: dict[str, Any] = {"order": "C", "filters": None, "compressor": None, "endian": "little"}
    reverse = list(reversed(range(ndim)))
    for codec in codecs:
        if codec.name == "transpose" and list(codec.configuration.get("order", ())) == reverse:
            members["order"] = "F"
        elif codec.name in ("bytes", "v2.filters"):
            members["endian"] = cast("Endian", codec.configuration.get("endian") or "little")
            members["filters"] = codec.configuration.get("filters")
        elif codec.name == "v2.compressor":
            members["compressor"] = dict(codec.configuration)
        else:
            raise MetadataValidationError(
                f"the codec {codec.name!r} {dict(codec.configuration)} has no place in v2; use zarr_format=3"
            )
    return members


def _dimensions_attribute(names: Sequence[str | None] | None, ndim: int) -> dict[str, Any]:
    if names is None:
        return {}
    if len(names) != ndim or not all(isinstance(name, str) for name in names):
        raise MetadataValidationError(
            f"dimension_names {shown(names)} are not a name for each of the {ndim} axes, as v2 needs"
        )
    return {DIMENSIONS_ATTRIBUTE: list(names)}
