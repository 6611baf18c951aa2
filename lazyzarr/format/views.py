"""Views: the metadata under which what is stored for one array is shown as another one; nothing is stored.

What zarr-python 2 calls `astype` and `view`. A cast is a codec before the others, numcodecs' `astype`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import MetadataValidationError
from . import metadata_v2, metadata_v3
from .dtypes import DataType, data_type_of
from .elements import is_plain
from .metadata import ArrayMetadata, CodecSpec
from .options import DEFAULT

__all__ = ["cast_metadata", "view_metadata"]

Filters = Sequence[Mapping[str, Any]]


def cast_metadata(stored: ArrayMetadata, dtype: DTypeLike) -> ArrayMetadata:
    """An array's metadata with its values cast to a dtype as they are read.

    Raises MetadataValidationError for text of any length, objects and records, and in v3 from numbers to text.
    """
    data_type = data_type_of(dtype)
    plain = is_plain(stored.dtype) and is_plain(data_type.dtype)
    of_text = (stored.dtype.kind in "SU", data_type.dtype.kind in "SU")
    # what nothing is stored for has to be told in the stored type: no number is written ""
    if not plain or (stored.zarr_format == 3 and of_text[0] != of_text[1]):
        raise MetadataValidationError(
            f"{stored.data_type} is not shown as {data_type}; z[...].astype(dtype) converts in memory, "
            "z.lazy().astype(dtype) piece by piece"
        )
    cast = {"encode_dtype": stored.dtype.str, "decode_dtype": data_type.dtype.str}
    if stored.zarr_format == 2:
        codecs = _with_v2_filters(stored.codecs, lambda filters: [{"id": "astype", **cast}, *filters])
    else:
        codecs = _cast_first(stored.codecs, CodecSpec("numcodecs.astype", cast))
    return _built(stored, data_type, codecs, _converted(stored, data_type))


def view_metadata(
    stored: ArrayMetadata,
    shape: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    dtype: DTypeLike | None = None,
    fill_value: Any = DEFAULT,
    filters: Filters | None = None,
) -> ArrayMetadata:
    """An array's metadata with another shape, chunk shape, dtype, fill value or (v2) filters.

    What is not given stays. Raises MetadataValidationError, UnknownDataTypeError for what cannot be.
    """
    data_type = stored.data_type if dtype is None else data_type_of(dtype)
    fill = _converted(stored, data_type) if fill_value is DEFAULT else fill_value
    codecs = tuple(_with_byte_order(codec) for codec in stored.codecs)
    if filters is not None and stored.zarr_format == 3:
        raise MetadataValidationError("filters= of a view are numcodecs', as v2 has them; leave filters= out")
    if filters is not None:
        codecs = _with_v2_filters(codecs, lambda _: list(filters))
    return _built(stored, data_type, codecs, fill, shape, chunks)


def _built(
    stored: ArrayMetadata,
    data_type: DataType,
    codecs: Sequence[CodecSpec],
    fill: Any,
    shape: tuple[int, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
) -> ArrayMetadata:
    build = metadata_v2.build_array if stored.zarr_format == 2 else metadata_v3.build_array
    same_axes = shape is None or len(shape) == stored.ndim
    built = build(
        stored.shape if shape is None else shape,
        data_type,
        (stored.edges or stored.chunk_shape) if chunks is None else chunks,  # type: ignore[arg-type]
        codecs,
        chunk_key_encoding=stored.chunk_key_encoding,
        fill_value=fill,
        attributes=stored.attributes,
        dimension_names=stored.names if same_axes else None,
    )
    return replace(built, viewed=stored.viewed or stored)


def _converted(stored: ArrayMetadata, data_type: DataType) -> Any:
    """The fill value in another data type; its default where it has no such value."""
    if stored.fill_value is None or data_type == stored.data_type:
        return stored.fill_value
    try:
        with np.errstate(all="ignore"):
            return stored.fill.astype(data_type.dtype)[()]
    except (TypeError, ValueError):
        return data_type.default_fill


def _with_v2_filters(codecs: Sequence[CodecSpec], change: Any) -> tuple[CodecSpec, ...]:
    """A v2 chain with what `change` makes of its filters."""
    return tuple(
        CodecSpec(
            "v2.filters", {**codec.configuration, "filters": change(codec.configuration.get("filters", []))}
        )
        if codec.name in ("bytes", "v2.filters")
        else codec
        for codec in codecs
    )


def _cast_first(codecs: Sequence[CodecSpec], cast: CodecSpec) -> tuple[CodecSpec, ...]:
    """A v3 chain with a cast before all; in the inner chunks of shards, so that they are read alone still."""
    if codecs and codecs[0].name == "sharding_indexed":
        shard, *rest = codecs
        inner = [cast.to_json(), *shard.configuration["codecs"]]
        return CodecSpec(shard.name, {**shard.configuration, "codecs": inner}), *rest
    return cast, *codecs


def _with_byte_order(codec: CodecSpec) -> CodecSpec:
    """The codec with a byte order, which a data type of one byte leaves out and another one needs."""
    if codec.name != "bytes" or "endian" in codec.configuration:
        return codec
    return CodecSpec("bytes", {"endian": "little", **codec.configuration})
