"""Steps of the law machine that arrange, pick and join elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.graph.laws.pool import Pool
from tests.graph.laws.sources import chunk_sizes
from tests.graph.laws.values import MOST, Value, both

__all__ = ["STEPS"]


def basic(pool: Pool) -> Value | None:
    """Slices, integers, Ellipsis and new axes."""
    value = pool.any()
    assert value is not None
    selection = _basic(pool, value.held.shape)
    return both(lambda v: v[selection], value)


def _basic(pool: Pool, shape: tuple[int, ...]) -> tuple[Any, ...]:
    index: list[Any] = [pool.slice(n) if pool.coin() else slice(None) for n in shape]
    for axis, n in enumerate(shape):
        if n and pool.integer(0, 4) == 0:
            index[axis] = pool.integer(-n, n - 1) if pool.integer(0, 20) else n + 1
    if index and pool.integer(0, 3) == 0:
        at = pool.integer(0, len(index))
        index = [*index[:at], ..., *index[pool.integer(at, len(index)) :]]
    for _ in range(pool.pick([0, 0, 0, 1, 2])):
        index.insert(pool.integer(0, len(index)), None)
    return tuple(index)


def transpose(pool: Pool) -> Value | None:
    """Axes in another order."""
    value = pool.any()
    assert value is not None
    ndim = value.held.ndim
    functions: list[Any] = [lambda v: v.T, lambda v: np.flip(v)]
    if ndim:
        one, other = pool.axis(value), pool.axis(value)
        functions += [
            lambda v: np.swapaxes(v, one, other), lambda v: np.moveaxis(v, one, other), lambda v: np.flip(v, one),
            lambda v: np.expand_dims(v, one), lambda v: np.rot90(v, other, (0, 1)),
        ]  # fmt: skip
    function = pool.pick(functions)
    return both(function, value)


def shapes(pool: Pool) -> Value | None:
    """Reshaped, raveled, squeezed, stretched."""
    value = pool.any()
    assert value is not None
    shape, size = value.held.shape, value.held.size
    divisors = [n for n in range(1, 13) if size % n == 0]
    n = pool.pick(divisors)
    functions: list[Any] = [
        np.ravel, np.squeeze, lambda v: v.reshape(-1, n), lambda v: v.reshape(n, -1), lambda v: v.reshape(-1),
        np.atleast_1d, np.atleast_2d, np.atleast_3d, lambda v: v.reshape(shape[::-1]), lambda v: v.reshape(7, -1),
        lambda v: np.broadcast_to(v, (2, *shape)), lambda v: np.broadcast_to(v, (*shape, 3)),
        lambda v: v.reshape((1, *shape)), lambda v: v.flatten(),
    ]  # fmt: skip
    function = pool.pick(functions)
    return both(function, value)


def join(pool: Pool) -> Value | None:
    """Several arrays as one."""
    value = pool.any()
    assert value is not None
    shape = value.held.shape
    functions: list[Any]
    if not shape:
        return both(lambda v: np.stack([v, v]), value)
    axis = pool.axis(value)
    if not pool.integer(0, 2):  # with a part of itself
        part = (slice(None),) * axis + (slice(pool.integer(0, 3), pool.integer(1, 9)),)
        functions = [
            lambda v: np.concatenate([v[part], v], axis), lambda v: np.concatenate([v, v[part], v], axis),
            lambda v: np.concatenate([v[part], v], axis)[(slice(None),) * axis + (slice(shape[axis]),)],
        ]  # fmt: skip
        return both(pool.pick(functions), value)
    longer = (*shape[:axis], pool.integer(0, 4), *shape[axis:][1:])
    # What is near a number is not near it as text.
    any_type = value.held.dtype.kind in "biufc" and not value.near
    dtypes = None if any_type else [value.held.dtype.str]
    other = pool.source(longer, dtypes)
    same = pool.source(shape, dtypes)
    if pool.coin():
        functions = [
            lambda v, w: np.concatenate([v, w], axis), lambda v, w: np.concatenate([w, v, w], axis),
            lambda v, w: np.append(v, w, axis), lambda v, w: np.concatenate([v, w], None),
        ]  # fmt: skip
        return both(pool.pick(functions), value, other)
    place = pool.integer(-len(shape) - 1, len(shape))
    functions = [
        lambda v, w: np.stack([v, w], place), lambda v, w: np.stack([w, v, v], place), lambda v, w: np.vstack([v, w]),
        lambda v, w: np.hstack([v, w]), lambda v, w: np.dstack([v, w]), lambda v, w: np.block([[v, w], [w, v]]),
        lambda v, w: np.column_stack([v, w]),
    ]  # fmt: skip
    return both(pool.pick(functions), value, same)


def pad(pool: Pool) -> Value | None:
    """More elements at the ends."""
    value = pool.any("biufcmM")
    if value is None or not value.held.ndim:
        return None
    widths = [(pool.integer(0, 4), pool.integer(0, 4)) for _ in value.held.shape]
    mode = pool.pick(["constant", "edge", "wrap", "reflect", "symmetric"])
    words = (
        {"constant_values": pool.pick([0, 3, (1, 2)])}
        if mode == "constant" and value.held.dtype.kind in "iufc"
        else {}
    )
    return both(lambda v: np.pad(v, widths, mode, **words), value)


def repeated(pool: Pool) -> Value | None:
    """Rolled, repeated, tiled."""
    value = pool.any()
    assert value is not None
    by, axis = pool.integer(-5, 12), pool.axis(value) if value.held.ndim and pool.coin() else None
    functions: list[Any] = [lambda v: np.roll(v, by, axis), lambda v: np.repeat(v, abs(by) % 4, axis)]
    functions += [lambda v: np.tile(v, (2, abs(by) % 3)), lambda v: np.tile(v, 2)]
    if value.held.ndim > 1:
        functions.append(lambda v: np.roll(v, (by, -by), (0, 1)))
    return both(pool.pick(functions), value)


def diff(pool: Pool) -> Value | None:
    """Differences of neighbours."""
    value = pool.any("biufcmM", near=False)
    if value is None or not value.held.ndim:
        return None
    n, axis = pool.integer(0, 3), pool.axis(value)
    if value.held.dtype.kind in "iuf" and pool.coin():
        return both(lambda v: np.diff(v, n, axis, prepend=0), value)
    return both(lambda v: np.diff(v, n, axis), value)


def _positions(pool: Pool, n: int, count: Any = None) -> np.ndarray:
    shape = (pool.integer(0, 6),) if count is None else count
    rng = np.random.default_rng(pool.integer(0, 999))
    positions = rng.integers(-n, n, shape) if n else np.zeros(0, int)
    if n and pool.integer(0, 25) == 0 and positions.size:
        positions.flat[0] = n
    return np.sort(positions) if pool.coin() and positions.ndim == 1 else positions


def take(pool: Pool) -> Value | None:
    """Elements at positions along an axis."""
    value = pool.any()
    assert value is not None
    if not value.held.ndim:
        return both(lambda v: np.take(v, [0, 0]), value)
    axis = pool.axis(value)
    positions = _positions(pool, value.held.shape[axis], (pool.integer(0, 4), 2) if pool.coin() else None)
    functions: list[Any] = [lambda v: np.take(v, positions, axis), lambda v: v.take(positions.tolist(), axis)]
    if value.held.shape[axis]:
        functions.append(lambda v: np.delete(v, pool_first(positions), axis))
    return both(pool.pick(functions), value)


def pool_first(positions: np.ndarray) -> Any:
    """What `np.delete` is given."""
    return positions.reshape(-1)[:2]


def fancy(pool: Pool) -> Value | None:
    """Integer arrays, lists and masks among slices, by NumPy's rules."""
    value = pool.any()
    if value is None or not value.held.ndim:
        return None
    shape = value.held.shape
    count = (pool.integer(0, 5),)
    index: list[Any] = [pool.slice(n) if pool.coin() else slice(None) for n in shape]
    for axis in {pool.integer(0, len(shape) - 1) for _ in range(pool.integer(1, 2))}:
        n = shape[axis]
        if pool.integer(0, 3) == 0:
            rng = np.random.default_rng(pool.integer(0, 99))
            index[axis] = rng.random(n) < 0.5
        elif n:
            given = _positions(pool, n, (1,) if pool.integer(0, 5) == 0 else count)
            index[axis] = given.tolist() if pool.coin() and given.size else given
    if pool.integer(0, 3) == 0:
        index.insert(pool.integer(0, len(index)), None)
    if pool.integer(0, 4) == 0:
        index = [*index, ...]
    return both(lambda v: v[tuple(index)], value)


