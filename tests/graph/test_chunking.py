"""Chunks as users write them, against what dask.array makes of the same words, and axes by name."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from dask.array.core import normalize_chunks as dask_chunks
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.errors import ShapeMismatchError
from lazyzarr.graph.chunking import AUTO_BYTES, axes_of, axis_of, normalize_chunks, uniform_chunks

SHAPE, DIMS, PRESENT = (10, 7), ("time", "x"), ((4, 4, 2), (7,))


def normalized(chunks, shape=SHAPE, itemsize=8, dims=DIMS, present=PRESENT):
    return normalize_chunks(chunks, shape, itemsize, dims, present)


SAME_AS_DASK = [
    3,
    -1,
    (3, 2),
    (5, -1),
    ((4, 6), 7),
    ((4, 6), (3, 4)),
    (-1, 3),
    [3, 2],
    {0: 3, 1: 2},
    100,
    (1, 1),
]


@pytest.mark.parametrize("chunks", SAME_AS_DASK, ids=str)
def test_lengths_mean_what_they_mean_to_dask(chunks):
    assert normalized(chunks) == dask_chunks(chunks, SHAPE, dtype="f8", previous_chunks=PRESENT)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 50)), min_size=1, max_size=4))
def test_uniform_chunks_are_dasks(pairs):
    shape, chunk_shape = zip(*pairs, strict=True)
    assert uniform_chunks(shape, chunk_shape) == dask_chunks(chunk_shape, shape)


def test_axes_that_are_not_named_keep_their_chunks():
    assert normalized({"time": 5}) == ((5, 5), (7,))
    assert normalized({-1: 2}) == ((4, 4, 2), (2, 2, 2, 1))
    assert normalized((None, 3)) == ((4, 4, 2), (3, 3, 1))
    assert normalized({}) == PRESENT


REFUSED = {
    "too few": ((3,), "1 entries for an array with 2 axes"),
    "too many": ((3, 3, 3), "3 entries for an array with 2 axes"),
    "a length of 0": (0, "at least 1"),
    "a negative length": ((-2, 3), "at least 1"),
    "sizes that do not add up": (((4, 4), 7), "add up to 8, the axis has 10"),
    "a negative size": (((12, -2), 7), "axis has 10"),
}


@pytest.mark.parametrize(("chunks", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_chunking_is_refused(chunks, said):
    with pytest.raises(ShapeMismatchError, match=said):
        normalized(chunks)


@pytest.mark.parametrize("word", ["64 apples", "MB", "", "auto ", "-1"])
def test_words_that_are_no_size_are_refused(word):
    with pytest.raises(ValueError, match=re.escape(word.strip()) or "size"):
        normalized(word)


SIZED = st.tuples(
    st.lists(st.integers(1, 3000), min_size=1, max_size=3),
    st.lists(st.integers(1, 500), min_size=3, max_size=3),
    st.sampled_from([1, 8, 16]),
    st.sampled_from([100, 5_000, 1_000_000]),
)


@given(SIZED)
def test_a_size_in_bytes_is_kept_and_made_of_whole_present_chunks(case):
    shape, lengths, itemsize, target = case
    present = uniform_chunks(shape, lengths[: len(shape)])
    chunks = normalize_chunks(f"{target}B", tuple(shape), itemsize, (None,) * len(shape), present)
    assert tuple(map(sum, chunks)) == tuple(shape)
    largest = math.prod(max(sizes) for sizes in chunks) * itemsize
    assert largest <= max(target, itemsize)
    own = math.prod(max(sizes) for sizes in present) * itemsize
    if own <= target:
        for made, there in zip(chunks, present, strict=True):
            assert made[0] % there[0] == 0 or made[0] == sum(there)


def test_auto_is_a_size_in_bytes():
    x = lz.from_array(np.broadcast_to(np.float64(0), (1000, 1000, 100)))
    assert math.prod(x.chunksize) * 8 <= AUTO_BYTES
    assert math.prod(x.chunksize) * 8 > AUTO_BYTES // 4
    assert x.rechunk("auto").chunks == x.chunks
    assert math.prod(x.rechunk("1MB").chunksize) * 8 <= 1_000_000


def test_a_size_may_be_given_for_some_axes():
    assert normalized((-1, "80B")) == ((10,), (1,) * 7)
    assert normalized({"x": "80B"}) == (PRESENT[0], (2, 2, 2, 1))
    assert normalized({"time": "1MB"}) == ((10,), (7,))


def test_axes_are_found_by_number_and_name():
    assert [axis_of(axis, DIMS) for axis in (0, -1, "x", np.int64(1))] == [0, 1, 1, 1]
    assert axes_of(("x", 0), DIMS) == (0, 1)
    assert axes_of((), DIMS) == ()
    assert axes_of("x", DIMS) == (1,)


@pytest.mark.parametrize("axis", [2, -3, "lat", ("time", 0), (0, 0)])
def test_axes_that_are_not_there_or_twice_are_refused(axis):
    with pytest.raises(ValueError, match=r"axis|dimension|time, x"):
        axes_of(axis, DIMS)


def test_chunks_of_no_elements_change_nothing():
    a = np.arange(6)
    x = lz.from_array(a, chunks=((0, 2, 0, 4, 0),))
    assert (x + 1).compute().tolist() == (a + 1).tolist()
    assert x.sum().compute() == 15
    assert (x + lz.from_array(a, chunks=3)).compute().tolist() == (2 * a).tolist()
