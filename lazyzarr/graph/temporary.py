"""Temporary arrays: values that one stage writes and later ones read, in a folder that goes with the run.

The folder is `__lazyzarr-<run>` in the temporary directory, locked by the process that asked for the run: what
a killed one leaves there, the next run that needs the directory sweeps (format/commit/runs.py). Chunks are
stored as they lie in memory. One that is missing is an error, never fill.
"""

from __future__ import annotations

import functools
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lazyzarr.errors import StoreError, UnknownDataTypeError
from lazyzarr.format import commit
from lazyzarr.format.array import ArrayHandle
from lazyzarr.format.array_config import ArrayConfig
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.layout import new_metadata
from lazyzarr.format.resolve import folder_store
from lazyzarr.graph.node import Node, make
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.sink import Sink
from lazyzarr.settings import setting

__all__ = ["Spill", "can_spill", "choose_folder", "free_bytes", "make_spill", "temporary_folder"]


@dataclass(frozen=True)
class Spill:
    """A node whose values are written to a temporary array, and what later stages read in its place."""

    node: Node
    source: ZarrSource
    sink: Sink

    @property
    def nbytes(self) -> int:
        """Bytes that the temporary array takes: chunks at the edges are stored in full."""
        chunks = math.prod(-(-n // unit) for n, unit in zip(self.sink.shape, self.sink.unit, strict=True))
        return chunks * math.prod(self.sink.unit) * self.sink.itemsize


def choose_folder(given: str | os.PathLike[str] | None) -> str:
    """Where a run may put its temporary arrays: below the directory given, that of the settings, or the system's."""
    directory = given or setting("temporary_directory") or tempfile.gettempdir()
    return os.path.join(os.path.abspath(os.path.expanduser(os.fspath(directory))), commit.new_run(""))


def can_spill(node: Node) -> bool:
    """Whether a node's values can be stored as they lie in memory: of strings and objects it holds addresses."""
    plain = not node.dtype.hasobject and node.dtype.kind != "T"
    return plain and 0 not in node.shape and node.ndim > 0 and _format(node.dtype) is not None


@functools.cache
def _format(dtype: np.dtype[Any]) -> Literal[2, 3] | None:
    """The version that has a data type for these values; None where neither has, as for longdouble."""
    with suppress(UnknownDataTypeError):
        data_type = data_type_of(dtype)
        with suppress(UnknownDataTypeError):
            data_type.v2_name()
            return 2
        _ = data_type.v3_name
        return 3
    return None


def make_spill(node: Node, chunks: tuple[int, ...], folder: str, number: int) -> Spill:
    """The temporary array of a node, in chunks of one length an axis, in a run's folder; nothing is made."""
    store, path = folder_store(os.path.dirname(folder)), f"{os.path.basename(folder)}/temporary-{number}"
    words = {"chunks": chunks, "compressors": None, "filters": None, "chunk_key_encoding": ("v2", ".")}
    metadata = new_metadata(node.shape, node.dtype, _format(node.dtype) or 2, words)
    config = ArrayConfig(write_empty_chunks=True, read_missing_chunks=False)
    handle = ArrayHandle.of(store, path, metadata, config)
    sink = Sink(handle, store.url(), node.shape, chunks, node.dtype.itemsize, (0,) * node.ndim, staged=True)
    described = (handle, node.token, node.shape, node.dtype, node.chunks, node.dims)
    source = make(ZarrSource, (), described, node.origin)
    return Spill(node, source, sink)


def free_bytes(folder: str) -> int:
    """Bytes that are free where a run's folder is to be made."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free


@contextmanager
def temporary_folder(folder: str) -> Iterator[None]:
    """Within: a run's folder is there, locked for this process; afterwards it is gone, with all in it.

    Raises StoreError where it cannot be made.
    """
    store = folder_store(os.path.dirname(folder))
    try:
        run = commit.begin_run(store, "temporary", os.path.basename(folder))
    except StoreError as error:
        error.add_note(
            "here temporary arrays were to be written; name another directory: temp=, or "
            'lz.config.set(temporary_directory="/scratch")'
        )
        raise
    try:
        yield
    finally:
        commit.end_run(store, run)