def mask(pool: Pool) -> Value | None:
    """A mask of all axes, in memory."""
    value = pool.any()
    if value is None or not value.held.ndim:
        return None
    chosen = (
        np.random.default_rng(pool.integer(0, 99)).random(
            value.held.shape[: pool.integer(1, value.held.ndim)]
        )
        < 0.4
    )
    return both(lambda v: v[chosen], value)


def orthogonal(pool: Pool) -> Value | None:
    """`oindex` and `vindex`."""
    value = pool.any()
    if value is None or not value.held.ndim or 0 in value.held.shape:
        return None
    shape = value.held.shape
    if pool.coin():
        picks = [np.random.default_rng(pool.integer(0, 99)).integers(0, n, pool.integer(0, 4)) for n in shape]
        return both(lambda v: v.oindex[tuple(picks)] if hasattr(v, "oindex") else v[np.ix_(*picks)], value)
    points = [np.random.default_rng(pool.integer(0, 99)).integers(0, n, 4) for n in shape]
    return both(lambda v: v.vindex[tuple(points)] if hasattr(v, "vindex") else v[tuple(points)], value)


def assign(pool: Pool) -> Value | None:
    """A changed copy."""
    value = pool.any("biufc", near=False)
    if value is None or 0 in value.held.shape:
        return None
    selection = _basic(pool, value.held.shape) if pool.coin() else None
    number = pool.pick([0, 1, 5])
    if selection is not None and any(part is None for part in selection):
        return None

    def changed(v: Any) -> Any:
        copy = v.copy() if isinstance(v, np.ndarray) else type(v)(v.__lazyzarr_node__)
        copy[copy > 3 if selection is None else selection] = number
        return copy

    return both(changed, value)


