"""The grid, against a count by hand, and the chunk shapes chosen where none is given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.errors import MetadataValidationError
from lazyzarr.format.grid import RegularGrid, guess_chunks

MIB = 1 << 20


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 15)), max_size=3))
def test_the_chunks_tile_the_array(axes):
    shape, chunk_shape = tuple(n for n, _ in axes), tuple(edge for _, edge in axes)
    grid = RegularGrid(shape, chunk_shape)
    seen = np.zeros(shape, int)
    for coords in np.ndindex(grid.grid_shape):
        part = seen[(*(slice(*extent) for extent in grid.extent(coords)), ...)]
        part += 1
        assert part.shape == tuple(sizes[i] for sizes, i in zip(grid.clipped_chunks(), coords, strict=True))
    assert (seen == 1).all()
    assert grid.nchunks == math.prod(map(len, grid.clipped_chunks()))


def test_zero_axes_and_empty_axes():
    assert RegularGrid((), ()).nchunks == 1
    assert RegularGrid((0, 5), (4, 4)).nchunks == 0
    assert RegularGrid((0,), (4,)).clipped_chunks() == ((),)


@pytest.mark.parametrize(("shape", "chunks"), [((4,), (0,)), ((4,), (-1,)), ((4, 4), (4,)), ((), (1,))])
def test_impossible_grids(shape, chunks):
    with pytest.raises(MetadataValidationError):
        RegularGrid(shape, chunks)


def test_grids_are_values():
    assert RegularGrid((4,), (2,)) == RegularGrid((4,), (2,))
    assert len({RegularGrid((4,), (2,)), RegularGrid((4,), (2,))}) == 1


@given(st.lists(st.integers(0, 10**6), max_size=5), st.sampled_from([1, 2, 4, 8, 16]))
def test_guessed_chunks_are_near_4_mib(shape, itemsize):
    chunks = guess_chunks(shape, itemsize)
    nbytes = math.prod(chunks) * itemsize
    assert all(1 <= edge <= max(n, 1) for edge, n in zip(chunks, shape, strict=True))
    assert nbytes <= 8 * MIB
    assert nbytes >= min(MIB, math.prod(max(n, 1) for n in shape) * itemsize)


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((1024, 1024, 1024), (128, 64, 128)),
        ((10000, 10000), (1000, 1000)),
        ((100, 3, 50000, 7), (25, 1, 12500, 3)),
        ((2**31 - 1,), (2**20,)),
        ((0, 3), (1, 3)),
    ],
)
def test_guessed_edges_divide_the_shape_where_they_can(shape, chunks):
    assert guess_chunks(shape, 4) == chunks


def test_a_large_item_makes_chunks_of_one_element():
    assert guess_chunks((10, 10), 100 * MIB) == (1, 1)
