"""The law of the compute half: whatever the chunks, tiles, blocks, budget and scheduler, the values are NumPy's."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyzarr.graph import stage
from lazyzarr.graph.lazy import LazyArray, compute_outputs
from lazyzarr.graph.lift import array_node
from lazyzarr.graph.run import Job

EXAMPLES = int(os.environ.get("LAZYZARR_LAWS", "150"))

SHAPES = st.lists(st.integers(1, 9), min_size=0, max_size=3).map(tuple)


@pytest.fixture(autouse=True, scope="module")
def _many_small_pieces() -> Any:
    """Tiles of a few elements and blocks of a few bytes: every seam is crossed with small arrays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "TILE_BYTES", 64)
        patch.setattr(stage, "BLOCK_BYTES", 128)
        patch.setattr(stage, "LEAST_BLOCK_BYTES", 16)
        yield


class Sliced:
    """An array-like that counts and checks what it is asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, selection: Any) -> np.ndarray:
        return self.values[selection]


@st.composite
def sources(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[LazyArray, np.ndarray]:
    """An array of a shape: in memory or read by chunks, with chunks of any sizes."""
    dtype = draw(st.sampled_from(["i2", "i8", "f4", "f8", "u1", "c16"]))
    seed = draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    chunks = []
    for n in shape:
        cuts = sorted(draw(st.sets(st.integers(1, n - 1), max_size=3))) if n > 1 else []
        chunks.append(tuple(np.diff([0, *cuts, n]).tolist()))
    held = draw(st.sampled_from([lambda a: a, Sliced]))
    return LazyArray(array_node(held(values), tuple(chunks), None)), values


def _slice(draw: st.DrawFn, n: int) -> slice:
    start, stop = draw(st.integers(-n - 1, n + 1)), draw(st.integers(-n - 1, n + 1))
    return slice(start, stop, draw(st.sampled_from([None, 1, 2, 3, -1, -2])))


@st.composite
def expressions(draw: st.DrawFn) -> tuple[LazyArray, np.ndarray]:
    """A lazy array and what NumPy makes of the same operations."""
    shape = draw(SHAPES)
    x, a = draw(sources(shape))
    for _ in range(draw(st.integers(0, 6))):
        if a.dtype == bool:  # NumPy refuses some arithmetic of these
            x, a = x.astype("i4"), a.astype("i4")
        with np.errstate(all="ignore"):
            x, a = draw(st.sampled_from(STEPS))(draw, x, a)
        if a.size == 0 or a.size > 5000:
            break
    return x, a


def step_slice(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    index: list[Any] = [_slice(draw, n) if draw(st.booleans()) else slice(None) for n in a.shape]
    if index and draw(st.booleans()):
        axis = draw(st.integers(0, a.ndim - 1))
        index[axis] = draw(st.integers(-a.shape[axis], a.shape[axis] - 1))
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))), None)
    return x[tuple(index)], a[tuple(index)]


def step_transpose(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    order = draw(st.permutations(range(a.ndim)))
    return x.transpose(order), a.transpose(order)


def step_scalar(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    function = draw(st.sampled_from([np.add, np.subtract, np.multiply, np.maximum]))
    scalar = draw(st.sampled_from([1, 2, 3.5, np.float32(2.5), np.int64(3)]))
    with np.errstate(all="ignore"):
        return function(x, scalar), function(a, scalar)


def step_self(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    return (x + x, a + a) if draw(st.booleans()) else (x * 2 + x, a * 2 + a)


def step_other(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    shape = tuple(draw(st.sampled_from([n, 1])) for n in a.shape)[draw(st.integers(0, a.ndim)) :]
    y, b = draw(sources(shape))
    return (x + y, a + b) if draw(st.booleans()) else (y * x, b * a)


def step_neighbours(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    if not a.ndim or a.shape[0] < 2:
        return x, a
    k = draw(st.integers(1, a.shape[0] - 1))
    return x[k:] - x[:-k], a[k:] - a[:-k]


def step_where(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    return np.where(x != 3, x, 7), np.where(a != 3, a, 7)


def step_astype(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    dtype = draw(st.sampled_from(["f8", "c16"]))
    if a.dtype.kind == "c":
        dtype = "c16"
    return x.astype(dtype), a.astype(dtype)


def step_rechunk(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    return x.rechunk(draw(st.sampled_from([1, 2, 3, -1]))), a


def step_map_blocks(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    y = x.map_blocks(lambda block: block[::-1].copy() if block.ndim else block, dtype=x.dtype)
    if not a.ndim:
        return y, a
    cuts = np.cumsum(x.chunks[0])[:-1]
    return y, np.concatenate([part[::-1] for part in np.split(a, cuts)]) if a.shape[0] else a


def step_reduce(draw: st.DrawFn, x: LazyArray, a: np.ndarray) -> tuple[LazyArray, np.ndarray]:
    """Reductions that are exact on small integers, so that they can be compared bit by bit."""
    axes = tuple(axis for axis in range(a.ndim) if draw(st.booleans()))
    keepdims = draw(st.booleans())
    name = draw(st.sampled_from(["sum", "max", "min", "any", "all"]))
    if a.dtype.kind == "c" and name in ("max", "min"):
        name = "sum"
    return getattr(x, name)(axis=axes, keepdims=keepdims), getattr(a, name)(axis=axes, keepdims=keepdims)


STEPS = [
    step_slice, step_transpose, step_scalar, step_self, step_other, step_neighbours, step_where, step_astype,
    step_rechunk, step_map_blocks, step_reduce,
]  # fmt: skip


def assert_same(got: Any, expected: Any) -> None:
    """Equal values, shape and dtype."""
    expected = np.asarray(expected)
    assert np.asarray(got).dtype == expected.dtype
    assert np.shape(got) == expected.shape
    np.testing.assert_array_equal(got, expected)


@settings(max_examples=EXAMPLES, deadline=None)
@given(expressions(), st.sampled_from([("threads", 1), ("threads", 3), ("sync", 1)]))
def test_any_expression_equals_numpy(expression: tuple[LazyArray, np.ndarray], how: tuple[str, int]) -> None:
    x, a = expression
    assert x.shape == a.shape
    assert x.dtype == a.dtype
    assert tuple(map(sum, x.chunks)) == a.shape
    with np.errstate(all="ignore"):
        assert_same(x.compute(scheduler=how[0], num_workers=how[1]), a)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.lists(expressions(), min_size=2, max_size=4))
def test_several_outputs_in_one_run_equal_numpy(several: list[tuple[LazyArray, np.ndarray]]) -> None:
    with np.errstate(all="ignore"):
        answers = compute_outputs([x for x, _ in several], Job(num_workers=2))
    for answer, (_, a) in zip(answers, several, strict=True):
        assert_same(answer, a)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(SHAPES.filter(lambda shape: math.prod(shape) > 1), st.data())
def test_float_statistics_are_as_near_as_numpys(shape: tuple[int, ...], data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    dtype = data.draw(st.sampled_from(["f4", "f8"]))
    a = (np.random.default_rng(seed).normal(size=shape) + 1000).astype(dtype)
    x = LazyArray(array_node(Sliced(a), 2, None))
    axis = data.draw(st.sampled_from([None, 0, -1]))
    exact = a.astype(np.longdouble)
    for name in ("sum", "mean", "var", "std"):
        truth = getattr(exact, name)(axis=axis)
        mine = np.asarray(getattr(x, name)(axis=axis).compute(), np.longdouble)
        theirs = np.asarray(getattr(a, name)(axis=axis), np.longdouble)
        allowed = np.maximum(
            np.abs(theirs - truth), 4 * np.spacing(np.abs(truth).astype(dtype)).astype(np.longdouble)
        )
        assert (np.abs(mine - truth) <= allowed).all(), (name, mine - truth, theirs - truth)
