"""Selections against NumPy: the parsed ranges select what NumPy selects, the pieces tile the selection."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lazyzarr.errors import BoundsCheckError, SelectionError
from lazyzarr.format.grid import RegularGrid
from lazyzarr.format.pieces import ascending, count_pieces, pieces
from lazyzarr.format.selection import parse_basic

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)


def read(array, chunk_shape, ranges):
    """The ranges of an array, put together from its chunks."""
    grid = RegularGrid(array.shape, chunk_shape)
    out = np.full([axis.count for axis in ranges], -1)
    seen = 0
    for coords, inside, outside, whole in pieces(ranges, grid):
        chunk = np.full(chunk_shape, -2)
        extent = tuple(slice(*bounds) for bounds in grid.extent(coords))
        valid = array[extent]
        chunk[tuple(map(slice, valid.shape))] = valid
        assert (out[outside] == -1).all()
        out[outside] = chunk[inside]
        assert whole == (out[outside].size == valid.size)
        seen += 1
    assert seen <= count_pieces(ranges, grid)
    return out


@given(st.data(), SHAPES)
def test_pieces_read_what_numpy_selects(data, shape):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    chunk_shape = tuple(data.draw(st.integers(1, 8)) for _ in shape)
    selection = parse_basic(index, shape)
    expected = array[index]
    assert selection.out_shape == np.shape(expected)
    assert set(selection.int_axes) <= set(range(len(shape)))
    assert all(selection.out_shape[axis] == 1 for axis in selection.newaxes)
    got = read(array, chunk_shape, selection.ranges)
    np.testing.assert_array_equal(got.reshape(selection.out_shape), expected)
    turned, flip = ascending(selection.ranges)
    assert all(axis.step > 0 for axis in turned)
    np.testing.assert_array_equal(read(array, chunk_shape, turned)[flip], got)


def test_every_slice_of_a_small_axis():
    bounds = [None, *range(-6, 7)]
    steps = [None, -7, -3, -2, -1, 1, 2, 3, 7]
    array = np.arange(5)
    for start, stop, step, edge in itertools.product(bounds, bounds, steps, (1, 2, 3, 5, 9)):
        ranges = parse_basic(slice(start, stop, step), (5,)).ranges
        np.testing.assert_array_equal(read(array, (edge,), ranges), array[start:stop:step])


def test_a_long_step_touches_only_its_chunks():
    ranges = parse_basic(slice(None, None, 1000), (10**6,)).ranges
    assert len(list(pieces(ranges, RegularGrid((10**6,), (10,))))) == 1000


@pytest.mark.parametrize("index", [2, np.int64(2), np.uint8(2), np.array(2), np.array(-1), -3])
def test_integers_of_all_kinds(index):
    assert parse_basic(index, (3,) if int(index) < 0 else (5,)).out_shape == ()


@pytest.mark.parametrize("index", [3, -4, (0, 0), np.int64(3), 10**30])
def test_out_of_bounds(index):
    with pytest.raises(BoundsCheckError):
        parse_basic(index, (3,))
    with pytest.raises(IndexError):
        parse_basic(index, (3,))


def test_a_bound_error_says_where():
    with pytest.raises(BoundsCheckError, match="index 7 is out of bounds for axis 1 with length 4"):
        parse_basic((0, 7), (5, 4))
    with pytest.raises(BoundsCheckError, match="too many indices: the array has 1 axes, 2 were indexed"):
        parse_basic((0, 0), (5,))


@pytest.mark.parametrize(
    "index",
    [
        [0, 1],
        np.array([0, 1]),
        np.ones(3, bool),
        True,
        np.bool_(True),
        1.0,
        "f",
        slice(0, 2, 0),
        slice(0.5),
        (..., ...),
        {},
    ],
    ids=repr,
)
def test_what_is_not_basic(index):
    with pytest.raises(SelectionError):
        parse_basic(index, (3,))


def test_lists_are_told_the_cure():
    with pytest.raises(SelectionError, match=r"z\.oindex\[\.\.\.\]"):
        parse_basic([0, 1], (3,))
    with pytest.raises(SelectionError, match=r"an array of shape \(2,\)"):
        parse_basic(np.array([0, 1]), (3,))


def test_the_whole_of_a_0d_array():
    assert list(pieces(parse_basic((), ()).ranges, RegularGrid((), ()))) == [((), (), (), True)]