def assign_arrays(pool: Pool) -> Value | None:
    """A changed copy: arrays put where slices, positions or a mask say."""
    value = pool.any("iuf", near=False)
    if value is None or not value.held.ndim or 0 in value.held.shape:
        return None
    n, kind = value.held.shape[0], pool.pick(["slice", "positions", "mask", "own"])
    rng = np.random.default_rng(pool.integer(0, 99))
    mask = rng.random(value.held.shape) < 0.4
    where: Any = {
        "slice": pool.slice(n),
        "positions": rng.permutation(n)[: pool.integer(0, n)],
        "mask": mask,
        "own": mask,
    }[kind]
    shape = value.held[where].shape if kind in ("slice", "positions") else (1,)
    given = pool.source(shape, [value.held.dtype.str])

    def changed(v: Any, w: Any) -> Any:
        copy = v.copy() if isinstance(v, np.ndarray) else type(v)(v.__lazyzarr_node__)
        if kind == "own":
            chosen = copy > 3
            copy[chosen] = copy[chosen] * 2
        else:
            copy[where] = w[0] if kind == "mask" else w
        return copy

    return both(changed, value, given)


def windows(pool: Pool) -> Value | None:
    """Windows, and parts of a split."""
    value = pool.any()
    if value is None or not value.held.ndim:
        return None
    axis, n = pool.axis(value), pool.integer(1, 3)
    if pool.coin() and value.held.size * n < MOST:
        return both(lambda v: np.lib.stride_tricks.sliding_window_view(v, n, axis), value)
    which = pool.integer(0, n - 1)
    return both(lambda v: np.array_split(v, n, axis)[which], value)


def rechunk(pool: Pool) -> Value | None:
    """Other chunks."""
    value = pool.any()
    assert value is not None
    chunks = pool.pick([1, 2, 3, -1, "auto", "1kB", chunk_sizes(pool.draw, value.held.shape)])
    return both(lambda v: v.rechunk(chunks) if hasattr(v, "rechunk") else v, value)


STEPS = [
    basic, basic, basic, transpose, shapes, join, join, pad, repeated, diff, take, fancy, fancy, mask, orthogonal,
    assign, assign_arrays, windows, rechunk,
]  # fmt: skip
