"""What users say, as types: axes, chunks, regions, and the options of runs and of writes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, Literal, SupportsIndex, TypeAlias, TypedDict

from numpy.typing import DTypeLike

__all__ = [
    "Axes",
    "Axis",
    "ChunksLike",
    "Lengths",
    "Mode",
    "RegionLike",
    "RunOptions",
    "WriteOptions",
]

Axis: TypeAlias = SupportsIndex | str
"""One axis, by number or dimension name."""

Axes: TypeAlias = Axis | Sequence[Axis] | None
"""One axis, several, or all."""

_Lengths: TypeAlias = SupportsIndex | str | Sequence[SupportsIndex] | None

ChunksLike: TypeAlias = _Lengths | Sequence[_Lengths] | Mapping[Any, _Lengths]
"""Chunk lengths: -1, "auto", "64MB", one entry an axis, or a mapping by axis number or dimension name."""

Lengths: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""A shape: a length an axis, or that of the one axis."""

RegionLike: TypeAlias = slice | EllipsisType | SupportsIndex | tuple[Any, ...] | Mapping[Any, Any] | None
"""A part of an array that is there: a selection, or slices by axis number or dimension name; None: all of it."""

Mode: TypeAlias = Literal["w-", "w", "r+", "a"]


class RunOptions(TypedDict, total=False):
    """How to run: what `LazyArray.compute` takes."""

    scheduler: Any
    num_workers: int | None
    memory: str | float | None
    progress: bool | None
    temp: str | os.PathLike[str] | None


class WriteOptions(RunOptions, total=False):
    """How to write: what `LazyArray.to_zarr` and `lz.store` take, besides what gives one answer or another.

    Their overloads are made of it; tests/typing holds it to their signatures.
    """

    mode: Mode
    chunks: ChunksLike
    shards: ChunksLike
    compressors: Any
    filters: Any
    serializer: Any
    fill_value: Any
    dimension_names: Sequence[str | None] | None
    attributes: Mapping[str, Any] | None
    zarr_format: Literal[2, 3] | None
    pack: DTypeLike | None
    scale_factor: float | None
    add_offset: float | None
    overwrite: bool
    storage_options: Mapping[str, Any] | None
