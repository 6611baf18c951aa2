"""Steps of the law machine that hand blocks to users' functions."""

from __future__ import annotations

from typing import Any

import numpy as np

import lazyzarr as lz
from tests.graph.laws.pool import Pool
from tests.graph.laws.values import Value, both

__all__ = ["STEPS"]


def blocks(pool: Pool) -> Value | None:
    """A function of blocks, each of which it reverses along the first axis."""
    value = pool.any()
    if value is None or 0 in value.held.shape:
        return None
    sizes = value.lazy.chunks
    dtype = value.lazy.dtype

    def mapped(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return v.map_blocks(lambda block: block[::-1] if block.ndim else block, dtype=dtype)
        if not v.ndim:
            return v
        return np.concatenate([part[::-1] for part in np.split(v, np.cumsum(sizes[0])[:-1])])

    return both(mapped, value)


def overlap(pool: Pool) -> Value | None:
    """A function of blocks and what is around them."""
    value = pool.any("iu", near=False)
    if value is None or not value.held.ndim or 0 in value.held.shape:
        return None
    depth = pool.integer(0, 2)
    boundary, mode = pool.pick(
        [("reflect", "symmetric"), ("nearest", "edge"), ("periodic", "wrap"), (3, "constant")]
    )

    def sums(block: Any) -> Any:
        out = np.zeros_like(block)
        for shift in range(-depth, depth + 1):
            out += np.roll(block, shift, 0)
        return out

    def mapped(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return v.map_overlap(sums, depth={0: depth}, boundary={0: boundary}, dtype=v.dtype)
        words = {"constant_values": 3} if mode == "constant" else {}
        widths = [(depth, depth)] + [(0, 0)] * (v.ndim - 1)
        return sums(np.pad(v, widths, mode, **words))[depth : depth + v.shape[0]]

    return both(mapped, value)


def by_value(pool: Pool) -> Value | None:
    """A user's function that works value by value."""
    value = pool.any("iuf", near=False)
    return value and both(
        lambda v: lz.elementwise(_twice, v) if not isinstance(v, np.ndarray) else _twice(v), value
    )


def lines(pool: Pool) -> Value | None:
    """A user's function of whole lines, or of two arrays' lines."""
    value = pool.any("iu", near=False)
    if value is None or not value.held.ndim or 0 in value.held.shape:
        return None
    axis, name = pool.axis(value), pool.pick(["sum", "turned", "both"])
    if name == "both":
        other = pool.source(value.held.shape, ["i2"])
        signature, function = "(i),(i)->()", lambda v, w: (v * w).sum(-1)
        return both(_gufunc(function, signature, axis, 2), value, other)
    signature, function = {
        "sum": ("(i)->()", lambda v: v.sum(-1)), "turned": ("(i)->(i)", lambda v: v[..., ::-1] - v),
    }[name]  # fmt: skip
    return both(_gufunc(function, signature, axis, 1), value)


def _gufunc(function: Any, signature: str, axis: int, count: int) -> Any:
    """The function, of lazy arrays by apply_gufunc; its result stands along the last axis."""
    axes = [(axis,)] * count + [(-1,) if signature.endswith("(i)") else ()]

    def called(*arrays: Any) -> Any:
        if isinstance(arrays[0], np.ndarray):
            return function(*[np.moveaxis(array, axis, -1) for array in arrays])
        return lz.apply_gufunc(function, signature, *arrays, axes=axes)

    return called


def coarse(pool: Pool) -> Value | None:
    """Windows along several axes, by NumPy's functions."""
    value = pool.any("iuf", near=False)
    if value is None or not value.held.ndim or 0 in value.held.shape:
        return None
    lengths = [pool.integer(1, min(3, n)) for n in value.held.shape]
    name = pool.pick(["sum", "max", "min"] if value.held.dtype.kind != "f" else ["max", "min"])

    def windows(v: Any) -> Any:
        if not isinstance(v, np.ndarray):
            return v.coarsen(getattr(np, name), dict(enumerate(lengths)), trim_excess=True)
        whole = v[tuple(slice(n // k * k) for n, k in zip(v.shape, lengths, strict=True))]
        pairs = [part for n, k in zip(whole.shape, lengths, strict=True) for part in (n // k, k)]
        return getattr(np, name)(whole.reshape(pairs), axis=tuple(range(1, 2 * v.ndim, 2)))

    return both(windows, value)


def _twice(values: Any) -> Any:
    return values * 2


STEPS = [blocks, blocks, overlap, by_value, lines, coarse]
